"""Toy steps, and the smallest host that the runner can work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from machineadm.errors import InterruptedRunError, KubeadmError, StepError
from machineadm.execution.journal import Journal
from machineadm.host.ports import Host
from machineadm.plan.model import Change, Outcome, Outlook, Phase, digest_of


class ToyState:
    """The runner's files, in memory. `journal_writes` may end the process at a boundary."""

    run_directory = "/run/machineadm"
    state_directory = "/var/lib/machineadm"

    def __init__(self) -> None:
        self.durable: dict[str, bytes] = {}
        self.volatile: dict[str, bytes] = {}
        self.writes = 0

    def _folder(self, *, durable: bool) -> dict[str, bytes]:
        return self.durable if durable else self.volatile

    def read(self, name: str, *, durable: bool) -> bytes | None:
        return self._folder(durable=durable).get(name)

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        self.writes += 1
        self._folder(durable=durable)[name] = content

    def append(self, name: str, content: bytes) -> None:
        self.writes += 1
        self.durable[name] = self.durable.get(name, b"") + content

    def remove(self, name: str, *, durable: bool) -> None:
        self.writes += 1
        self._folder(durable=durable).pop(name, None)

    def lock(self) -> None:
        pass


@dataclass
class ToyClock:
    """Time that passes only when somebody sleeps."""

    time: float = 1_000_000.0
    deadline: float | None = None
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        self.time += seconds
        if self.deadline is not None and self.time >= self.deadline:
            raise InterruptedRunError("MA6003", "out of time")


def toy_host(*, offline: bool = False) -> Host:
    """A host with nothing but time and state: toy steps touch nothing else."""
    nothing: object = None
    return Host(
        files=nothing,  # type: ignore[arg-type]
        accounts=nothing,  # type: ignore[arg-type]
        clock=ToyClock(),
        state=ToyState(),
        offline=offline,
    )


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

    def digest(self) -> str:
        return digest_of(self.name, self.content)

    def check(self, _host: Host) -> Outlook:
        self.calls.append("check")
        there = self.name in self.machine
        return Outlook(change=Change.ALREADY_IN_PLACE if there else Change.CHANGED)

    def apply(self, _host: Host) -> Outcome:
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

    def recover(self, _host: Host) -> bool:
        self.calls.append("recover")
        if self.done_after_all:
            self.machine.add(self.name)
        return self.done_after_all

    def clean(self, _host: Host) -> None:
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
        kubeadm_phase="preflight",
    )
