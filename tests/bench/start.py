"""What a start of the packed agent costs, with the system's own Python, beside an interpreter that does nothing."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.encrypted import PYTHON, peak
from tests.bench.harness import Case, command, compare

ISOLATED = [PYTHON, "-I", "-S"]
MOST_MEMORY = 16.5  # MiB
SOMETHING_TO_DO = 10

# What `plan` loads, and nothing done with it.
IMPORTS = """
import sys
sys.path.insert(0, sys.argv[1])
import gc
gc.set_threshold(100_000)
import machineadm.cli.options, machineadm.cli.plan, machineadm.agent.bootstrap, machineadm.agent.wiring
import machineadm.cli.refusal, machineadm.plan.render, machineadm.documents.libyaml, os
machineadm.documents.libyaml.load()
os._exit(0)
"""


# What machineadm/documents/libyaml.py is for.
WHOLE = "import sys; sys.path.insert(0, sys.argv[1]); import msgspec, yaml"
ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import msgspec, machineadm.documents.libyaml as libyaml
libyaml.load()
"""


def measure(agent: Path, configuration: Path, directory: Path, rounds: int) -> None:
    """Compare every kind of start.

    Args:
        agent: The packed agent.
        configuration: 64 KB of YAML.
        directory: Where it may write.
        rounds: How often.
    """
    cache = directory / "start"
    os.environ["MACHINEADM_CACHE"] = str(cache)
    machineadm = [*ISOLATED, str(agent)]
    root = directory / "start-root"
    root.mkdir()
    plan = ["plan", "--root", str(root), "--path", str(configuration)]
    base = directory / "base"
    with zipfile.ZipFile(agent) as archive, archive.open("parts/base.zip") as part:
        zipfile.ZipFile(part).extractall(base)

    compare(
        f"start-up with {PYTHON}",
        [
            Case("reference: python3 -I -S -c pass", command([*ISOLATED, "-c", "pass"])),
            Case(
                "an archive that does nothing", command([*ISOLATED, str(empty_archive(directory))])
            ),
            Case("version", command([*machineadm, "version"]), limit=2.3),
            Case("imports of plan alone", command([*ISOLATED, "-c", IMPORTS, str(base)])),
            Case(
                f"plan, {configuration.stat().st_size} bytes",
                command([*machineadm, *plan], expect=SOMETHING_TO_DO),
                limit=7,
            ),
            Case("first plan, nothing unpacked", first([*machineadm, *plan], directory), limit=18),
        ],
        rounds=rounds,
    )
    compare(
        "first plan right after 1 GiB was written to the same file system",
        [
            Case("reference: python3 -I -S -c pass", command([*ISOLATED, "-c", "pass"])),
            Case(
                "first plan, nothing unpacked",
                after_writing(first([*machineadm, *plan], directory), directory / "written"),
                limit=18,
            ),
        ],
        rounds=min(rounds, 5),
    )
    compare(
        "libyaml's parser, which PyYAML brings, beside msgspec",
        [
            Case("reference: python3 -I -S -c pass", command([*ISOLATED, "-c", "pass"])),
            Case("import msgspec, yaml", command([*ISOLATED, "-c", WHOLE, str(base)])),
            Case(
                "import msgspec, documents/libyaml.py", command([*ISOLATED, "-c", ALONE, str(base)])
            ),
        ],
        rounds=rounds,
    )
    megabytes = float(peak([*machineadm, *plan]))
    missed = "  MISSED" if megabytes > MOST_MEMORY else ""
    print(
        f"  peak memory of a warm plan: {megabytes:.1f} MiB  goal: at most {MOST_MEMORY}{missed}\n"
    )


def empty_archive(directory: Path) -> Path:
    """A zipapp whose program is empty: what no archive can be without."""
    path = directory / "empty.pyz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__main__.py", "")
    return path


def first(arguments: list[str], directory: Path) -> Callable[[int], float]:
    """A case's run that has nothing unpacked before it."""
    run = command(arguments, expect=SOMETHING_TO_DO)

    def anew(number: int) -> float:
        before = os.environ["MACHINEADM_CACHE"]
        os.environ["MACHINEADM_CACHE"] = str(directory / "first")
        try:
            return run(number)
        finally:
            os.environ["MACHINEADM_CACHE"] = before
            shutil.rmtree(directory / "first")

    return anew


def after_writing(run: Callable[[int], float], path: Path) -> Callable[[int], float]:
    """A case's run right after others have written what the disk is still busy with."""

    def busy(number: int) -> float:
        dd = ["dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=1024", "status=none"]
        subprocess.run(dd, check=True)
        try:
            return run(number)
        finally:
            path.unlink()

    return busy
