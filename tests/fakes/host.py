"""FakeHost: a whole machine in memory, behind the ports of `machineadm.host.ports`.

It behaves: links are followed as below a root, modes and owners stick, a lock is held, time passes when somebody sleeps.
tests/contract/test_ports.py holds it to the Linux adapter's behaviour.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from machineadm.errors import HostError, InterruptedRunError, LockedError, MachineadmError
from machineadm.host.ports import CommandResult, FileKind, FileStat, FileWrite, Host
from machineadm.redaction import Secret


class Node(msgspec.Struct, kw_only=True):
    kind: FileKind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""


class FakeFiles:
    """Files in memory.

    Attributes:
        nodes: What there is, by path; `/` and every parent folder included.
        written: Paths of all files written, in order.
        removed: Paths of all files removed, in order.
        failures: Errors to raise when a path is written; a test puts them in.
        uid: Who runs this; 0 may give files away.
    """

    def __init__(self, *, uid: int = 0) -> None:
        self.nodes: dict[str, Node] = {"/": Node(kind=FileKind.DIRECTORY, mode=0o755)}
        self.written: list[str] = []
        self.removed: list[str] = []
        self.made: list[str] = []
        self.failures: dict[str, MachineadmError] = {}
        self.uid = uid

    # What a test prepares.

    def put(
        self,
        path: str,
        content: bytes | str = b"",
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        """Lay a file down, uncounted."""
        self._make_parents(path)
        data = content.encode() if isinstance(content, str) else content
        self.nodes[path] = Node(kind=FileKind.FILE, mode=mode, uid=uid, gid=gid, content=data)

    def link(self, path: str, target: str) -> None:
        """Lay a symbolic link down, uncounted."""
        self._make_parents(path)
        self.nodes[path] = Node(kind=FileKind.LINK, mode=0o777, target=target)

    def special(self, path: str) -> None:
        """Lay a device, pipe or socket down."""
        self._make_parents(path)
        self.nodes[path] = Node(kind=FileKind.OTHER)

    # The port.

    def stat(self, path: str) -> FileStat | None:
        where = self._resolve(path, follow=False)
        node = None if where is None else self.nodes.get(where)
        if node is None:
            return None
        size = len(node.content) if node.kind is FileKind.FILE else 0
        return FileStat(kind=node.kind, mode=node.mode, uid=node.uid, gid=node.gid, size=size)

    def read(self, path: str) -> bytes | None:
        where = self._resolve(path, follow=True)
        node = None if where is None else self.nodes.get(where)
        if node is None:
            return None
        if node.kind is not FileKind.FILE:
            raise HostError("MA3004", f"cannot read {path}: it is not a regular file")
        return node.content

    def sha256(self, path: str) -> str | None:
        content = self.read(path)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def sha512(self, path: str) -> str | None:
        content = self.read(path)
        return None if content is None else hashlib.sha512(content).hexdigest()

    def list(self, path: str) -> tuple[str, ...]:
        where = self._resolve(path, follow=True)
        if where is None or where not in self.nodes:
            return ()
        if self.nodes[where].kind is not FileKind.DIRECTORY:
            raise HostError("MA3005", f"cannot list {path}: a part of the path is not a folder")
        start = where.rstrip("/") + "/"
        return tuple(
            sorted(
                node[len(start) :]
                for node in self.nodes
                if node.startswith(start) and node != "/" and "/" not in node[len(start) :]
            )
        )

    def write(self, batch: Sequence[FileWrite]) -> None:
        """All contents are gathered first, as the real one writes all temporary files before the first rename."""
        before = dict(self.nodes)
        ready: list[tuple[str, FileWrite, bytes]] = []
        try:
            for write in batch:
                self._fail_if_told(write.path)
                where = self._place(write.path)
                content = write.content
                data = content if isinstance(content, bytes) else b"".join(content())
                ready.append((where, write, data))
        except BaseException:
            self.nodes = before
            raise
        for where, write, data in ready:
            node = self.nodes.get(where)
            if node is not None and node.kind is FileKind.DIRECTORY:
                raise HostError("MA3004", f"cannot write {write.path}: a folder is there")
            self.nodes[where] = Node(
                kind=FileKind.FILE,
                mode=write.mode,
                uid=self.uid if write.uid is None else write.uid,
                gid=self.uid if write.gid is None else write.gid,
                content=data,
            )
            self.written.append(write.path)

    def make_directory(self, path: str, *, mode: int = 0o755) -> None:
        where = self._resolve(path, follow=True, make=True)
        assert where is not None
        node = self.nodes.get(where)
        if node is None:
            self.nodes[where] = self._folder(mode)
            self.made.append(path)
        elif node.kind is not FileKind.DIRECTORY:
            raise HostError("MA3005", f"cannot make folder {path}: something else is there")

    def remove(self, path: str) -> None:
        where = self._resolve(path, follow=False)
        if where is None or where not in self.nodes:
            return
        if self.nodes[where].kind is FileKind.DIRECTORY:
            raise HostError("MA3004", f"cannot remove {path}: a folder is there")
        del self.nodes[where]
        self.removed.append(path)

    def can_give(self, uid: int, gid: int) -> bool:
        return self.uid == 0 or uid == gid == self.uid

    def _fail_if_told(self, path: str) -> None:
        if path in self.failures:
            raise self.failures[path]

    def _place(self, path: str) -> str:
        where = self._resolve(path, follow=False, make=True)
        assert where is not None
        return where

    def _resolve(self, path: str, *, follow: bool, make: bool = False) -> str | None:
        """The path without links; None where a folder on the way is missing."""
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        here: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                here = here[:-1]
                continue
            where = "/" + "/".join([*here, part])
            node = self.nodes.get(where)
            if not todo and not follow:
                return where
            if node is None and not todo:
                return where
            if node is None and make:
                node = self.nodes[where] = self._folder(0o755)
            if node is None:
                return None
            if node.kind is FileKind.LINK:
                links += 1
                if links > 40:
                    raise HostError("MA3006", f"cannot look at {path}: too many symbolic links")
                here = [] if node.target.startswith("/") else here
                todo += [p for p in reversed(node.target.split("/")) if p not in ("", ".")]
                continue
            if node.kind is not FileKind.DIRECTORY and todo:
                if make:
                    raise HostError(
                        "MA3005", f"cannot write {path}: a part of the path is not a folder"
                    )
                return None
            here.append(part)
        return "/" + "/".join(here)

    def _folder(self, mode: int) -> Node:
        return Node(kind=FileKind.DIRECTORY, mode=mode, uid=self.uid, gid=self.uid)

    def _make_parents(self, path: str) -> None:
        parts = path.strip("/").split("/")[:-1]
        for count in range(1, len(parts) + 1):
            self.nodes.setdefault(
                "/" + "/".join(parts[:count]), Node(kind=FileKind.DIRECTORY, mode=0o755)
            )


class FakeAccounts:
    def __init__(self) -> None:
        self.users = {"root": 0, "nobody": 65534}
        self.groups = {"root": 0, "nogroup": 65534}

    def uid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.users.get(name)

    def gid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.groups.get(name)

    def login_gid(self, user: str) -> int | None:
        uid = self.uid(user)
        return uid if uid in self.users.values() else None


class Call(msgspec.Struct, kw_only=True):
    """One command that was run."""

    argv: tuple[str, ...]
    environment: dict[str, str | Secret] = {}
    directory: str = "/"
    timeout: float | None = None
    input: bytes | None = None
    quiet: bool = False


Effect = Callable[[Call], "CommandResult | None"]


class _Script(msgspec.Struct, kw_only=True):
    start: tuple[str, ...]
    result: CommandResult
    effect: Effect | None
    times: int | None


class FakeCommands:
    """Commands that are recorded and answered by script; a program that nobody scripted succeeds silently.

    Attributes:
        calls: Every call, in order.
        missing: Programs that are not installed.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.missing: set[str] = set()
        self._scripts: list[_Script] = []

    def on(
        self,
        *start: str,
        exit_code: int = 0,
        output: str = "",
        timed_out: bool = False,
        effect: Effect | None = None,
        times: int | None = None,
    ) -> None:
        """Answer commands whose argv begins so; the latest matching script wins.

        Args:
            start: First arguments.
            exit_code: To give.
            output: To give.
            timed_out: To give.
            effect: Called first: changes the host, raises, or gives another result.
            times: So often, then the script before it counts; None: always.
        """
        result = CommandResult(exit_code=exit_code, output=output, timed_out=timed_out)
        self._scripts.append(_Script(start=start, result=result, effect=effect, times=times))

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
        call = Call(
            argv=tuple(argv),
            environment=dict(environment or {}),
            directory=directory,
            timeout=timeout,
            input=input,
            quiet=quiet,
        )
        self.calls.append(call)
        if call.argv[0] in self.missing:
            raise HostError("MA3201", f"cannot run {call.argv[0]}: no such program")
        for script in reversed(self._scripts):
            if call.argv[: len(script.start)] == script.start and script.times != 0:
                if script.times is not None:
                    script.times -= 1
                answer = script.effect(call) if script.effect else None
                return script.result if answer is None else answer
        return CommandResult(exit_code=0, output="")

    def find(self, program: str) -> str | None:
        return None if program in self.missing else f"/usr/bin/{program}"

    def argvs(self, *, quiet: bool = False) -> list[tuple[str, ...]]:
        """Command lines that were run; queries only when asked for."""
        return [call.argv for call in self.calls if quiet or not call.quiet]


