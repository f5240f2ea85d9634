"""Toy steps: what the runner sees of a step, and nothing more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from machineadm.errors import KubeadmError, StepError
from machineadm.execution.journal import Journal
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Change, Outcome, Phase, Work, digest_of


def journal_of(host: Host, *, machine_id: str = "m1", boot_id: str = "b1") -> Journal:
    return Journal(host.state, host.clock, machine_id=machine_id, boot_id=boot_id)


@dataclass
class ToyStep:
    """Marks the machine (a set of words); fails as often as it is told to."""

    name: str
    machine: set[str]
    phase: Phase = Phase.PREPARE
    live: bool = False
    once: bool = False
    content: str = ""
    failures: list[Exception] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before_apply: Callable[[], None] = lambda: None

    @property
    def deeds(self) -> list[str]:
        """The calls that are no mere look."""
        return [call for call in self.calls if call != "check"]

    def digest(self) -> str:
        return digest_of(self.name, self.content)

    def check(self, host: Host) -> Work:
        del host
        self.calls.append("check")
        there = self.name in self.machine and not self.once
        return Work(effects=() if there else (RunProgram(title=self.name),))

    def apply(self, host: Host, work: Work) -> Outcome:
        del host, work
        self.calls.append("apply")
        self.before_apply()
        if self.failures:
            raise self.failures.pop(0)
        self.machine.add(self.name)
        return Outcome(change=Change.CHANGED)


@dataclass
class ToyJoin(ToyStep):
    """As kubeadm: leaves half-done work, is recovered, cleaned and tried again."""

    delays: list[float] = field(default_factory=list)
    takes: str = ""
    """The word that cleaning takes off the machine."""
    done_after_all: bool = False

    def recover(self, host: Host) -> bool:
        del host
        self.calls.append("recover")
        if self.done_after_all:
            self.machine.add(self.name)
        return self.done_after_all

    def clean(self, host: Host) -> None:
        del host
        self.calls.append("clean")
        self.machine.discard(self.takes)

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        del attempt, elapsed
        return self.delays.pop(0) if self.delays else None


def failure(message: str = "it broke") -> StepError:
    return StepError("MA3201", message)


def passing() -> KubeadmError:
    return KubeadmError(
        "MA4007",
        "API server unreachable",
        passing=True,
        command=("kubeadm", "join"),
        process_exit_code=1,
        phase="preflight",
    )
