"""What runs as a plugin, a process or a container: its handshake line, its log, its end."""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable
from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.launch.diagnose import explained
from machineadm.plugins.wire import handshake
from machineadm.plugins.wire.logs import LONGEST, Log, Record
from machineadm.plugins.wire.sockets import Mount

# A message is read on a console.
TAIL: Final = 20
"""Lines of a plugin's log that are kept for an error."""


class Started:
    """A plugin that was started; `process.start` and `containers.contained.start` make one.

    Args:
        listen: Gets its log.
    """

    pid = 0
    """Of its process, if it is one of this host's."""

    mount: Mount | None = None
    """How it sees the directory for sockets, if otherwise than the host."""

    group = ""
    """Of the sockets that the host makes for it."""

    def __init__(self, listen: Callable[[Record], None]) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Its exit code, negative for a signal."""

        self.line: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The first line that it printed, cut where it is far too long; empty at the end of its output."""

        self.tail: deque[Record] = deque(maxlen=TAIL)
        self.log_ended = asyncio.Event()
        self._listen = listen
        self._log = Log()

    async def ended(self, patience: float) -> bool:
        """Wait some seconds for its end; returns whether it has ended."""
        done, _ = await asyncio.wait({self.exited}, timeout=patience)
        return bool(done)

    async def finish(self, *, failed: bool = False) -> None:
        """Kill it if it is alive, and remove all that it has, so that nothing is left.

        Args:
            failed: Whether it did not do what it should.
        """
        raise NotImplementedError

    async def cause(self) -> tuple[str, str, str]:
        """Why it has ended: how, the cause and what to do about it; the latter two are empty where nothing is known."""
        code = self.exited.result()
        cause, hint = explained(self.log_tail, code)
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return how, cause, hint

    def refined(self, error: PluginError) -> PluginError:
        """Add to an error of its start what only it knows."""
        return error

    @property
    def log_tail(self) -> str:
        """The last lines of its log."""
        # A line may have 64 KiB by itself.
        return "\n".join(map(str, self.tail))[-16 * 1024 :]

    def logged(self, line: bytes) -> None:
        """Take a line of its log."""
        record = self._log.record(line)
        self.tail.append(record)
        self._listen(record)

    def exit(self, code: int) -> None:
        """Note its end; the first counts."""
        # The reaper and finish() may both say it.
        if not self.exited.done():
            self.exited.set_result(code)


class Lines(asyncio.Protocol):
    """Cuts a stream into lines, and lines that are too long into pieces.

    Args:
        take: Gets each.
        ended: Called at the end.
    """

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._take = take
        self._ended = ended
        self._rest = b""

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        # The last piece waits for its newline.
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        # Who never ends a line must not fill the memory.
        while len(self._rest) >= LONGEST:
            self._take(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]

    def connection_lost(self, _: Exception | None) -> None:  # noqa: D102 - asyncio's
        # A program that dies within a line has most likely just said why.
        if self._rest:
            self._take(self._rest)
        self._ended()


class FirstLine(asyncio.Protocol):
    """Reads one line, then drains and drops the rest while the plugin lives: a full pipe would block it.

    Args:
        line: Gets it.
    """

    def __init__(self, line: asyncio.Future[str]) -> None:
        self._line = line
        self._seen = b""

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        if self._line.done():
            return
        self._seen += data
        # Far longer than any handshake with a certificate.
        if b"\n" in self._seen or len(self._seen) > handshake.LONGEST:
            self._found()

    def connection_lost(self, _: Exception | None) -> None:  # noqa: D102 - asyncio's
        if not self._line.done():
            self._found()

    def _found(self) -> None:
        # More lines may have come in the same read.
        line = self._seen.split(b"\n", 1)[0][: handshake.LONGEST]
        self._line.set_result(line.decode("utf-8", "replace"))
        self._seen = b""
