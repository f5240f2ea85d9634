"""What `convert` costs: a thousand drawn specs in two processes, beside reading and writing them as YAML."""

import time
from concurrent.futures import ProcessPoolExecutor

import yaml

from machineadm.conversion.whole import Request, convert
from tests.bench.harness import Case, compare
from tests.corpus.generated import drawn

SPECS = 1000
GOAL = 20.0
"""Seconds that a thousand may take on two cores."""


def _convert(texts: list[str]) -> int:
    return sum(len(convert([("in", text.encode())], Request()).results) for text in texts)


def _again(texts: list[str]) -> int:
    return sum(len(yaml.safe_dump(yaml.safe_load(text))) for text in texts)


def measure(rounds: int) -> None:
    """Convert all of them, and say how long it took."""
    texts = [spec.text for spec in drawn(SPECS)]
    halves = [texts[::2], texts[1::2]]
    with ProcessPoolExecutor(2) as pool:

        def timed(work: object) -> float:
            start = time.perf_counter()
            list(pool.map(work, halves))  # type: ignore[arg-type] # either of the two above
            return time.perf_counter() - start

        compare(
            f"convert, {SPECS} KubeadmConfigSpecs in two processes (goal: {GOAL:g} s on two idle cores)",
            [
                Case("reference: PyYAML reads and writes them", lambda _: timed(_again)),
                Case("convert", lambda _: timed(_convert)),
            ],
            rounds=min(rounds, 3),
        )
