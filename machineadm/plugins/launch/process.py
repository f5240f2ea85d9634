"""A plugin's process: its pipes and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.launch.diagnose import unstartable
from machineadm.plugins.launch.executable import executable_of, open_executable
from machineadm.plugins.launch.guard import end_all_below
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire import handshake
from machineadm.plugins.wire.logs import LONGEST, Log, Record

TAIL: Final = 20
"""Lines of a plugin's log that are kept for an error."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Process:
    """A started process; `start` makes it.

    Args:
        process: With pipes.
        directory: For its sockets and temporary files.
        listen: Gets its log.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        directory: str,
        listen: Callable[[Record], None],
    ) -> None:
        self.pid = process.pid
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its exit code, negative for a signal."""

        self.line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The first line that it printed, cut where it is far too long; empty at the end of its output."""

        self.tail: deque[Record] = deque(maxlen=TAIL)
        self.log_ended = asyncio.Event()
        self._process = process
        self._directory = directory
        self._listen = listen
        self._log = Log()
        self._reaping = threading.Lock()
        self._transports: list[asyncio.BaseTransport] = []

    async def attend(self) -> None:
        """Read its pipes and wait for its end, for as long as it lives."""
        loop = asyncio.get_running_loop()
        # A thread, not asyncio's child watcher: that one reaps at once, and then the process
        # group's number is free for others.
        threading.Thread(target=self._reap, args=(loop,), daemon=True, name="plugin-reaper").start()
        out, _ = await loop.connect_read_pipe(lambda: _FirstLine(self.line), self._process.stdout)
        err, _ = await loop.connect_read_pipe(
            lambda: _Lines(self._logged, self.log_ended.set), self._process.stderr
        )
        self._transports = [out, err]

    def kill(self) -> None:
        """End it and its group at once, if it has not ended."""
        with self._reaping:
            if self._process.returncode is None:
                _kill_group(self.pid)

    async def ended(self, patience: float) -> bool:
        """Wait some seconds for its end; returns whether it has ended."""
        done, _ = await asyncio.wait({self.exited}, timeout=patience)
        return bool(done)

    async def finish(self) -> None:
        """Kill it if it is alive, and all that it started, so that nothing is left."""
        self.kill()
        await asyncio.wait({self.exited})
        # Killing the group misses a child that called setsid; its environment still gives it away.
        await asyncio.to_thread(end_all_below, self._directory)
        try:
            await asyncio.wait_for(self.log_ended.wait(), 0.5)
        except asyncio.TimeoutError:
            pass
        for transport in self._transports:
            transport.close()

    @property
    def log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(map(str, self.tail))[-16 * 1024 :]

    def _logged(self, line: bytes) -> None:
        record = self._log.record(line)
        self.tail.append(record)
        self._listen(record)

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        # WNOWAIT leaves a zombie, so the kernel cannot give its number, which is its group's too, to another process before
        # the group is killed.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            _kill_group(self.pid)
            code = self._process.wait()
        try:
            loop.call_soon_threadsafe(self._exit, code)
        except RuntimeError:
            pass  # the host is gone

    def _exit(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)


async def start(
    command: Command, directory: str, certificate: bytes, listen: Callable[[Record], None]
) -> Process:
    """Start a plugin's process.

    Args:
        command: What to start.
        directory: An empty one, of its own.
        certificate: The host's, PEM; empty without AutoMTLS.
        listen: Gets its log.

    Raises:
        PluginError: The file is missing, not the right one, or cannot be executed.
    """
    descriptor = open_executable(command.name, command.path, command.sha256)
    try:
        process = subprocess.Popen(
            [command.path, *command.arguments],
            # argv[0] stays the path, which programs show in their usage; what is executed is the
            # file that was checked.
            executable=executable_of(descriptor),
            # Never the host's own: it may be the stream of documents, and a plugin that reads it
            # would take them away.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=environment_of(command, directory, certificate),
            pass_fds=(descriptor,),
            # Its own group can be killed as a whole, and Ctrl-C reaches only the host, which ends plugins in order.
            start_new_session=True,
        )
    except OSError as error:
        refusal: PluginError = unstartable(command.name, command.path, error)
        raise refusal from error
    finally:
        os.close(descriptor)
    started = Process(process, directory, listen)
    await started.attend()
    return started


def environment_of(command: Command, directory: str, certificate: bytes) -> dict[str, str]:
    """Build a plugin's whole environment; only PATH comes from the host's own."""
    environment = {
        "PATH": os.environ.get("PATH", PATH),
        "LANG": "C.UTF-8",
        # Python and Go programs put sockets and scratch files there; what a killed plugin leaves
        # goes with the directory.
        "TMPDIR": directory,
        # Before the protocol's own variables: a configuration must not redirect its sockets or
        # answer its cookie.
        **command.environment,
        command.cookie.key: command.cookie.value,
        handshake.MIN_PORT: str(command.first_port),
        handshake.MAX_PORT: str(command.last_port),
        handshake.VERSIONS: ",".join(map(str, sorted(command.versions))),
        handshake.SOCKET_DIRECTORY: directory,
    }
    if command.multiplexed:
        environment[handshake.MULTIPLEX] = "true"
    if command.group:
        environment[handshake.SOCKET_GROUP] = command.group
    # The variable alone switches AutoMTLS on in go-plugin, whatever its value.
    if certificate:
        environment[handshake.CERTIFICATE] = certificate.decode()
    return environment


class _Lines(asyncio.Protocol):
    """Cuts a pipe into lines, and lines that are too long into pieces."""

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._take = take
        self._ended = ended
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        while len(self._rest) >= LONGEST:
            self._take(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]

    def connection_lost(self, _: Exception | None) -> None:
        if self._rest:
            self._take(self._rest)
        self._ended()


class _FirstLine(asyncio.Protocol):
    """Reads one line, then drains and drops the rest while the plugin lives: a full pipe would block it."""

    def __init__(self, line: asyncio.Future[str]) -> None:
        self._line = line
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        if self._line.done():
            return
        self._seen += data
        if b"\n" in self._seen or len(self._seen) > handshake.LONGEST:
            self._found()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._line.done():
            self._found()

    def _found(self) -> None:
        line = self._seen.split(b"\n", 1)[0][: handshake.LONGEST]
        self._line.set_result(line.decode("utf-8", "replace"))
        self._seen = b""


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
