"""What a start of the packed agent costs, with the system's own Python, beside an interpreter that does nothing."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.encrypted import PYTHON, peak
from tests.bench.harness import Case, command, compare

ISOLATED = [PYTHON, "-I", "-S"]
MOST_MEMORY = 16  # MB
SOMETHING_TO_DO = 10

# What `plan` loads, and nothing done with it.
IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
import gc
gc.set_threshold(20_000)
import machineadm.cli.options, machineadm.cli.plan, machineadm.agent.bootstrap, machineadm.agent.wiring
import machineadm.cli.refusal, machineadm.plan.render, machineadm.documents.libyaml, os
machineadm.documents.libyaml.load()
os._exit(0)
"""


def measure(agent: Path, configuration: Path, folder: Path, rounds: int) -> None:
    """Compare every kind of start.

    Args:
        agent: The packed agent.
        configuration: 64 KB of YAML.
        folder: Where it may write.
        rounds: How often.
    """
    cache = folder / "start"
    os.environ["MACHINEADM_CACHE"] = str(cache)
    machineadm = [*ISOLATED, str(agent)]
    root = folder / "start-root"
    root.mkdir()
    plan = ["plan", "--root", str(root), "--path", str(configuration)]
    command([*machineadm, *plan], expect=SOMETHING_TO_DO)(0)
    (base,) = cache.glob("agent/*-base")

    compare(
        f"start-up with {PYTHON}",
        [
            Case("reference: python3 -I -S -c pass", command([*ISOLATED, "-c", "pass"])),
            Case("an archive that does nothing", command([*ISOLATED, str(empty_archive(folder))])),
            Case("version", command([*machineadm, "version"]), limit=2.3),
            Case("imports of plan alone", command([*ISOLATED, "-c", IMPORTS, str(base)])),
            Case(
                f"plan, {configuration.stat().st_size} bytes",
                command([*machineadm, *plan], expect=SOMETHING_TO_DO),
                limit=8,
            ),
            Case("first plan, nothing unpacked", first([*machineadm, *plan], folder), limit=25),
        ],
        rounds=rounds,
    )
    megabytes = float(peak([*machineadm, *plan]))
    missed = "  MISSED" if megabytes > MOST_MEMORY else ""
    print(
        f"  peak memory of a warm plan: {megabytes:.1f} MB  goal: at most {MOST_MEMORY}{missed}\n"
    )


def empty_archive(folder: Path) -> Path:
    """A zipapp whose program is empty: what no archive can be without."""
    path = folder / "empty.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "")
    return path


def first(arguments: list[str], folder: Path) -> Callable[[int], float]:
    """A case's run that has nothing unpacked before it."""
    run = command(arguments, expect=SOMETHING_TO_DO)

    def anew(number: int) -> float:
        before = os.environ["MACHINEADM_CACHE"]
        os.environ["MACHINEADM_CACHE"] = str(folder / "first")
        try:
            return run(number)
        finally:
            os.environ["MACHINEADM_CACHE"] = before
            shutil.rmtree(folder / "first")

    return anew