class FakeKernel:
    """A kernel that knows some modules and parameters.

    Attributes:
        available: Modules that can be loaded; None: all.
        stubborn: Parameters whose value does not change when set.
        refused: Parameters whose setting fails.
        changes: What was changed, in order.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.available: set[str] | None = None
        self.parameters: dict[str, str] = {"net.ipv4.ip_forward": "0"}
        self.stubborn: set[str] = set()
        self.refused: set[str] = set()
        self.name = "machine"
        self.changes: list[tuple[str, ...]] = []

    def loaded(self, module: str) -> bool:
        return module.replace("-", "_") in self.modules

    def load(self, module: str) -> None:
        self.changes.append(("load", module))
        if self.available is not None and module not in self.available:
            raise HostError("MA3301", f"cannot load module {module}: not found")
        self.modules.add(module.replace("-", "_"))

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        return tuple(fnmatch.filter(self.parameters, pattern)) if "*" in pattern else (pattern,)

    def sysctl(self, name: str) -> str | None:
        return self.parameters.get(name)

    def set_sysctl(self, name: str, value: str) -> None:
        self.changes.append(("sysctl", name, value))
        if name not in self.parameters:
            raise HostError("MA3304", f"cannot set {name}: no such parameter")
        if name in self.refused:
            raise HostError("MA3305", f"cannot set {name} to {value}: Invalid argument")
        if name not in self.stubborn:
            self.parameters[name] = " ".join(value.split())

    def hostname(self) -> str:
        return self.name

    def set_hostname(self, name: str) -> None:
        self.changes.append(("hostname", name))
        self.name = name


class FakeServices:
    def __init__(self) -> None:
        self.enabled_units: set[str] = set()
        self.active_units: set[str] = set()
        self.actions: list[tuple[str, ...]] = []

    def reload(self) -> None:
        self.actions.append(("reload",))

    def enabled(self, unit: str) -> bool:
        return unit in self.enabled_units

    def enable(self, unit: str) -> None:
        self.actions.append(("enable", unit))
        self.enabled_units.add(unit)

    def disable(self, unit: str) -> None:
        self.actions.append(("disable", unit))
        self.enabled_units.discard(unit)

    def active(self, unit: str) -> bool:
        return unit in self.active_units

    def restart(self, unit: str) -> None:
        self.actions.append(("restart", unit))
        self.active_units.add(unit)

    def stop(self, unit: str) -> None:
        self.actions.append(("stop", unit))
        self.active_units.discard(unit)


class FakeClock:
    """Time that passes when somebody sleeps, or when a test says so.

    Attributes:
        slept: Every pause, in order.
        deadline: Monotonic instant at which the run is out of time; None: never.
        interrupted: Set it, and the next sleep raises.
    """

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.elapsed = 0.0
        self.slept: list[float] = []
        self.deadline: float | None = None
        self.interrupted = False

    def now(self) -> float:
        return self.time + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise InterruptedRunError("MA6002", "interrupted by SIGTERM")
        if self.deadline is not None and self.elapsed + seconds >= self.deadline:
            self.elapsed = max(self.elapsed, self.deadline)
            raise InterruptedRunError("MA6003", "out of time")
        if seconds:
            self.slept.append(seconds)
        self.elapsed += seconds


class FakeState:
    """State in memory. `reboot` loses the run directory; a lock held elsewhere is set by `other_holds_lock`."""

    def __init__(self) -> None:
        self.run_directory = "/run/machineadm"
        self.state_directory = "/var/lib/machineadm"
        self.run_files: dict[str, bytes] = {}
        self.state_files: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.held = False
        self.other_holds_lock = False

    def read(self, name: str, *, durable: bool) -> bytes | None:
        return self._files(durable).get(name)

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        self._files(durable)[name] = content
        self.writes.append(name)

    def append(self, name: str, content: bytes) -> None:
        self.state_files[name] = self.state_files.get(name, b"") + content
        self.writes.append(name)

    def remove(self, name: str, *, durable: bool) -> None:
        self._files(durable).pop(name, None)

    def lock(self) -> None:
        if self.other_holds_lock:
            raise LockedError("MA6001", f"another run holds {self.run_directory}/lock")
        self.held = True

    def locked_by_other(self) -> bool:
        return self.other_holds_lock

    def reboot(self) -> None:
        """What a reboot takes."""
        self.run_files.clear()
        self.held = False

    def _files(self, durable: bool) -> dict[str, bytes]:
        return self.state_files if durable else self.run_files


class FakeFetch:
    """Downloads from a dictionary; an error in it is raised after the chunks before it.

    Attributes:
        bodies: Content by URL: bytes, or chunks and errors in their order.
        fetched: URLs asked for, with the headers revealed.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, bytes | Sequence[bytes | MachineadmError]] = {}
        self.fetched: list[tuple[str, dict[str, str]]] = []

    def fetch(
        self, url: str, *, headers: Mapping[str, str | Secret] | None = None
    ) -> Iterable[bytes]:
        shown = {k: v.reveal() if isinstance(v, Secret) else v for k, v in (headers or {}).items()}
        self.fetched.append((url, shown))
        body = self.bodies.get(url)
        if body is None:
            raise HostError("MA3104", f"cannot download {url}: 404 Not Found")
        for chunk in [body] if isinstance(body, bytes) else body:
            if isinstance(chunk, MachineadmError):
                raise chunk
            yield chunk


