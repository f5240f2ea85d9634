"""Interleaved measurements and their table.

Absolute times of shared machines move by a factor of two; ratios of medians of runs that take turns do
not. So each round runs every case once, and what is shown is each case beside its reference.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.results import KEPT, Result


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Args:
        name: What the table calls it.
        run: Does it once; receives the round's number and gives the seconds that count.
        limit: The largest good ratio to the reference; None for the reference itself, and where there is
            no goal.
    """

    name: str
    run: Callable[[int], float]
    limit: float | None = None


def command(arguments: Sequence[str], *, expect: int = 0) -> Callable[[int], float]:
    """A case's run that starts a process and waits for its end."""

    def run(_round: int) -> float:
        start = time.perf_counter()
        outcome = subprocess.run(arguments, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
        if outcome.returncode != expect:
            message = (
                f"{arguments} ended with {outcome.returncode}: {outcome.stdout}{outcome.stderr}"
            )
            raise SystemExit(message)
        return seconds

    return run


def compare(title: str, cases: Sequence[Case], *, rounds: int) -> None:
    """Run all cases in turn and print them; the first is the reference."""
    for case in cases:
        case.run(0)  # caches of the disk and of compiled modules
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(1, rounds + 1):
        for case in cases:
            seconds[case.name].append(case.run(number))
    first = seconds[cases[0].name]
    print(f"{title} (median of {rounds} interleaved rounds)")
    for case in cases:
        times = seconds[case.name]
        found = Result(
            comparison=title,
            case=case.name,
            rounds=rounds,
            median=median(times),
            least=min(times),
            most=max(times),
            ratio=median(times) / median(first),
            lowest_ratio=min(times) / min(first),
            limit=case.limit,
        )
        KEPT.append(found)
        goal = "" if case.limit is None else f"  goal: at most {case.limit:g}"
        missed = "  MISSED" if case.limit is not None and found.ratio > case.limit else ""
        print(f"  {case.name:<58} {found.median * 1000:8.1f} ms  x{found.ratio:.2f}{goal}{missed}")
    print()
