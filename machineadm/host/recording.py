"""A host on which nothing happens: queries pass, mutations stay in an overlay that later queries see.

`machineadm plan` runs on it, so that what it prints comes from the very code that would act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from machineadm.errors import HostError
from machineadm.host.ports import (
    Clock,
    CommandResult,
    FileKind,
    Files,
    FileStat,
    FileWrite,
    Host,
    Kernel,
    Services,
    State,
)
from machineadm.redaction import Secret


def recording(host: Host) -> Host:
    """A host that answers as the given one would after what was done to it here."""
    return Host(
        files=RecordingFiles(host.files),
        accounts=host.accounts,
        clock=_StillClock(host.clock),
        state=RecordingState(host.state),
        commands=None if host.commands is None else RecordingCommands(),
        queries=host.queries,
        kernel=None if host.kernel is None else RecordingKernel(host.kernel),
        services=None if host.services is None else RecordingServices(host.services),
        fetch=host.fetch,
        platform=host.platform,
        architecture=host.architecture,
        offline=host.offline,
    )


class RecordingFiles:
    """Files with an overlay.

    Paths are compared as they are written: a file written through a link is not seen by its other name. A download is
    made only when somebody reads it.
    """

    def __init__(self, real: Files) -> None:
        self._real = real
        self._written: dict[str, FileWrite] = {}
        self._folders: dict[str, int] = {}
        self._removed: set[str] = set()

    def stat(self, path: str) -> FileStat | None:
        """See `Files.stat`."""
        written = self._written.get(path)
        if written is not None:
            size = len(written.content) if isinstance(written.content, bytes) else 0
            return FileStat(
                kind=FileKind.FILE,
                mode=written.mode,
                uid=written.uid or 0,
                gid=written.gid or 0,
                size=size,
            )
        if path in self._folders:
            return FileStat(kind=FileKind.DIRECTORY, mode=self._folders[path], uid=0, gid=0, size=0)
        return None if path in self._removed else self._real.stat(path)

    def born(self, path: str) -> int | None:
        """See `Files.born`; what is only noted here was not."""
        noted = path in self._written or path in self._folders or path in self._removed
        return None if noted else self._real.born(path)

    def read(self, path: str) -> bytes | None:
        """See `Files.read`."""
        written = self._written.get(path)
        if written is not None:
            content = written.content
            return content if isinstance(content, bytes) else b"".join(content())
        return None if path in self._removed else self._real.read(path)

    def readlink(self, path: str) -> str | None:
        """See `Files.readlink`."""
        if path in self._written or path in self._removed:
            return None
        return self._real.readlink(path)

    def sha256(self, path: str) -> str | None:
        """See `Files.sha256`."""
        return self._digest(path, "sha256", self._real.sha256)

    def sha512(self, path: str) -> str | None:
        """See `Files.sha512`."""
        return self._digest(path, "sha512", self._real.sha512)

    def list(self, path: str) -> tuple[str, ...]:
        """See `Files.list`."""
        start = path.rstrip("/") + "/"
        ours = [*self._written, *self._folders]
        added = {name[len(start) :].partition("/")[0] for name in ours if name.startswith(start)}
        kept = {name for name in self._real.list(path) if start + name not in self._removed}
        return tuple(sorted(added | kept))

    def write(self, batch: Sequence[FileWrite]) -> None:
        """See `Files.write`; here it is only noted.

        Raises:
            HostError: A folder is there.
        """
        for write in batch:
            now = self.stat(write.path)
            if now is not None and now.kind is FileKind.DIRECTORY:
                raise HostError("MA3004", f"cannot write {write.path}: a folder is there")
        for write in batch:
            self._written[write.path] = write
            self._removed.discard(write.path)

    def link(self, path: str, target: str) -> None:
        """See `Files.link`; no check makes links."""
        raise NotImplementedError

    def make_directory(self, path: str, *, mode: int = 0o755) -> None:
        """See `Files.make_directory`; here it is only noted."""
        if self.stat(path) is None:
            self._folders[path] = mode
            self._removed.discard(path)

    def remove(self, path: str) -> None:
        """See `Files.remove`; here it is only noted."""
        self._written.pop(path, None)
        self._removed.add(path)

    def can_give(self, uid: int, gid: int) -> bool:
        """See `Files.can_give`."""
        return self._real.can_give(uid, gid)

    def _digest(self, path: str, algorithm: str, real: Callable[[str], str | None]) -> str | None:
        if path not in self._written:
            return None if path in self._removed else real(path)
        import hashlib

        return hashlib.new(algorithm, self.read(path) or b"").hexdigest()


class RecordingState:
    """State that is read, and written in memory only; the lock is not taken."""

    def __init__(self, real: State) -> None:
        self.run_directory = real.run_directory
        self.state_directory = real.state_directory
        self._real = real
        self._overlay: dict[tuple[str, bool], bytes | None] = {}

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """See `State.read`."""
        if (name, durable) in self._overlay:
            return self._overlay[name, durable]
        return self._real.read(name, durable=durable)

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """See `State.write`."""
        self._overlay[name, durable] = content

    def append(self, name: str, content: bytes) -> None:
        """See `State.append`."""
        self._overlay[name, True] = (self.read(name, durable=True) or b"") + content

    def remove(self, name: str, *, durable: bool) -> None:
        """See `State.remove`."""
        self._overlay[name, durable] = None

    def lock(self) -> None:
        """See `State.lock`."""

    def locked_by_other(self) -> bool:
        """See `State.locked_by_other`."""
        return self._real.locked_by_other()


class RecordingCommands:
    """Nothing runs; all is noted and seems to succeed.

    Attributes:
        recorded: Command lines that were not run.
    """

    def __init__(self) -> None:
        self.recorded: list[tuple[str, ...]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret] | None = None,
        directory: str = "/",
        timeout: float | None = None,
        input: bytes | None = None,
        quiet: bool = False,
        note: str = "",
        attend: Callable[[], None] | None = None,
    ) -> CommandResult:
        """See `Commands.run`."""
        del environment, directory, timeout, input, quiet, note, attend
        self.recorded.append(tuple(argv))
        return CommandResult(exit_code=0, output="")


class RecordingKernel:
    """A kernel that is asked, and changed in memory only."""

    def __init__(self, real: Kernel) -> None:
        self._real = real
        self._modules: set[str] = set()
        self._parameters: dict[str, str] = {}
        self._hostname: str | None = None

    def loaded(self, module: str) -> bool:
        """See `Kernel.loaded`."""
        return module in self._modules or self._real.loaded(module)

    def load(self, module: str) -> None:
        """See `Kernel.load`."""
        self._modules.add(module)

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        """See `Kernel.sysctl_names`."""
        return self._real.sysctl_names(pattern)

    def sysctl(self, name: str) -> str | None:
        """See `Kernel.sysctl`."""
        return self._parameters.get(name) or self._real.sysctl(name)

    def set_sysctl(self, name: str, value: str) -> None:
        """See `Kernel.set_sysctl`."""
        self._parameters[name] = " ".join(value.split())

    def hostname(self) -> str:
        """See `Kernel.hostname`."""
        return self._hostname or self._real.hostname()

    def set_hostname(self, name: str) -> None:
        """See `Kernel.set_hostname`."""
        self._hostname = name


class RecordingServices:
    """Units that are asked about, and changed in memory only."""

    def __init__(self, real: Services) -> None:
        self._real = real
        self._enabled: dict[str, bool] = {}
        self._active: dict[str, bool] = {}

    def reload(self) -> None:
        """See `Services.reload`."""

    def enabled(self, unit: str) -> bool:
        """See `Services.enabled`."""
        known = self._enabled.get(unit)
        return self._real.enabled(unit) if known is None else known

    def enable(self, unit: str) -> None:
        """See `Services.enable`."""
        self._enabled[unit] = True

    def disable(self, unit: str) -> None:
        """See `Services.disable`."""
        self._enabled[unit] = False

    def active(self, unit: str) -> bool:
        """See `Services.active`."""
        known = self._active.get(unit)
        return self._real.active(unit) if known is None else known

    def restart(self, unit: str) -> None:
        """See `Services.restart`."""
        self._active[unit] = True

    def reboot(self) -> None:
        """See `Services.reboot`."""

    def stop(self, unit: str) -> None:
        """See `Services.stop`."""
        self._active[unit] = False


class _StillClock:
    """A clock on which nobody waits."""

    def __init__(self, real: Clock) -> None:
        self._real = real

    def now(self) -> float:
        return self._real.now()

    def monotonic(self) -> float:
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        del seconds
        self._real.sleep(0)
