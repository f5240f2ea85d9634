"""`validate` beside the agent of before Kubernetes' own judgements: what they cost.

The agent of that commit is built once, from this repository, and kept in the cache; without the commit (a shallow clone)
nothing is measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.harness import Case, command, compare

_ROOT = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("MACHINEADM_CACHE", Path.home() / ".cache/machineadm")) / "agents"
_COMMIT = "a6b88d53a0c4f5f858c1f75533e11dce15d9cd16"
"""The last that judged nothing of what is passed on."""


def _agent() -> Path | None:
    file = _CACHE / f"{_COMMIT[:12]}.pyz"
    if file.exists():
        return file
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(_ROOT), scratch]
        checkout = ["git", "-C", scratch, "checkout", "--quiet", _COMMIT]
        if subprocess.run(clone, check=False).returncode:
            return None
        if subprocess.run(checkout, capture_output=True, check=False).returncode:
            return None
        # By its own locks and its own builder.
        made = f"dist/machineadm-linux-{os.uname().machine.replace('x86_64', 'amd64').replace('aarch64', 'arm64')}.pyz"
        build = ["make", "--silent", "-C", scratch, "package", f"PYTHON={sys.executable}"]
        subprocess.run(build, check=True, stdout=sys.stderr)
        Path(scratch, made).replace(file.with_suffix(".new"))
    file.with_suffix(".new").replace(file)
    return file


def validate(agent: Path, rounds: int) -> None:
    """The maximal configuration, of which each document that is passed on is judged now."""
    before = _agent()
    if before is None:
        print(f"validate, the agent before: {_COMMIT[:12]} is not in this clone\n")
        return
    path = str(_ROOT / "examples/maximal.yaml")

    def of(program: Path) -> list[str]:
        # A cache each: in one of both, every start removes what the other one has unpacked and compiled.
        cache = f"MACHINEADM_CACHE={os.environ['MACHINEADM_CACHE']}/{program.stem}"
        return ["env", cache, sys.executable, "-IS", str(program), "validate", "--path", path]

    compare(
        "validate of the maximal configuration",
        [
            Case(
                "reference: the agent that judged nothing of what is passed on",
                command(of(before)),
            ),
            Case("packed agent", command(of(agent)), limit=1.15),
        ],
        rounds=rounds,
    )
