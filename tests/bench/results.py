"""Results of `make bench` as a file: to compare a later run with, and to draw docs/performance.md from."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
SLOWER: Final = 1.1
"""A ratio that has grown by more is slower; less is what quiet machines differ by from run to run."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One case of one comparison."""

    comparison: str
    case: str
    rounds: int
    median: float
    """Seconds."""
    least: float
    most: float
    ratio: float
    """Of the medians: this case by its reference."""
    lowest_ratio: float
    """Of the least times: what noise of the machine moves least."""
    limit: float | None = None
    """The largest good ratio; None where there is no goal."""


class Results(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All of one run, and what made it."""

    command: str
    commit: str
    machine: str
    python: str
    results: tuple[Result, ...]


KEPT: Final[list[Result]] = []
"""What this run has measured so far."""


def write(path: Path, command: str) -> None:
    """Write what was measured, with the machine and the command that made it."""
    made = Results(
        command=command,
        commit=_commit(),
        machine=_machine(),
        python=platform.python_version(),
        results=tuple(KEPT),
    )
    path.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")


def read(path: Path) -> Results:
    """Read a file that `write` has made."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def differences(before: Sequence[Result], now: Sequence[Result]) -> Iterator[str]:
    """A line for each case that is slower, faster, new or gone.

    By ratios, medians and least times both: a case is slower if it is so by each of them, since a neighbor on the machine
    disturbs some rounds and not all.
    """
    known = {(one.comparison, one.case): one for one in before}
    for one in now:
        old = known.pop((one.comparison, one.case), None)
        name = f"{one.comparison}: {one.case}"
        if old is None:
            yield f"new     {name}: x{one.ratio:.2f}"
            continue
        factors = (one.ratio / old.ratio, one.lowest_ratio / old.lowest_ratio)
        if min(factors) > SLOWER:
            yield f"SLOWER  {name}: x{old.ratio:.2f} -> x{one.ratio:.2f}"
        elif max(factors) < 1 / SLOWER:
            yield f"faster  {name}: x{old.ratio:.2f} -> x{one.ratio:.2f}"
    for comparison, case in known:
        yield f"gone    {comparison}: {case}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}, load {load:.1f} at the end"
