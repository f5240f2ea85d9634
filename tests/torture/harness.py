"""The property: disturbed at any call, and run again, it is the machine of a run that nobody disturbed."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.torture import calls
from tests.torture.calls import Call
from tests.torture.machines import Image, Machine

Make = Callable[[Path], Machine | Image]
TABLE = {2, 3, 4, 5, 6, 7, 8, 9}
"""Exit codes of a run that failed, in docs/running.md; 70 is a fault of ours."""
FULL = "write pwrite64 mkdir mkdirat openat rename renameat link linkat symlink symlinkat fallocate"
READ_ONLY = "rmdir unlink unlinkat fchmod fchmodat chmod chown fchown fchownat utimensat truncate"
ERRORS = {
    **dict.fromkeys(calls.CHANGING, ("EIO",)),
    **dict.fromkeys(FULL.split(), ("ENOSPC", "EIO")),
    **dict.fromkeys(READ_ONLY.split(), ("EROFS", "EIO")),
    "openat": ("ENOSPC", "EMFILE", "EROFS"),
}
LASTING = {**ERRORS, "openat": ("EMFILE",)}
"""The same from then on: a disk that is full or read-only can still be read."""
"""What a call can be answered with by a disk that is full, damaged or read-only, or a process that has too much open."""


class Disturbance(NamedTuple):
    """What happens to a run at one of its calls."""

    call: Call
    error: str = ""
    """What the call fails with; '': the process is killed as it enters it."""
    lasting: bool = False
    """Every later call of this name fails, too."""
    boots: bool = False
    """The machine boots before the next run."""

    def front(self) -> tuple[str, ...]:
        """What stands in front of the command."""
        if not self.error:
            return calls.killing(self.call)
        return calls.failing(self.call, self.error, lasting=self.lasting)

    def __str__(self) -> str:
        what = f"{self.error}{' from then on' if self.lasting else ''}" if self.error else "killed"
        boots = ", then a boot" if self.boots else ""
        return f"{what} at {self.call.name} {self.call.number} ({self.call.what}){boots}"


class Reference(NamedTuple):
    """A run that nobody disturbed."""

    calls: list[Call]
    facts: dict[str, object]
    lines: list[str]
    phase: str


class Outcome(NamedTuple):
    """What came of one disturbance."""

    disturbance: Disturbance
    reached: bool
    wrong: str
    """What does not hold; ''."""


def undisturbed(make: Make, directory: Path) -> Reference:
    """Run once, and write down the calls.

    Args:
        make: Makes the machine in a directory.
        directory: A scratch directory.
    """
    # Where machines share what the agent unpacks, the first would make other calls than all others.
    first = make(directory / "first")
    first.run()
    first.remove()
    machine = make(directory / "reference")
    trace = directory / "trace"
    ended = machine.run(*calls.tracing(trace))
    assert ended.returncode == 0, ended.stderr
    facts, again = machine.facts(), machine.run()
    assert (again.returncode, machine.facts()) == (0, facts), "a second run changes the machine"
    return Reference(calls.read(trace), facts, machine.lines(), machine.phase())


def disturbances(
    reference: Reference, *, kills: bool = True, faults: bool = True, boots: bool = True
) -> list[Disturbance]:
    """All that can happen to a run like the reference's."""
    found = []
    for call in reference.calls:
        if kills:
            found.append(Disturbance(call))
            if boots:
                found.append(Disturbance(call, boots=True))
        if faults and call.reaches_a_disk:
            found += [
                Disturbance(call, error, lasting)
                for lasting, errors in ((False, ERRORS), (True, LASTING))
                for error in errors[call.name]
            ]
    return found


def check(make: Make, directory: Path, reference: Reference, what: Disturbance) -> Outcome:
    """Disturb a run, run again, and compare.

    Args:
        make: Makes the machine in a directory.
        directory: A scratch directory, which must not be there yet.
        reference: What has to come out.
        what: What happens to the first run.
    """
    machine = make(directory)
    ended = machine.run(*what.front())
    killed = ended.returncode in (-9, 137)
    reached = killed or ended.returncode != 0
    wrong = _wrong_at_once(what, ended.returncode, ended.stderr, killed=killed)
    if not wrong and ended.returncode == 0:
        wrong = _wrong_at_last(machine, reference, "false success")
    if not wrong and reached:
        if what.boots:
            machine.boot()
        again = machine.run()
        if again.returncode:
            wrong = f"the next run ends with {again.returncode}: {_last(again.stderr)}"
        else:
            wrong = _wrong_at_last(machine, reference, "the next run", boots=what.boots)
    if not wrong:
        machine.remove()
    return Outcome(what, reached, wrong)


def _wrong_at_once(what: Disturbance, code: int, errors: str, *, killed: bool) -> str:
    if "Traceback" in errors or "MA9001" in errors:
        return f"a traceback: {_last(errors)}"
    if what.error and not killed and code not in {0, *TABLE}:
        return f"exit code {code}: {_last(errors)}"
    return ""


def _wrong_at_last(
    machine: Machine | Image, reference: Reference, run: str, *, boots: bool = False
) -> str:
    if machine.phase() != reference.phase:
        return f"{run}: the report says {machine.phase() or 'nothing'}"
    facts = machine.facts()
    names = sorted(
        name
        for name in facts.keys() | reference.facts.keys()
        if facts.get(name) != reference.facts.get(name)
    )
    if names:
        shown = [
            f"{name}: {facts.get(name)!r:.600} not {reference.facts.get(name)!r:.600}"
            for name in names[:3]
        ]
        return f"{run}: {len(names)} differ, such as {'; '.join(shown)}"
    ran, expected = Counter(machine.lines()), Counter(reference.lines)
    if boots:  # those of the boot run at each
        ran["boot"] -= 1
    # The one command that was cut off may run twice.
    if ran.keys() != expected.keys() or (ran - expected).total() > 1:
        return f"{run}: the commands ran {dict(ran)}"
    return ""


def _last(errors: str) -> str:
    return " | ".join(errors.strip().splitlines()[-3:])[-400:]


def run(
    make: Make,
    directory: Path,
    *,
    sample: int = 0,
    seed: int = 0,
    kills: bool = True,
    faults: bool = True,
    boots: bool = True,
    told: Callable[[Outcome], None] = lambda _: None,
) -> tuple[Reference, list[Outcome]]:
    """Disturb runs of a machine in every way, or in a sample of all ways.

    Args:
        make: Makes the machine in a directory.
        directory: A scratch directory.
        sample: How many; 0: all.
        seed: Of the sample.
        kills: Kill at each call.
        faults: Let each call fail.
        boots: Kill once more at each call, with a boot before the next run.
        told: Called for each outcome.

    Returns:
        The undisturbed run, and what came of each disturbance.
    """
    reference = undisturbed(make, directory)
    todo = disturbances(reference, kills=kills, faults=faults, boots=boots)
    if sample and sample < len(todo):
        todo = random.Random(seed).sample(todo, sample)  # noqa: S311 - reproducible by its seed
    with ThreadPoolExecutor(2) as pool:

        def one(number: int) -> Outcome:
            outcome = check(make, directory / str(number), reference, todo[number])
            told(outcome)
            return outcome

        outcomes = list(pool.map(one, range(len(todo))))
    with contextlib.suppress(OSError):
        shutil.rmtree(directory / "reference")
    return reference, outcomes
