"""Calls over a connection within this process: metadata, messages around the size from which on they are not copied, and half of one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from machineadm.plugins.wire.channels import LARGE, MOST, Channel, Server
from machineadm.plugins.wire.rpc import RpcError, handlers
from tests.peers.driving import PROBE, SERVICE
from tests.peers.probe import probe_pb2

Serve = Callable[[Any], Awaitable[None]]


def asked(serve: Serve, request: Any, **settings: Any) -> Any:
    """The answer of a server to Echo."""

    async def ask() -> Any:
        ours, theirs = socket.socketpair()
        server = Server(handlers(SERVICE, Echo=serve))
        channel = Channel(ours, None)
        try:
            await asyncio.gather(server.connected(theirs), channel.open())
            return await channel.call(PROBE["Echo"], request, timeout=20, **settings)
        finally:
            channel.close()
            await server.close()

    return asyncio.run(ask())


async def echo(stream: Any) -> None:
    await stream.send_message(await stream.recv_message())


def test_a_call_takes_its_metadata_along() -> None:
    async def serve(stream: Any) -> None:
        request = await stream.recv_message()
        text = f"{stream.metadata.get('multiplex_id')} {request.text}"
        await stream.send_message(probe_pb2.Message(text=text))

    request = probe_pb2.Message(text="asked")
    assert asked(serve, request, metadata={"multiplex_id": "one"}).text == "one asked"
    assert asked(serve, request).text == "None asked"


@pytest.mark.parametrize("more", [-1, 0, 1, LARGE - 1, LARGE, 4 * LARGE + 7])
def test_a_message_around_the_size_that_is_not_copied_comes_back(more: int) -> None:
    empty = probe_pb2.Message(data=bytes(LARGE)).ByteSize() - LARGE
    request = probe_pb2.Message(data=bytes(range(256)) * (LARGE * 8 // 256))
    request.data = request.data[: LARGE - empty + more]
    # The length itself takes a byte more from 2 MiB on.
    assert request.ByteSize() - LARGE - more == (more > LARGE)

    assert asked(echo, request) == request


@pytest.mark.parametrize("size", [100, LARGE, 4 * LARGE])
def test_a_connection_that_ends_within_a_message_fails_the_call(size: int) -> None:
    async def serve(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_initial_metadata()
        # The length of a whole message, and half of it.
        data = b"\0" + size.to_bytes(4, "big") + bytes(size // 2)
        await stream._stream.send_data(data)
        stream._stream._transport.close()

    with pytest.raises(RpcError) as failed:
        asked(serve, probe_pb2.Message(text="asked"))
    assert failed.value.status is Status.UNAVAILABLE


@pytest.mark.parametrize("size", [100, LARGE, 4 * LARGE])
def test_a_stream_that_ends_within_a_message_fails_the_call(size: int) -> None:
    async def serve(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_initial_metadata()
        data = b"\0" + size.to_bytes(4, "big") + bytes(size // 2)
        await stream._stream.send_data(data, end_stream=True)
        stream._send_trailing_metadata_done = True

    with pytest.raises(RpcError):
        asked(serve, probe_pb2.Message(text="asked"))


def head(size: int) -> bytes:
    """What comes before a message of so many bytes."""
    return b"\0" + size.to_bytes(4, "big")


@pytest.mark.parametrize("size", [MOST + 1, (1 << 32) - 1])
@pytest.mark.parametrize("method", ["Echo", "Count"])
def test_a_reply_that_says_it_is_huge_is_refused_by_its_head(size: int, method: str) -> None:
    """Nothing of it need come: room for it would be made before."""
    came = asyncio.Event()

    async def serve(stream: Any) -> None:
        await stream.recv_message()
        await stream.send_initial_metadata()
        await stream._stream.send_data(head(size))
        await came.wait()

    async def ask() -> Any:
        ours, theirs = socket.socketpair()
        server = Server(handlers(SERVICE, **{method: serve}))
        channel = Channel(ours, None)
        one = PROBE[method]
        try:
            await asyncio.gather(server.connected(theirs), channel.open())
            if method == "Echo":
                return await channel.call(one, probe_pb2.Message(), timeout=20)
            async with channel.request(
                one.path, one.cardinality, one.request, one.reply, timeout=20
            ) as stream:
                await stream.send_message(one.request(), end=True)
                return [reply async for reply in stream]
        finally:
            channel.close()
            await server.close()

    with pytest.raises((RpcError, GRPCError), match=f"a message of {size} bytes") as caught:
        asyncio.run(ask())
    failure: Any = caught.value
    assert failure.status is Status.RESOURCE_EXHAUSTED


def test_a_request_that_says_it_is_huge_is_refused_by_its_head() -> None:
    """As a host does for its plugins, and a plugin for its host."""
    served: list[Any] = []

    async def serve(stream: Any) -> None:
        served.append(await stream.recv_message())

    async def ask() -> None:
        ours, theirs = socket.socketpair()
        server = Server(handlers(SERVICE, Echo=serve))
        channel = Channel(ours, None)
        one = PROBE["Echo"]
        try:
            await asyncio.gather(server.connected(theirs), channel.open())
            async with channel.request(
                one.path, one.cardinality, one.request, one.reply, timeout=20
            ) as stream:
                await stream.send_request()
                await stream._stream.send_data(head((1 << 32) - 1))
                await stream.recv_message()
        finally:
            channel.close()
            await server.close()

    with pytest.raises(GRPCError) as caught:
        asyncio.run(ask())
    assert caught.value.status is Status.RESOURCE_EXHAUSTED
    assert served == []
