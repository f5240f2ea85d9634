"""The plugin's end: answers the handshake, serves, and ends when it is asked to or when its host is gone.

Besides the plugin's own services it serves the broker, its standard output and error, health, reflection and the request to end.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

import msgspec
from grpclib.const import Handler

from machineadm.plugins.proto import goplugin_pb2, health_pb2
from machineadm.plugins.wire import handshake
from machineadm.plugins.wire.broker import Broker, unix_listener
from machineadm.plugins.wire.certificates import Identity, new_identity
from machineadm.plugins.wire.channels import Server
from machineadm.plugins.wire.connection import HEALTH
from machineadm.plugins.wire.handshake import Address, Cookie, Line
from machineadm.plugins.wire.reflection import reflecting
from machineadm.plugins.wire.rpc import ServerStream, handlers
from machineadm.plugins.wire.sockets import listen_tcp, listen_unix, remove
from machineadm.plugins.wire.tasks import beside
from machineadm.plugins.wire.yamux import Session

# go-plugin's own words; diagnose.py, like people, knows a wrong cookie by them.
NO_PLUGIN: Final = (
    "This binary is a plugin. These are not meant to be executed directly.\n"
    "Please execute the program that consumes these plugins, which will load any plugins automatically\n"
)
MOST_OUTPUT: Final = 1 << 20
"""Bytes of output that are kept for a host that does not read them; of more the oldest go."""

# Far below the 4 MiB that a server of grpc-go takes in one message.
PIECE: Final = 32 * 1024
WATCH: Final = 1.0
"""Seconds between two looks whether the host still lives."""

Services = Callable[[Broker, int], Mapping[str, Handler]]


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin is to the protocol."""

    cookie: Cookie
    versions: tuple[int, ...]
    services: Services
    """Gives handlers by path, for a broker and the version that was agreed on."""

    network: str = "unix"


