"""The broker: further connections between a host and its plugin, in either direction, each under a number.

Without multiplexing the accepting side listens on a new socket and sends its address. With multiplexing the dialing side
knocks, and after the answer opens a stream of the one connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from grpclib.const import Handler

from machineadm.plugins.proto import goplugin_pb2
from machineadm.plugins.wire.certificates import Identity
from machineadm.plugins.wire.channels import Channel, Server
from machineadm.plugins.wire.handshake import Address
from machineadm.plugins.wire.sockets import Mount, connect, listen_unix, remove
from machineadm.plugins.wire.yamux import Session

PATIENCE: Final = 5.0
"""Seconds that the peer has to accept what is dialled, and that a number lives which nobody dials."""

Listen = Callable[[], "tuple[socket.socket, Address]"]


class Broker:
    """One side's broker.

    Args:
        listen: Makes a listening socket; not called with multiplexing.
        identity: Of this side, if connections are encrypted.
        peer: The other side's certificate.
        mount: How the other side sees the directory for sockets, if otherwise.
    """

    def __init__(
        self,
        listen: Listen,
        identity: Identity | None,
        peer: bytes,
        mount: Mount | None = None,
    ) -> None:
        self.session: Session | None = None
        """The multiplexed connection, as soon as there is one."""

        self.multiplexed = False
        self._listen = listen
        self._identity = identity
        self._peer = peer
        self._mount = mount
        self._last = 0
        # Without a bound: a message is a few bytes, and a put that waits would hold up whoever
        # dials.
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        # By number; made by whichever comes first, the peer's message or our dial.
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._accepting: dict[int, Server] = {}
        self._knocks: dict[int, Any] = {}
        self._expected: deque[int] = deque()
        self._dialling = asyncio.Lock()
        self._channels: list[Channel] = []
        self._servers: dict[int, tuple[Server, str]] = {}

    def next_id(self) -> int:
        """A number that this side has not used."""
        # From 1: application messages use 0 for "no service", as scafctl's host_service_id does.
        self._last += 1
        return self._last

    async def accept(self, number: int, serve: Mapping[str, Handler]) -> None:
        """Serve the other side when it dials a number; returns at once.

        Args:
            number: From `next_id`; the other side learns it from an application message.
            serve: Handlers by path.

        Raises:
            OSError: Listening failed.
        """
        server = Server(serve, self._tls("server"))
        if self.multiplexed:
            self._accepting[number] = server
            # Kept with no path: there is no socket of its own to remove.
            self._servers[number] = (server, "")
            # The knock may come before this: the application message that carries the number and
            # the broker's stream are two streams, and nothing orders them.
            if self._knocks.pop(number, None) is not None:
                self._answer(number)
            return
        listener, address = self._listen()
        # Before the address is sent: the peer connects as soon as it has it, and does not try
        # again.
        server.listen(listener)
        self._servers[number] = (server, address.address if address.network == "unix" else "")
        # A container has the directory under another name: the path that goes out must be the one
        # that it can open.
        if self._mount is not None:
            address = self._mount.to_plugin(address)
        info = goplugin_pb2.ConnInfo(
            service_id=number, network=address.network, address=address.address
        )
        await self._outbox.put(info)

    async def dial(self, number: int) -> Channel:
        """Connect to what the other side serves under a number; a number is good for one dial.

        Raises:
            OSError: The other side does not accept.
        """
        connection = await (self._knock(number) if self.multiplexed else self._connect(number))
        # Who dials is the TLS client, whichever side of the main connection it is; go-plugin
        # expects that.
        channel = Channel(connection, self._tls("client"))
        await channel.open()
        self._channels.append(channel)
        return channel

    async def _connect(self, number: int) -> socket.socket:
        info = await self._info(number)
        address = Address(info.network, info.address)
        return await connect(self._mount.to_host(address) if self._mount else address)

    async def _knock(self, number: int) -> socket.socket:
        # One after the other: the peer gives the next stream to the number that it answered last.
        async with self._dialling:
            knock = goplugin_pb2.ConnInfo.Knock(knock=True)
            await self._outbox.put(goplugin_pb2.ConnInfo(service_id=number, knock=knock))
            answer = await self._info(number)
            # go-plugin sets it only while its listener is not registered yet; the dial cannot
            # succeed any more.
            if answer.knock.error:
                raise ConnectionRefusedError(f"broker id {number}: {answer.knock.error}")
            if self.session is None:
                raise ConnectionResetError("the multiplexed connection is closed")
            return self.session.open()

    async def _info(self, number: int) -> Any:
        waiting = self._waiting.get(number)
        if waiting is None:
            waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        # go-plugin's broker gives up after the same five seconds; longer would wait for nobody.
        try:
            return await asyncio.wait_for(waiting, PATIENCE)
        except asyncio.TimeoutError:
            raise TimeoutError(
                f"timeout waiting for connection info: nobody serves broker id {number}"
            ) from None
        finally:
            self._waiting.pop(number, None)

    async def outgoing(self) -> AsyncIterator[Any]:
        """Yield the messages for the other side's broker, without end."""
        while True:
            yield await self._outbox.get()

    def received(self, info: Any) -> None:
        """Handle a message from the other side's broker."""
        number = info.service_id
        # A knock with an ack is the answer to one of ours, and is handled below like any address.
        if info.knock.knock and not info.knock.ack:
            if number in self._accepting:
                self._answer(number)
            else:
                self._knocks[number] = info
                # Whoever knocked has given up by then.
                asyncio.get_running_loop().call_later(PATIENCE, self._knocks.pop, number, None)
            return
        waiting = self._waiting.get(number)
        if waiting is None:
            waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
            # Nobody has asked for it, and after go-plugin's five seconds nobody will get an answer.
            asyncio.get_running_loop().call_later(PATIENCE, self._expire, number, waiting)
        # go-plugin drops a second message for a number that nobody picked up yet; the first one
        # counts here too.
        if not waiting.done():
            waiting.set_result(info)

    def _expire(self, number: int, waiting: asyncio.Future[Any]) -> None:
        # Only this one: the number may have been picked up, and be waited for again, since the
        # timer was set.
        if self._waiting.get(number) is waiting:
            del self._waiting[number]

    def _answer(self, number: int) -> None:
        self._expected.append(number)
        knock = goplugin_pb2.ConnInfo.Knock(knock=True, ack=True)
        self._outbox.put_nowait(goplugin_pb2.ConnInfo(service_id=number, knock=knock))

    def opened(self) -> Server | None:
        """Find the server for a stream that the peer just opened; None if the peer did not knock."""
        # A stream carries no number. The dialing side knocks and opens one at a time, so the order
        # of our answers is the order of its streams.
        return self._accepting.get(self._expected.popleft()) if self._expected else None

    async def close(self) -> None:
        """Stop serving, and close what was dialed."""
        for channel in self._channels:
            channel.close()
        for server, path in self._servers.values():
            await server.close()
            if path:
                # bind(2) makes the path and nothing removes it when the socket is closed.
                remove(path)
        self._servers.clear()
        self._accepting.clear()
        self._channels.clear()

    def _tls(self, end: str) -> ssl.SSLContext | None:
        if self._identity is None:
            return None
        make = self._identity.server if end == "server" else self._identity.client
        return make(self._peer)


def unix_listener(directory: str, group: str = "") -> Listen:
    """A maker of sockets in a directory."""
    return lambda: listen_unix(directory, group)
