"""The host's end of a connection to a plugin: the main channel, the broker, the plugin's standard output and error."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from grpclib.const import Status

from machineadm.plugins.proto import goplugin_pb2, health_pb2
from machineadm.plugins.wire.broker import Broker, unix_listener
from machineadm.plugins.wire.certificates import Identity
from machineadm.plugins.wire.channels import Channel
from machineadm.plugins.wire.handshake import Address
from machineadm.plugins.wire.rpc import Method, RpcError, methods, translated
from machineadm.plugins.wire.sockets import Mount, connect
from machineadm.plugins.wire.tasks import beside
from machineadm.plugins.wire.yamux import Session

HEALTH: Final = "plugin"
"""Name under which a plugin reports that it serves."""

SHUTDOWN: Final = 1.0
"""Seconds that a plugin has to answer when it is asked to end; what it does then is not counted."""

Output = Callable[[str, bytes], None]


class Connection:
    """A connection; `opened` makes it.

    Args:
        address: Where the plugin listens.
        channel: To the plugin's services.
        broker: For further connections.
        output: Gets "stdout" or "stderr", and what the plugin wrote there.
    """

    def __init__(self, address: Address, channel: Channel, broker: Broker, output: Output) -> None:
        self.address = address
        self.channel = channel
        self.broker = broker
        self._output = output
        # At once: go-plugin blocks a plugin that prints until somebody reads StreamStdio.
        self._tasks = [beside(self._broker()), beside(self._stdio())]

    async def ping(self, timeout: float) -> None:
        """Ask whether it serves.

        Raises:
            RpcError: It does not.
        """
        request = health_pb2.HealthCheckRequest(service=HEALTH)
        reply = await self.channel.call(_CHECK, request, timeout=timeout)
        if reply.status != health_pb2.HealthCheckResponse.SERVING:
            raise RpcError(Status.UNAVAILABLE, "it says that it is not serving")

    async def shut_down(self) -> None:
        """Ask the plugin to end, and close the connection; it cannot fail."""
        # The broker first, as in go-plugin: what it serves must not take calls of a plugin that is
        # ending.
        await self.broker.close()
        try:
            await self.channel.call(_SHUTDOWN, goplugin_pb2.Empty(), timeout=SHUTDOWN)
        except RpcError:
            pass  # go-plugin stops its server inside the handler, so UNAVAILABLE is the usual answer
        await self.close()

    async def close(self) -> None:
        """Close the connection without a word to the plugin."""
        # First what needs no await: the caller may be cancelled at the first one.
        for task in self._tasks:
            task.cancel()
        self.channel.close()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.broker.close()
        finally:
            if self.broker.session is not None:
                self.broker.session.close()

    async def _broker(self) -> None:
        # One for the whole life of the connection, and the host opens it.
        async with self.channel.request(
            _BROKER.path, _BROKER.cardinality, _BROKER.request, _BROKER.reply
        ) as stream:
            # Headers before any message: the plugin starts its half of the broker only when it sees
            # the call.
            await stream.send_request()
            sending = beside(self._send(stream))
            try:
                async for info in stream:
                    self.broker.received(info)
            finally:
                # The queue never ends, so this task would outlive the stream.
                sending.cancel()

    async def _send(self, stream: Any) -> None:
        async for info in self.broker.outgoing():
            await stream.send_message(info)

    async def _stdio(self) -> None:
        # The clock is for `translated` alone; this call has no deadline.
        began = time.monotonic()
        try:
            async with self.channel.request(
                _STDIO.path, _STDIO.cardinality, _STDIO.request, _STDIO.reply
            ) as stream:
                # With the end of the requests: none follows, and the plugin's handler needs the one
                # message.
                await stream.send_message(goplugin_pb2.Empty(), end=True)
                async for piece in stream:
                    # 0 is INVALID in the .proto; what a newer plugin may send under another number
                    # is passed over.
                    name = _NAMES.get(piece.channel)
                    if name:
                        self._output(name, piece.data)
        except Exception as error:
            # The plugin has no such service, or is gone; in the second case the next call fails and says so.
            translated(error, began, None)


async def opened(
    address: Address,
    *,
    directory: str,
    group: str = "",
    identity: Identity | None,
    peer: bytes,
    multiplexed: bool,
    output: Output,
    mount: Mount | None = None,
) -> Connection:
    """Connect to a plugin.

    Args:
        address: Where it listens.
        directory: For the sockets of the broker.
        group: Who may connect to them.
        identity: Of this host, if the connection is encrypted.
        peer: The plugin's certificate, DER.
        multiplexed: Whether all goes over one socket.
        output: See `Connection`.
        mount: How the plugin sees the directory, if otherwise.

    Raises:
        OSError: Nothing listens there, or something else does.
        ValueError: The plugin's certificate cannot be read.
    """
    broker = Broker(unix_listener(directory, group), identity, peer, mount)
    broker.multiplexed = multiplexed
    tls = identity.client(peer) if identity else None
    # Without a second try: a plugin prints its line only after it listens.
    connection = await connect(mount.to_host(address) if mount else address)
    if multiplexed:
        broker.session = Session(connection, client=True, accept=_Accept(broker))
        await broker.session.start()
        # TLS runs inside each stream, not around the session, so the session comes first.
        connection = broker.session.open()
    channel = Channel(connection, tls)
    try:
        await channel.open()
    # BaseException: also a start that the deadline cancels must not leave a socket behind.
    except BaseException:
        channel.close()
        if broker.session is not None:
            broker.session.close()
        raise
    return Connection(address, channel, broker, output)


class _Accept:
    """Passes a stream that the plugin opens to the server that it knocked for."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __call__(self, stream: socket.socket) -> None:
        server = self._broker.opened()
        if server is None:
            # Nobody was told a number: a plugin must not reach the host's services by opening
            # streams at random.
            stream.close()
        else:
            server.background(server.connected(stream))


# grpc_stdio.proto: StdioData.Channel.
_NAMES: Final[dict[int, str]] = {1: "stdout", 2: "stderr"}
_FILE: Final = goplugin_pb2.DESCRIPTOR.services_by_name
_BROKER: Final[Method] = methods(_FILE["GRPCBroker"])["StartStream"]
_SHUTDOWN: Final[Method] = methods(_FILE["GRPCController"])["Shutdown"]
_STDIO: Final[Method] = methods(_FILE["GRPCStdio"])["StreamStdio"]
_CHECK: Final[Method] = methods(health_pb2.DESCRIPTOR.services_by_name["Health"])["Check"]