class Stdio:
    """What the plugin prints, on its way to the host."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._more = asyncio.Event()

    def write(self, channel: int, data: bytes) -> None:
        """Take output; from any thread."""
        try:
            # print() runs in the thread of its call.
            self._loop.call_soon_threadsafe(self._add, channel, data)
        except RuntimeError:
            pass  # the plugin has ended

    def _add(self, channel: int, data: bytes) -> None:
        for at in range(0, len(data), PIECE):
            self._pieces.append((channel, data[at : at + PIECE]))
        self._size += len(data)
        # Drop the oldest: go-plugin blocks here, but a host that never reads must not stop a plugin or fill its memory.
        while self._size > MOST_OUTPUT:
            self._size -= len(self._pieces.popleft()[1])
        self._more.set()

    async def stream(self, stream: ServerStream) -> None:
        """Serve StreamStdio, for as long as the host listens."""
        # The request is empty, and must be read before the first reply may go.
        await stream.recv_message()
        while True:
            while not self._pieces:
                self._more.clear()
                await self._more.wait()
            channel, data = self._pieces.popleft()
            self._size -= len(data)
            await stream.send_message(goplugin_pb2.StdioData(channel=_CHANNELS[channel], data=data))


class Serving:
    """A plugin that serves, in the loop that runs.

    Args:
        plugin: What it serves.
        version: Agreed on with the host.
    """

    def __init__(self, plugin: Plugin, version: int) -> None:
        self.asked_to_end = asyncio.Event()
        self.stdio = Stdio()
        self.address = Address("", "")
        self._plugin = plugin
        self._version = version
        self._broker: Broker | None = None
        self._server: Server | None = None
        self._sessions: list[Session] = []

    async def listen(
        self,
        *,
        directory: str,
        group: str = "",
        ports: tuple[int, int] = (0, 0),
        identity: Identity | None = None,
        peer: bytes = b"",
        multiplexed: bool = False,
    ) -> None:
        """Begin to serve.

        Raises:
            OSError: Listening failed.
        """
        make = unix_listener(directory, group)
        if self._plugin.network == "tcp":
            listener, self.address = listen_tcp(*ports)
            # The broker's sockets, too: a plugin that may not use unix sockets can use none at all.
            make = lambda: listen_tcp(*ports)  # noqa: E731 - the broker's sockets, likewise
        else:
            listener, self.address = listen_unix(directory, group)
        self._broker = Broker(make, identity, peer)
        self._broker.multiplexed = multiplexed
        served = {**self._own(self._broker), **self._plugin.services(self._broker, self._version)}
        # After all others, because it lists them.
        served |= reflecting(served)
        self._server = Server(served, identity.server(peer) if identity else None)
        if multiplexed:
            self._server.background(self._multiplex(listener))
        else:
            self._server.listen(listener)

    async def close(self) -> None:
        """Stop serving."""
        if self._broker is not None:
            await self._broker.close()
        if self._server is not None:
            await self._server.close()
        for session in self._sessions:
            session.close()
        if self.address.network == "unix":
            remove(self.address.address)

    async def _multiplex(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                connection, _ = await loop.sock_accept(listener)
                session = Session(connection, client=False, accept=self._opened)
                await session.start()
                self._sessions.append(session)
                if self._broker is not None:
                    self._broker.session = session

    def _opened(self, stream: socket.socket) -> None:
        """Serve a stream; one without a knock before it is the main connection."""
        # The host opens the main connection before it knocks for anything.
        server = (self._broker and self._broker.opened()) or self._server
        if server is not None:
            server.background(server.connected(stream))

    def _own(self, broker: Broker) -> dict[str, Handler]:
        async def start_stream(stream: ServerStream) -> None:
            sending = beside(send(stream))
            try:
                async for info in stream:
                    broker.received(info)
            finally:
                # The queue never ends, so this task would outlive the stream.
                sending.cancel()

        async def send(stream: ServerStream) -> None:
            async for info in broker.outgoing():
                await stream.send_message(info)

        async def shutdown(stream: ServerStream) -> None:
            await stream.recv_message()
            # Answer first: a host in Go waits for the answer without a limit.
            await stream.send_message(goplugin_pb2.Empty())
            self.asked_to_end.set()

        # Health is what a host's Ping asks for, and what grpc-health-probe asks.
        async def check(stream: ServerStream) -> None:
            request: Any = await stream.recv_message()
            # The empty name asks for the whole server, in the health protocol; go-plugin's own host
            # asks for "plugin".
            known = request.service in ("", HEALTH)
            status = health_pb2.HealthCheckResponse
            reply = status(status=status.SERVING if known else status.SERVICE_UNKNOWN)
            await stream.send_message(reply)

        own = goplugin_pb2.DESCRIPTOR.services_by_name
        return {
            **handlers(own["GRPCBroker"], StartStream=start_stream),
            **handlers(own["GRPCController"], Shutdown=shutdown),
            **handlers(own["GRPCStdio"], StreamStdio=self.stdio.stream),
            **handlers(health_pb2.DESCRIPTOR.services_by_name["Health"], Check=check),
        }


def run(plugin: Plugin) -> int:
    """Serve a plugin in this process until its host ends it.

    Returns:
        The exit code: 1 if no host has started it.
    """
    environment = dict(os.environ)
    cookie = plugin.cookie
    # go-plugin compares it exactly, too; it is a hint for a person, not a secret.
    if environment.get(cookie.key) != cookie.value:
        sys.stderr.write(NO_PLUGIN)
        return 1
    # Whatever prints from now on, a child or a library, must not get into the handshake line.
    # fd 1 is the log from now on; the line goes out by the copy.
    line = os.dup(1)
    os.dup2(2, 1)
    return asyncio.run(_run(plugin, environment, line))


async def _run(plugin: Plugin, environment: dict[str, str], line: int) -> int:
    versions, unfit = handshake.offered(environment.get(handshake.VERSIONS, ""))
    for entry in unfit:
        sys.stderr.write(f"not a protocol version, skipped: {entry!r}\n")
    version = handshake.choose(plugin.versions, versions)
    # Only if asked: a Go host that did not ask dereferences a nil configuration over a certificate.
    pem = environment.get(handshake.CERTIFICATE, "")
    identity = new_identity() if pem else None
    # Non-empty is enough, also "false": go-plugin does not parse it either.
    wants_multiplexing = bool(environment.get(handshake.MULTIPLEX))
    serving = Serving(plugin, version)
    await serving.listen(
        directory=environment.get(handshake.SOCKET_DIRECTORY) or tempfile.gettempdir(),
        group=environment.get(handshake.SOCKET_GROUP, ""),
        ports=(
            int(environment.get(handshake.MIN_PORT) or 0),
            int(environment.get(handshake.MAX_PORT) or 0),
        ),
        identity=identity,
        peer=_der(pem),
        multiplexed=wants_multiplexing,
    )
    loop = asyncio.get_running_loop()
    # Ctrl-C in a terminal reaches the whole group, but ending plugins is the host's job, in its order.
    # A handler and not SIG_IGN, which the plugin's own children would inherit.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    # As a Shutdown, so that sockets are removed.
    loop.add_signal_handler(signal.SIGTERM, serving.asked_to_end.set)
    # What handlers print goes to the host by GRPCStdio; the real descriptors stay with the log.
    sys.stdout, sys.stderr = _writer(serving.stdio, 1), _writer(serving.stdio, 2)
    answer = Line(
        version=version,
        address=serving.address,
        certificate=identity.der if identity else b"",
        # None leaves the seventh field away.
        multiplexed=wants_multiplexing or None,
    )
    # Only after it listens: the host connects as soon as it has read the line, and does not retry.
    os.write(line, f"{handshake.render(answer)}\n".encode())
    os.close(line)
    await _until_asked(serving)
    await serving.close()
    return 0


async def _until_asked(serving: Serving) -> None:
    """Wait for the request to end, or for the host to end: a plugin never outlives its host."""
    parent = os.getppid()
    # The protocol has no protection against a host that dies by SIGKILL, and go-plugin leaves
    # orphans. A changed parent is the sign; PR_SET_PDEATHSIG would fire when the host's starting
    # thread ends.
    while os.getppid() == parent:
        try:
            await asyncio.wait_for(serving.asked_to_end.wait(), WATCH)
        except asyncio.TimeoutError:
            continue
        # Leave the loop a moment to write the answer before the server closes the connection.
        await asyncio.sleep(0.01)
        return


def _der(pem: str) -> bytes:
    import ssl

    return ssl.PEM_cert_to_DER_cert(pem.strip()) if pem else b""


def _writer(stdio: Stdio, channel: int) -> TextIO:
    raw: Any = _Raw(stdio, channel)
    # Without a buffer of its own: what is in one is lost when the plugin is killed.
    return io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)


_CHANNELS: Final = {1: goplugin_pb2.StdioData.STDOUT, 2: goplugin_pb2.StdioData.STDERR}


class _Raw(io.RawIOBase):
    """A file whose content goes to the host."""

    def __init__(self, stdio: Stdio, channel: int) -> None:
        self._stdio = stdio
        self._channel = channel

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        # A memoryview of a buffer that its owner may use again after this returns.
        copied = bytes(data)
        self._stdio.write(self._channel, copied)
        return len(copied)