class FakeHost(Host, kw_only=True):
    """A machine in memory. `FakeHost()` runs; `offline_host()` is a tree; `FakeHost(files=FakeFiles(uid=1000))` is an
    ordinary user's."""

    files: FakeFiles = msgspec.field(default_factory=FakeFiles)
    accounts: FakeAccounts = msgspec.field(default_factory=FakeAccounts)
    clock: FakeClock = msgspec.field(default_factory=FakeClock)
    state: FakeState = msgspec.field(default_factory=FakeState)
    commands: FakeCommands = msgspec.field(default_factory=FakeCommands)
    kernel: FakeKernel = msgspec.field(default_factory=FakeKernel)
    services: FakeServices = msgspec.field(default_factory=FakeServices)
    fetch: FakeFetch = msgspec.field(default_factory=FakeFetch)
    architecture: str = "amd64"

    def put(self, path: str, content: bytes | str = b"", *, mode: int = 0o644) -> None:
        """Lay a file down, uncounted."""
        self.files.put(path, content, mode=mode)

    def text(self, path: str) -> str | None:
        """A file's content as text; None where there is none."""
        content = self.files.read(path)
        return None if content is None else content.decode()

    def mutations(self) -> list[object]:
        """Everything that changed the machine (state and run directory not counted), by kind."""
        found: list[object] = [*self.files.written, *self.files.removed, *self.files.made]
        if not self.offline:
            found += [*self.kernel.changes, *self.services.actions, *self.commands.argvs()]
        return found


def offline_host(*, files: FakeFiles | None = None) -> FakeHost:
    """A tree that nobody runs: no commands, no kernel, no services."""
    host = FakeHost(files=files or FakeFiles(), offline=True)
    host.commands = host.kernel = host.services = None  # type: ignore[assignment]
    return host
