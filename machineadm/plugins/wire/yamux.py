"""yamux, which carries many streams over one socket: https://github.com/hashicorp/yamux/blob/master/spec.md.

Each stream is handed out as one end of a socket pair, so gRPC and TLS use it like any connection. A header is 12 bytes, big
endian: version 0, type, flags, stream, length.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

# What both sides begin with by the specification; no frame announces it.
WINDOW: Final = 256 * 1024
# Less than a window: one stream must not keep the frames of others waiting.
CHUNK: Final = 64 * 1024

_HEADER: Final = struct.Struct(">BBHII")
_DATA, _UPDATE, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_PROTOCOL_ERROR: Final = 1


class Session:
    """One end of a connection.

    Args:
        connection: Connected; belongs to the session from now on.
        client: Whether this end dialled: its streams have odd numbers.
        accept: Called with each stream that the peer opens; None refuses them.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        client: bool,
        accept: Callable[[socket.socket], None] | None,
    ) -> None:
        self._connection = connection
        # Odd numbers are the client's, even ones the server's, so that both may open streams.
        self._next = 1 if client else 2
        self._accept = accept
        self._streams: dict[int, _Stream] = {}
        # Early releases of Python 3.10 and 3.11 let only one task wait in StreamWriter.drain: a second one
        # fails an assertion.
        self._drained = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_closed = False

    async def start(self) -> None:
        """Begin to read and write."""
        # One reader for all streams, since only the frames tell them apart.
        self._reader, self._writer = await asyncio.open_connection(sock=self._connection)
        self._task = asyncio.get_running_loop().create_task(self._read())

    def open(self) -> socket.socket:
        """Open a stream to the peer.

        Raises:
            ConnectionResetError: The session is closed.
        """
        if self.is_closed:
            raise ConnectionResetError("the multiplexed connection is closed")
        number, self._next = self._next, self._next + 2
        # An empty window update with SYN, as Go opens a stream: a data frame would do by the
        # specification.
        self.write(_UPDATE, _SYN, number, 0)
        return self._add(number)

    def close(self) -> None:
        """Close all streams, and the connection."""
        if self._task is not None:
            self._task.cancel()
        self._end()

    def _add(self, number: int) -> socket.socket:
        # TLS and grpclib want a real socket; a stream of frames is none.
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        stream = self._streams[number] = _Stream(self, number, ours)
        stream.start()
        return theirs

    async def _read(self) -> None:
        try:
            while True:
                await self._read_frame()
        except (OSError, asyncio.IncompleteReadError, _ProtocolError):
            pass
        finally:
            self._end()

    async def _read_frame(self) -> None:
        assert self._reader is not None  # noqa: S101 - start() came first
        header = await self._reader.readexactly(_HEADER.size)
        version, kind, flags, number, length = _HEADER.unpack(header)
        # What follows an unknown frame cannot be skipped: its length may mean something else.
        if version != 0 or kind > _GO_AWAY:
            raise self._fault()
        if kind == _PING:
            if flags & _SYN:
                # Go pings every 30 s and closes a session that does not answer; the value must come
                # back unchanged.
                self.write(_PING, _ACK, 0, length)
            return
        if kind == _GO_AWAY:
            raise _ProtocolError
        # Before reading it: a header alone could make us allocate 4 GiB.
        if kind == _DATA and length > WINDOW:
            raise self._fault()
        data = await self._reader.readexactly(length) if kind == _DATA else b""
        self._take(number, flags, data, 0 if kind == _DATA else length)

    def _take(self, number: int, flags: int, data: bytes, increment: int) -> None:
        # A frame may open a stream and carry its first data.
        if flags & _SYN:
            self._opened(number)
        stream = self._streams.get(number)
        if stream is None:
            return  # closed here, and the peer does not know yet: not a fault, so the session lives on
        if increment:
            stream.widen(increment)
        if data and not stream.receive(data):
            raise self._fault()
        if flags & _RST:
            stream.close()
        elif flags & _FIN:
            stream.finish()

    def _opened(self, number: int) -> None:
        if number in self._streams:
            raise self._fault()
        if self._accept is None:
            self.write(_UPDATE, _RST, number, 0)
            # Without the answer the peer would wait until its timer ends the session.
            return
        # Go closes the whole session when a stream gets no ACK within 75 s.
        self.write(_UPDATE, _ACK, number, 0)
        self._accept(self._add(number))

    def _fault(self) -> _ProtocolError:
        # So that the peer's log has the reason.
        self.write(_GO_AWAY, 0, 0, _PROTOCOL_ERROR)
        return _ProtocolError()

    def write(self, kind: int, flags: int, number: int, length: int, data: bytes = b"") -> None:
        """Write a frame without waiting."""
        # asyncio warns about each write to a connection that is lost.
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(_HEADER.pack(0, kind, flags, number, length) + data)

    async def send(self, number: int, data: bytes) -> None:
        """Write data of a stream, and wait until there is room for more."""
        self.write(_DATA, 0, number, len(data), data)
        assert self._writer is not None  # noqa: S101 - start() came first
        async with self._drained:
            await self._writer.drain()

    def forget(self, number: int) -> None:
        """Drop a stream that ended in both directions."""
        self._streams.pop(number, None)

    def _end(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        # A copy: close() takes the stream out of the map.
        for stream in list(self._streams.values()):
            stream.close()
        if self._writer is not None:
            self._writer.close()
        else:
            self._connection.close()


class _ProtocolError(Exception):
    """The session must end."""


class _Stream:
    """One stream: pumps between the session and a socket."""

    def __init__(self, session: Session, number: int, end: socket.socket) -> None:
        self._session = session
        self._number = number
        self._end = end
        self._send_window = WINDOW
        self._receive_window = WINDOW
        self._owed = 0
        self._wider = asyncio.Event()
        self._inbound: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._finished = False
        # Each direction ends by its own FIN.
        self._halves = 2
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._outward()), loop.create_task(self._inward())]

    def widen(self, increment: int) -> None:
        self._send_window += increment
        self._wider.set()

    def receive(self, data: bytes) -> bool:
        """Take data from the peer; False if it is more than the window allows."""
        self._receive_window -= len(data)
        self._inbound.append(data)
        self._arrived.set()
        return self._receive_window >= 0

    def finish(self) -> None:
        self._finished = True
        self._arrived.set()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._end.close()
        self._session.forget(self._number)

    async def _outward(self) -> None:
        """Pump from the socket to the peer."""
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.sock_recv(self._end, CHUNK):
                while data:
                    # A peer ends the whole session, every stream of it, when it gets more than its window allows.
                    while self._send_window <= 0:
                        self._wider.clear()
                        await self._wider.wait()
                    piece = data[: self._send_window]
                    data = data[len(piece) :]
                    self._send_window -= len(piece)
                    await self._session.send(self._number, piece)
        except OSError:
            pass
        # Exactly once in a stream's life: a second FIN is a protocol error that ends the session
        # for all streams.
        self._session.write(_UPDATE, _FIN, self._number, 0)
        self._half_done()

    async def _inward(self) -> None:
        """Pump from the peer to the socket; only data that was taken makes room for more."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                while not self._inbound:
                    if self._finished:
                        # Not close(): yamux ends each direction alone, so the reader sees the end and can still write.
                        self._end.shutdown(socket.SHUT_WR)
                        self._half_done()
                        return
                    self._arrived.clear()
                    await self._arrived.wait()
                data = self._inbound.popleft()
                await loop.sock_sendall(self._end, data)
                self._consumed(len(data))
        except OSError:
            # The reader closed its end, so nobody wants the rest.
            self._half_done()

    def _consumed(self, size: int) -> None:
        self._owed += size
        # An update for each read would double the packets; waiting for a whole window would stall the peer.
        if self._owed >= WINDOW // 2:
            self._receive_window += self._owed
            self._session.write(_UPDATE, 0, self._number, self._owed)
            self._owed = 0

    def _half_done(self) -> None:
        self._halves -= 1
        # Not at the first FIN: the other direction may still have data under way.
        if self._halves == 0:
            self._end.close()
            self._session.forget(self._number)
