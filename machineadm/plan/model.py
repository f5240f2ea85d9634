"""Step, Work, Outcome, Plan: the vocabulary between planner, steps, execution and reporting."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Literal, Protocol, runtime_checkable

import msgspec

from machineadm.config.digest import sha256
from machineadm.host.effects import Effect
from machineadm.host.ports import Host


class Phase(str, enum.Enum):
    """The phases of a plan, in their order; a plan never goes back to an earlier one."""

    BOOT = "boot"
    """Boot commands, first of all."""

    PREPARE = "prepare"
    """The operating system and every file that kubeadm will look for."""

    PRE_KUBEADM = "preKubeadm"
    """The commands before kubeadm."""

    # A phase of its own and no step of another: what is before it may be undone and done again,
    # what is after it happens on a node.
    KUBEADM = "kubeadm"
    """kubeadm itself."""

    POST_KUBEADM = "postKubeadm"
    """The commands after kubeadm."""


class Change(str, enum.Enum):
    """Whether a step has, or would have, anything to do."""

    CHANGED = "Changed"
    ALREADY_IN_PLACE = "AlreadyInPlace"


# Not `start`: what is to run is a state, which a step checks and sees to; a follow-up is what a
# change calls for once.
FollowUpKind = Literal["daemon-reload", "reload", "restart", "stop", "run", "reboot"]


class FollowUp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What has to follow an effect before the run is complete: a restart, a rebuilt trust store, a reboot.

    The engine records it before the first effect of its work, and carries it out once for everything that asked for it: before
    the first step that needs it (see `Needing`), at the latest at the end of its phase. After a kill in between, the next run
    does it, although by then the files look right.
    """

    kind: FollowUpKind
    target: str = ""
    """The unit of a reload, restart or stop; what is run, in words."""
    argv: tuple[str, ...] = ()
    """Of `run`: a program that may run twice without harm."""
    until: str = ""
    """Of a restart: a condition (see `actions.waits`) that must come to hold, or else the restart has failed. A service may run, and serve
    nobody."""

    @property
    def key(self) -> str:
        """Its identity: `restart containerd.service`. Two steps that ask for the same restart get one."""
        # Neither argv nor `until`: two steps that want the same restart, one of them with a
        # condition, must get one restart.
        return f"{self.kind} {self.target}".strip()


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a step would do, as a value. Without effects the step is in place."""

    effects: tuple[Effect, ...] = ()
    """In the order in which they are done."""

    summary: str = ""
    """One line, no secret: "2 of 5 files differ"."""

    deferred: tuple[str, ...] = ()
    """What this run cannot do though it must be done (an owner, when not root)."""

    follow: tuple[FollowUp, ...] = ()
    """What has to follow if there are effects."""

    @property
    def change(self) -> Change:
        """Whether there is anything to do."""
        # Follow-ups do not count: without an effect nothing has changed that they could follow.
        return Change.CHANGED if self.effects else Change.ALREADY_IN_PLACE


class ProgramRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a program that is reported by itself ended: a step reports it beside its outcome."""

    program: str
    """`kubeadm`."""
    command: tuple[str, ...]
    # Also of a run that succeeded: whoever reads the report asks how kubeadm ended, not only
    # whether it failed.
    exit_code: int
    phase: str = ""
    """The program's own."""


class Attested(msgspec.Struct, frozen=True, kw_only=True):
    """Proof of the machine's identity: a step reports it beside its outcome."""

    plugin: str
    format: str
    challenge: bytes
    evidence: bytes


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's apply did."""

    change: Change
    message: str = ""
    """One line, no secret."""

    deferred: tuple[str, ...] = ()
    """As in `Work`."""

    reports: tuple[ProgramRun | Attested, ...] = ()
    """Of the programs that it ran, and of what it was given."""


