"""What a machine can do, as small ports. A port that the platform lacks is None.

Steps see the machine through these alone. Paths are absolute, as the configuration names them; an adapter that works on
another root puts them below it and never outside, whatever symbolic links say.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from machineadm.redaction import Secret


class FileKind(str, enum.Enum):
    """What lies at a path; links are not followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class FileStat(msgspec.Struct, frozen=True, kw_only=True):
    """A path's own metadata (lstat)."""

    kind: FileKind
    mode: int
    """Permission bits, 0 to 0o7777."""
    uid: int
    gid: int
    size: int
    """Bytes."""


class FileWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it shall be."""

    path: str
    content: bytes | Callable[[], Iterable[bytes]]
    """Bytes, or a callable that gives them in chunks. An error that it raises on the way leaves no file behind: that is
    how a download whose digest is wrong never gets its final name."""
    mode: int = 0o644
    uid: int | None = None
    """None: the user who runs this (root, where it matters)."""
    gid: int | None = None
    """As `uid`."""


class Files(Protocol):
    """Files below the root. Every write is atomic, durable, and has its owner and mode before its final name."""

    def stat(self, path: str) -> FileStat | None:
        """Metadata of the path itself, or None where there is nothing."""

    def read(self, path: str) -> bytes | None:
        """Content of a regular file, links followed below the root; None where there is nothing.

        Raises:
            HostError: It is a folder, or cannot be read.
        """

    def sha256(self, path: str) -> str | None:
        """Hex digest of a regular file's content without loading it whole; None where there is nothing."""

    def sha512(self, path: str) -> str | None:
        """As `sha256`."""

    def list(self, path: str) -> tuple[str, ...]:
        """Names in a folder, sorted; empty where there is none."""

    def write(self, batch: Sequence[FileWrite]) -> None:
        """Write a batch with a group commit: temporary files, one sync per file system, renames, one sync.

        Missing parent folders are made, 0755 and owned by whoever runs this. A link at the final path is replaced,
        not followed. Writing with an owner that this process may not give away is the caller's mistake (see
        `can_give`). Of several entries with one path the last wins.

        Raises:
            HostError: Nothing of the batch that was not renamed yet is left behind.
            MachineadmError: Whatever a content callable raised.
        """

    def make_directory(self, path: str, *, mode: int = 0o755) -> None:
        """Make a folder and its missing parents, durable. Nothing happens when it is there."""

    def remove(self, path: str) -> None:
        """Remove a file or link, durable. Nothing happens when there is none."""

    def can_give(self, uid: int, gid: int) -> bool:
        """Whether this process may make files of this owner: root may always, others for themselves alone."""


class Accounts(Protocol):
    """Users and groups as the root's own /etc/passwd and /etc/group name them."""

    def uid(self, name: str) -> int | None:
        """Number of a user given by name or number; None when not known."""

    def gid(self, name: str) -> int | None:
        """Number of a group given by name or number; None when not known."""

    def login_gid(self, user: str) -> int | None:
        """Number of the login group of a user given by name or number; None when not known."""


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended."""

    exit_code: int
    """Negative for a signal, as subprocess gives it."""
    output: str
    """The last 64 KiB of standard output and standard error together, decoded with replacement, redacted."""
    timed_out: bool = False


class Commands(Protocol):
    """Running programs. Children die with the agent and hold the lock's descriptor."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret] | None = None,
        directory: str = "/",
        timeout: float | None = None,
        input: bytes | None = None,
        quiet: bool = False,
    ) -> CommandResult:
        """Run and wait. Output goes to the log line by line, redacted, unless quiet.

        The environment is built, not inherited: PATH, HOME, LANG, the proxy variables, and what is given.

        Args:
            argv: The program and its arguments, never passed through a shell.
            environment: Additions.
            directory: Working directory.
            timeout: Seconds until the whole process group is killed; None: the run's deadline alone.
            input: Bytes for standard input; None: /dev/null.
            quiet: Keep the output out of the log (queries).

        Raises:
            HostError: The program does not exist or cannot be started.
            InterruptedRunError: The run was interrupted or its deadline has come while the program ran.
        """

    def find(self, program: str) -> str | None:
        """Absolute path of a program on PATH, or None."""


class Kernel(Protocol):
    """The running kernel."""

    def loaded(self, module: str) -> bool:
        """Whether the module is loaded or built in."""

    def load(self, module: str) -> None:
        """Load a module.

        Raises:
            HostError: There is none of that name, or it does not load.
        """

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        """Parameters that a pattern with `*` stands for, as sysctl.d(5) reads it; the name itself without one."""

    def sysctl(self, name: str) -> str | None:
        """The value now, white space folded to single blanks; None when there is no such parameter."""

    def set_sysctl(self, name: str, value: str) -> None:
        """Set a parameter.

        Raises:
            HostError: No such parameter, or the kernel refuses the value.
        """

    def hostname(self) -> str:
        """The running host name."""

    def set_hostname(self, name: str) -> None:
        """Set the running host name (not the file)."""


class Services(Protocol):
    """The init system's units."""

    def reload(self) -> None:
        """Have changed unit files read."""

    def enabled(self, unit: str) -> bool:
        """Whether it starts at boot."""

    def enable(self, unit: str) -> None:
        """Start it at boot from now on."""

    def disable(self, unit: str) -> None:
        """Undo `enable`."""

    def active(self, unit: str) -> bool:
        """Whether it runs now."""

    def restart(self, unit: str) -> None:
        """Restart, or start."""

    def stop(self, unit: str) -> None:
        """Stop; nothing happens when it does not run or does not exist."""


class Clock(Protocol):
    """Time. Nobody else asks for it."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait; with 0 only look whether the run shall end.

        Raises:
            InterruptedRunError: The run was interrupted or its deadline has come.
        """


class State(Protocol):
    """The runner's own files, in the run directory (goes at reboot) and the state directory (stays).

    Names are relative: `status.json`, `kubeadm/config.yaml`. Files are 0600 in folders of 0700. Both folders lie below
    the root, too, and are named as if it were `/`.
    """

    run_directory: str
    state_directory: str

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """Content from the state directory (durable) or the run directory; None where there is none."""

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """Replace atomically; synced when durable."""

    def append(self, name: str, content: bytes) -> None:
        """Append to a file of the state directory and flush it to the disk before returning."""

    def remove(self, name: str, *, durable: bool) -> None:
        """Remove; nothing happens when there is none."""

    def lock(self) -> None:
        """Take the one lock until this process and all its children end.

        Raises:
            LockedError: Somebody else holds it.
        """

    def locked_by_other(self) -> bool:
        """Whether another process holds the lock, as far as this user can see; asking takes nothing."""


class Fetch(Protocol):
    """Downloads, filled in by the agent."""

    def fetch(
        self, url: str, *, headers: Mapping[str, str | Secret] | None = None
    ) -> Iterable[bytes]:
        """The body in chunks.

        Raises:
            HostError: It cannot be had; code MA3101 and following, `hint` says what to look at.
        """


class Host(msgspec.Struct, kw_only=True):
    """A machine, or a tree that will be one."""

    files: Files
    accounts: Accounts
    clock: Clock
    state: State
    commands: Commands | None = None
    kernel: Kernel | None = None
    services: Services | None = None
    fetch: Fetch | None = None
    platform: str = "linux"
    architecture: str = ""
    """Of the processor, as Go and container images name it: `amd64`, `arm64`."""
    offline: bool = False
    """It is a tree (`--root`), not the running system: live steps are deferred, and commands, kernel and services are
    None, so that nothing can be run by mistake."""
