"""Step, Phase, Plan, Change: the vocabulary between planner, steps, execution and reporting."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import msgspec

from machineadm.config.digest import sha256
from machineadm.host.ports import Host


class Phase(str, enum.Enum):
    """The phases of a plan, in their order; a plan never goes back to an earlier one."""

    BOOT = "boot"
    """Boot commands, first of all."""

    PREPARE = "prepare"
    """The operating system and every file that kubeadm will look for."""

    PRE_KUBEADM = "preKubeadm"
    """The commands before kubeadm."""

    KUBEADM = "kubeadm"
    """kubeadm itself."""

    POST_KUBEADM = "postKubeadm"
    """The commands after kubeadm."""


class Change(str, enum.Enum):
    """Whether a step has, or would have, anything to do."""

    CHANGED = "Changed"
    ALREADY_IN_PLACE = "AlreadyInPlace"


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file before and after, for the diff of a plan."""

    path: str
    """Absolute path as the configuration names it, without the root."""

    before: bytes | None
    """Content now; None where there is no file."""

    after: bytes | None
    """Content then; None where it is not known yet (a download) or the file goes."""

    sensitive: bool = False
    """Print `***` in place of either content."""

    note: str = ""
    """What changes beside the content: mode, owner."""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's check found: what would change, nothing being changed."""

    change: Change
    summary: str = ""
    """One line, no secret: "2 of 5 files differ"."""

    files: tuple[FileChange, ...] = ()
    """The files that would change, in the order in which they are written."""

    deferred: tuple[str, ...] = ()
    """What this run cannot do though it has to be done (an owner, when not root)."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a step's apply did."""

    change: Change
    message: str = ""
    """One line, no secret."""

    deferred: tuple[str, ...] = ()
    """As in `Outlook`."""

    kubeadm: KubeadmRun | None = None
    """Set by the step that ran kubeadm."""


class KubeadmRun(msgspec.Struct, frozen=True, kw_only=True):
    """How kubeadm was run and how it ended."""

    command: tuple[str, ...]
    exit_code: int
    phase: str = ""


class Step(Protocol):
    """One concern's batch of work on a machine. A frozen value: all it needs is in it."""

    @property
    def name(self) -> str:
        """Unique in its plan, `concern/what`: `sysctl/persist`, `commands/preKubeadm[2]`."""

    @property
    def phase(self) -> Phase:
        """The phase it belongs to."""

    @property
    def live(self) -> bool:
        """It needs the running system, so below another root it is deferred and never run."""

    @property
    def once(self) -> bool:
        """The machine does not show whether it was done: the journal alone says so, by name and digest."""

    def digest(self) -> str:
        """Hex SHA-256 of all that shapes the step (see `digest_of`); it keys the journal."""

    def check(self, host: Host) -> Outlook:
        """Say what would change, by queries only.

        Raises:
            MachineadmError: The step could not succeed; known before anything has changed.
        """

    def apply(self, host: Host) -> Outcome:
        """Make it so. Safe to repeat after a kill at any instant.

        Raises:
            MachineadmError: It failed.
        """


@runtime_checkable
class Recoverable(Protocol):
    """A step that leaves half-done work which must be judged, or cleaned, before anything else is done."""

    def recover(self, host: Host) -> bool:
        """Called at the start of a run when the journal says that the step was started and not finished.

        Returns:
            True if the work turns out to be done after all, False if the step has to be applied again; the machine is
            then clean enough for that.
        """

    def clean(self, host: Host) -> None:
        """Remove what a failed attempt left, before the next attempt in the same run.

        The runner applies the checkable steps before this one again afterwards, for cleaning may take their files.
        """

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """Seconds to wait after failed attempt number `attempt` (from 1), `elapsed` seconds after the first began.

        Returns:
            None when the budget is spent.
        """


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered steps; making one has no effect."""

    steps: tuple[Step, ...]


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder of the host that a control plane component must see."""

    name: str
    path: str
    """The same on the host and in the container."""

    read_only: bool = True
    path_type: str = "File"
    """As in Kubernetes' HostPathVolumeSource: `File`, `DirectoryOrCreate` ..."""


class ControlPlaneExtras(msgspec.Struct, frozen=True, kw_only=True):
    """What the control plane's files ask of kubeadm's configuration of the API server."""

    api_server_args: tuple[tuple[str, str], ...] = ()
    api_server_volumes: tuple[Volume, ...] = ()


def digest_of(*parts: str | bytes | Iterable[str]) -> str:
    """Hex SHA-256 over the parts, each preceded by its length, so that no two lists of parts share a digest."""
    sum_ = sha256()
    for part in parts:
        if isinstance(part, (str, bytes)):
            data = part.encode() if isinstance(part, str) else part
            sum_.update(b"%d:" % len(data) + data)
        else:
            sum_.update(digest_of(*part).encode())
    return str(sum_.hexdigest())
