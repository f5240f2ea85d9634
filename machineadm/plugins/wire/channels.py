"""gRPC by grpclib, over sockets that are connected already: channels and servers."""

from __future__ import annotations

import asyncio
import io
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import grpclib.client
import grpclib.server
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.protocol import H2Protocol

from machineadm.plugins.wire.rpc import Method, RpcError, ServerStream, translated

SERVER_NAME: Final = "localhost"
LARGE: Final = 1 << 20
"""Bytes from which on a copy of a message matters."""

MOST: Final = 64 << 20
"""Bytes of a message. Its head is taken at its word when room is made for it: without a bound, four bytes of a peer would cost 4 GiB."""

ClientStream = grpclib.client.Stream[Any, Any]
# grpclib logs a traceback for every fault of a peer, and logging without handlers prints it on stderr, into our report.
logging.getLogger("grpclib").addHandler(logging.NullHandler())
logging.getLogger("grpclib").propagate = False


class Channel(grpclib.client.Channel):
    """A client's end of one existing connection; it never reconnects.

    Args:
        connection: Connected.
        tls: For an encrypted connection.
    """

    def __init__(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        super().__init__(ssl=tls)
        # The values that go-plugin's own clients send.
        self._authority = SERVER_NAME if tls else "unused"
        self._connection: socket.socket | None = connection
        self.is_lost = False

    async def open(self) -> None:
        """Start HTTP/2, after the TLS handshake if there is one.

        Raises:
            OSError: The peer has another certificate, or is gone.
        """
        await self.__connect__()

    async def _create_connection(self) -> H2Protocol:
        # grpclib calls this again after a loss. A plugin's socket must not be dialed twice: by then
        # another process may have its path.
        connection, self._connection = self._connection, None
        if connection is None:
            self.is_lost = True
            raise ConnectionResetError("the connection is closed")
        # asyncio wants a name with ssl, and refuses one without.
        name = SERVER_NAME if self._ssl else None
        try:
            _, protocol = await self._loop.create_connection(
                self._protocol_factory,
                sock=connection,
                ssl=self._ssl,
                server_hostname=name,
            )
        except BaseException:
            # create_connection closes only sockets that it has made itself.
            connection.close()
            raise
        return protocol

    def request(self, *method: Any, **settings: Any) -> ClientStream:
        """See `grpclib.client.Channel.request`; what is received is bounded, and in memory once."""
        stream: ClientStream = super().request(*method, **settings)
        receive = stream.recv_message

        async def received() -> Any:
            # Only now: grpclib makes it when the request is sent.
            _bound(stream)
            return await receive()

        stream.recv_message = received  # type: ignore[method-assign]
        return stream

    def close(self) -> None:
        """Close the connection; calls under way fail."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        super().close()

    async def call(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        """Make a call with one request and one reply.

        Args:
            method: What to call.
            request: The message.
            timeout: Seconds; None: no limit.
            metadata: Headers of the call, if the peer's services want some.

        Raises:
            RpcError: It failed.
        """
        began = time.monotonic()
        try:
            async with self.request(
                method.path,
                method.cardinality,
                method.request,
                method.reply,
                timeout=timeout,
                metadata=metadata,
            ) as stream:
                await self.send(stream, request, end=True)
                reply = await stream.recv_message()
        except Exception as error:
            failure: RpcError = translated(error, began, timeout)
            raise failure from error
        # A server may end the stream with status OK and no message; a None that passes here fails far
        # away from the cause.
        if reply is None:
            raise RpcError(Status.UNKNOWN, "the call ended without a reply")
        return reply

    @staticmethod
    async def send(stream: ClientStream, message: Any, *, end: bool = False) -> None:
        """Send a message; a large one is not copied on its way to the socket.

        Args:
            stream: Of a call of ours.
            message: The request.
            end: It is the last.
        """
        if message.ByteSize() < LARGE:
            await stream.send_message(message, end=end)
            return
        # What grpclib's own send_message does, which joins the length and the message to a second copy.
        if not stream._send_request_done:  # noqa: SLF001 - see above
            await stream.send_request()
        data = message.SerializeToString()
        # It turns a lost connection or the deadline into the call's own exception.
        with stream._wrapper:  # noqa: SLF001 - see above
            # gRPC's five bytes before each message: not compressed, and the length.
            await stream._stream.send_data(b"\0" + len(data).to_bytes(4, "big"))  # noqa: SLF001 - see above
            await stream._stream.send_data(data, end_stream=end)  # noqa: SLF001 - see above
        stream._send_message_done = True  # noqa: SLF001 - see above
        stream._end_done = stream._end_done or end  # noqa: SLF001 - see above


class Server:
    """Serves gRPC on connections that are given to it, and on listening sockets.

    Args:
        serve: Handlers by path.
        tls: For encrypted connections.
    """

    def __init__(self, serve: Mapping[str, Handler], tls: ssl.SSLContext | None = None) -> None:
        self._server = grpclib.server.Server([])
        self._server._mapping = _Methods(serve)  # noqa: SLF001 - grpclib's own answer to an unknown method is malformed
        self._tls = tls
        self._transports: set[asyncio.BaseTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def connected(self, connection: socket.socket) -> None:
        """Serve one connection.

        Raises:
            OSError: The peer has another certificate, or is gone.
        """
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(
            self._server._protocol_factory,  # noqa: SLF001 - its start() takes listening sockets alone
            connection,
            ssl=self._tls,
        )
        # Else a listener that serves for days would keep each transport that it ever had.
        self._transports = {one for one in self._transports if not one.is_closing()}
        self._transports.add(transport)

    def listen(self, listener: socket.socket) -> None:
        """Serve every connection, until `close`."""

        async def accept() -> None:
            loop = asyncio.get_running_loop()
            # Cancelling this task is what ends listening.
            with listener:
                while True:
                    connection, _ = await loop.sock_accept(listener)
                    self.background(self._serve_quietly(connection))

        self.background(accept())

    def background(self, work: Any) -> None:
        """Let a coroutine run until it ends or the server is closed."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Reading it marks it as seen: what one connection did wrong must not print a traceback.
            task.exception()

    async def _serve_quietly(self, connection: socket.socket) -> None:
        try:
            await self.connected(connection)
        except (OSError, ssl.SSLError):
            connection.close()  # without our certificate: refuse this one, keep listening

    async def close(self) -> None:
        """Stop listening, cancel what is under way, close all connections."""
        # A copy: each task removes itself when it ends.
        for task in list(self._tasks):
            task.cancel()
        for handler in list(self._server._handlers):  # noqa: SLF001 - as its own close() does
            handler.close()
        # One turn of the loop, so that cancelled handlers run their cleanup while their transport
        # is still open.
        await asyncio.sleep(0)
        for transport in self._transports:
            transport.close()
        self._transports.clear()


class _Methods(dict[str, Handler]):
    """Handlers by path; any other path is answered with a well-formed UNIMPLEMENTED."""

    def get(self, path: str, default: Any = None) -> Any:
        found = super().get(path)
        if found is not None:

            async def serve(stream: ServerStream) -> None:
                _bound(stream)
                await found.func(stream)

            return found._replace(func=serve)

        async def refuse(_: ServerStream) -> None:
            raise GRPCError(Status.UNIMPLEMENTED, f"unknown method {path}")

        return Handler(refuse, Cardinality.UNARY_UNARY, object, object)


def _bound(stream: Any) -> None:
    """Bound what a stream of grpclib receives, once."""
    below = stream._stream  # noqa: SLF001 - its own holds a large message twice, and takes any size
    if "recv_data" not in vars(below):
        below.recv_data = _in_pieces(below.recv_data)


def _in_pieces(plain: Callable[[int], Awaitable[bytes]]) -> Callable[[int], Any]:
    """Read what is large a piece at a time, so that it is in memory once, not also as the pieces that it came in.

    Raises:
        GRPCError: It is too large.
    """

    async def read(size: int) -> bytes:
        if size > MOST:
            raise GRPCError(
                Status.RESOURCE_EXHAUSTED, f"a message of {size} bytes; it may have {MOST}"
            )
        # Five bytes are gRPC's own head; what is large is the message behind it.
        if size < LARGE:
            return await plain(size)
        whole = io.BytesIO()
        # All of its room at once: a buffer that grows is moved, and is there twice meanwhile.
        whole.seek(size - 1)
        whole.write(b"\0")
        whole.seek(0)
        # plain() gives less where the stream ends, and then nothing.
        while (left := size - whole.tell()) and (piece := await plain(min(left, LARGE))):
            whole.write(piece)
        if left:
            raise ConnectionResetError("the connection ended within a message")
        return whole.getvalue()

    return read
