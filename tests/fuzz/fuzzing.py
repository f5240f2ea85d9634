"""Runs a target on damaged inputs, and says which of them break it."""

from __future__ import annotations

import hashlib
import random
import signal
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from tests.contract.mutations import damaged_bytes
from tests.fuzz.targets import FOUND, Target

LARGEST: Final = 256 * 1024
HANG: Final = 20
"""Seconds of a processor after which nothing will come."""
FAST: Final = 2
TIMES: Final = 20
"""What takes longer than FAST may take so many times what the slowest seed took, a byte."""
MEMORY: Final = 60 << 20
"""Bytes by which one input may let the process grow."""


class Finding(NamedTuple):
    """An input that breaks a target."""

    data: bytes
    why: str

    @property
    def name(self) -> str:
        """A name for it."""
        return hashlib.sha256(self.data).hexdigest()[:16]


class HangError(Exception):
    """It took too long."""


class Judge:
    """Tries inputs on a target.

    Args:
        target: The target.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.cost = 0.0
        for seed in target.seeds:
            began = time.process_time()
            target.read(seed)
            # The first one imports; what it takes for a byte is an upper bound all the same.
            self.cost = max(self.cost, (time.process_time() - began) / max(1, len(seed)))

    def finding(self, data: bytes) -> Finding | None:
        """Try an input; None if all is well."""
        before_it = _peak(anew=True)
        began = time.process_time()
        before = signal.signal(signal.SIGPROF, _bark)
        signal.setitimer(signal.ITIMER_PROF, HANG)
        why = ""
        try:
            self._target.read(data)
        except HangError:
            why = f"it takes longer than {HANG} s"
        except BaseException:
            why = traceback.format_exc(limit=-4)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
        took = time.process_time() - began
        grown = _peak() - before_it
        if not why and took > max(FAST, TIMES * self.cost * len(data)):
            why = f"it takes {took:.1f} s"
        if not why and grown > MEMORY:
            why = f"the process grows by {grown >> 20} MiB"
        return Finding(data, why) if why else None


def _peak(*, anew: bool = False) -> int:
    """Most bytes of memory that the process has had, or with `anew` that it has now, from which it is counted."""
    if anew:
        # proc_pid_clear_refs(5): what an earlier test of this process took would hide all that is smaller.
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _bark(_number: int, _frame: FrameType | None) -> None:
    raise HangError


def damaged(seeds: list[bytes], seed: int) -> Iterator[bytes]:
    """Damaged inputs without end: bytes changed, pieces of others put in."""
    chance = random.Random(seed)  # noqa: S311 - the same ones at each run
    while True:
        data = chance.choice(seeds)
        if chance.random() < 0.2:
            other = chance.choice(seeds)
            at, start = chance.randrange(len(data) + 1), chance.randrange(len(other) + 1)
            data = data[:at] + other[start : start + chance.randrange(1, 400)] + data[at:]
        yield damaged_bytes(data, chance)[:LARGEST]


def known(name: str) -> list[bytes]:
    """What once broke a target."""
    return [path.read_bytes() for path in sorted(FOUND.glob(f"{name}-*"))]


def fuzz(
    name: str, target: Target, *, seed: int, inputs: int = 0, seconds: float = 0, most: int = 5
) -> tuple[int, list[Finding]]:
    """Try damaged inputs.

    Args:
        name: The target's.
        target: The target.
        seed: Of the damage.
        inputs: How many; 0: as many as time allows.
        seconds: How long; 0: without a limit.
        most: Findings after which it ends.

    Returns:
        How many were tried, and what was found.
    """
    judge, found, tried = Judge(target), [], 0
    began = time.monotonic()
    for data in known(name):
        if finding := judge.finding(data):
            found.append(finding)
    for data in damaged(list(target.seeds), seed):
        if (inputs and tried >= inputs) or (seconds and time.monotonic() - began > seconds):
            break
        tried += 1
        if finding := judge.finding(data):
            found.append(finding)
            if len(found) >= most:
                break
    return tried, found


def keep(directory: Path, name: str, finding: Finding) -> Path:
    """Write a finding where it can be looked at."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{finding.name}"
    path.write_bytes(finding.data)
    return path