class Step(Protocol):
    """One concern's batch of work on a machine. A frozen value that contains everything it needs."""

    @property
    def name(self) -> str:
        """Unique in its plan, `concern/what`: `sysctl/persist`, `commands/preKubeadm[2]`."""

    @property
    def phase(self) -> Phase:
        """The phase it belongs to."""

    @property
    def live(self) -> bool:
        """Whether it needs the running system: then it is deferred below another root, and never run."""

    @property
    def once(self) -> bool:
        """Whether only the journal can tell that it was done, by name and digest, because the machine does not show it."""

    def digest(self) -> str:
        """Hex SHA-256 of all that shapes the step (see `digest_of`); it keys the journal."""

    def check(self, host: Host) -> Work:
        """Look once, by queries only, and return what would be done.

        Raises:
            MachineadmError: The step could not succeed; known before anything has changed.
        """

    def apply(self, host: Host, work: Work) -> Outcome:
        """Do exactly this work. Safe to repeat after a kill at any instant.

        Raises:
            MachineadmError: It failed.
        """


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """Something on the machine that a step is responsible for."""

    # `line` is a line of a file that others write as well (/etc/fstab): owning the file would
    # take back their lines, too.
    kind: Literal["file", "unit", "parameter", "module", "hostname", "line", "account", "image"]
    name: str
    """A path, a unit, a parameter ...; of a line: the path of its file, a space, the line; of an account: `user` or `group`, a
    space, its name."""
    declared: str = ""
    """Digest of what the configuration says of it."""
    append: bool = False
    """Only a part of the file is the step's."""
    hidden: bool = False
    """Its content is never shown."""
    then: tuple[FollowUp, ...] = ()
    """What has to follow when it goes, beside what follows when it comes."""


@runtime_checkable
class Owning(Protocol):
    """A step that owns what it makes: once the configuration no longer has it, it is taken back."""

    def owned(self) -> tuple[Owned, ...]:
        """What it owns, whether or not it is in place now."""


@runtime_checkable
class Needing(Protocol):
    """A step that must not begin before certain follow-ups are done."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of follow-ups (see `FollowUp.key`)."""


@runtime_checkable
class Background(Protocol):
    """A step that is started at its place and may go on while later steps are carried out.

    Failures that may pass are tried again, as in the foreground. A step that is also `Recoverable` runs in the foreground:
    cleaning between two attempts removes files of other steps.
    """

    @property
    def joined_before(self) -> str:
        """Name of the step or concern before which it must have ended."""


@runtime_checkable
class Bringing(Protocol):
    """A step that brings programs and files whose names it does not say: a check after it that fails before it ran proves nothing."""

    @property
    def brings_programs(self) -> bool:
        """Whether this one does."""


@runtime_checkable
class Retryable(Protocol):
    """A step that is tried again after failures that may pass."""

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1), `elapsed` seconds after the first began.

        Returns:
            None when the budget is spent.
        """


@runtime_checkable
class Recoverable(Retryable, Protocol):
    """A step that may leave half-done work, which must be judged or cleaned before anything else is done."""

    def recover(self, host: Host) -> bool:
        """Called at the start of a run when the journal says that the step was started and not finished.

        Returns:
            True if the work turns out to be done after all. False if the step must be applied again; then the machine is
            clean enough for that.
        """

    def clean(self, host: Host) -> None:
        """Remove what a failed attempt left, before the next attempt in the same run.

        Afterwards the runner checks the earlier steps again, because cleaning may remove their files.
        """


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered steps. Making a plan changes nothing."""

    steps: tuple[Step, ...]

    emptied: tuple[str, ...] = ()
    """Directories and files that the reset of a failed bootstrap empties or removes: what commands make there is kept."""

    # Of the plan and not of a step: a person allows it for the machine, and no concern may decide
    # it for the others.
    reboot: bool = False
    """The run may reboot the machine where a follow-up asks for it."""


def digest_of(*parts: str | bytes | Iterable[str]) -> str:
    """Hex SHA-256 over the parts, each preceded by its length: `ab`, `c` and `a`, `bc` must not share a digest."""
    # The digests key the journal: they must be the same in every release, so nothing of the
    # interpreter (hash(), repr()) is in them.
    sum_ = sha256()
    for part in parts:
        if isinstance(part, (str, bytes)):
            data = part.encode() if isinstance(part, str) else part
            # As netstrings do it. A separator would have to be a byte that no part has, and
            # scripts have all of them.
            sum_.update(b"%d:" % len(data) + data)
        else:
            sum_.update(digest_of(*part).encode())
    return str(sum_.hexdigest())
