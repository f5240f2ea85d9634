"""For tests of plugins: a plugin served in this process, and a host that asks it, over a real connection.

    with mock_host(Files()) as host:
        assert host.call("FetchPassphrase", provider="x").passphrase == b"word"

A host of machineadm's own reaches what `served` serves by `Host.reattach`: a plugin of any kind without a process.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from machineadm.plugins.payload import MSGPACK, encode
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.kinds import Kind
from machineadm.plugins.sdk.serve import plugin_of
from machineadm.plugins.wire.connection import Connection, opened
from machineadm.plugins.wire.handshake import Address
from machineadm.plugins.wire.rpc import Method, call, methods
from machineadm.plugins.wire.serving import Serving

T = TypeVar("T")
_CONFIGURE = methods(plugin_pb2.DESCRIPTOR.services_by_name["Plugin"])["Configure"]


class Served:
    """A plugin that is served in this process; `served` makes it.

    Args:
        loop: Where it runs.
        directory: For sockets.
        serving: The plugin.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, directory: str, serving: Serving) -> None:
        self.address: Address = serving.address
        """Where it listens, in the clear."""

        self.directory = directory
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine beside it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


class MockHost:
    """A host that asks a plugin in this process; `mock_host` makes it.

    Args:
        served: The plugin.
        connection: To it.
        known: Its methods, by name.
    """

    def __init__(self, served: Served, connection: Connection, known: dict[str, Method]) -> None:
        self._served = served
        self._connection = connection
        self._known = known

    def configure(self, settings: dict[str, Any]) -> None:
        """Give the plugin its settings, as they stand in plugins.yaml.

        Raises:
            CallError: It refuses them.
        """
        request = plugin_pb2.ConfigureRequest(settings=encode(MSGPACK, settings))
        reply = self._served.run(call(self._connection.channel, _CONFIGURE, request, timeout=30))
        if reply.diagnostics:
            raise CallError("; ".join(one.summary for one in reply.diagnostics))

    def call(self, name: str, /, **fields: Any) -> Any:
        """Make a call with one request and one reply, as a host does.

        Args:
            name: The method's, such as `FetchPassphrase`.
            **fields: Of the request.

        Raises:
            RpcError: It failed.
        """
        method = self._known[name]
        request = method.request(**fields)
        return self._served.run(call(self._connection.channel, method, request, timeout=30))

    def stream(self, name: str, /, **fields: Any) -> list[Any]:
        """Make a call with one request and many replies; all of them.

        Raises:
            GRPCError: It failed.
        """
        method = self._known[name]

        async def replies() -> list[Any]:
            async with self._connection.channel.request(
                method.path, method.cardinality, method.request, method.reply, timeout=30
            ) as stream:
                await stream.send_message(method.request(**fields), end=True)
                return [reply async for reply in stream]

        return self._served.run(replies())


@contextmanager
def served(*kinds: Kind, version: int = MSGPACK) -> Iterator[Served]:
    """Serve a plugin in this process, without cookie, handshake or encryption.

    Args:
        *kinds: As for `serve`.
        version: Application version.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="plugin-served")
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def start(directory: str) -> Serving:
        serving = Serving(plugin_of(*kinds), version)
        await serving.listen(directory=directory)
        return serving

    try:
        with tempfile.TemporaryDirectory(prefix="plugin-") as directory:
            serving = run(start(directory))
            try:
                yield Served(loop, directory, serving)
            finally:
                run(serving.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def mock_host(*kinds: Kind) -> Iterator[MockHost]:
    """A host that asks a plugin in this process.

    Args:
        *kinds: As for `serve`.
    """
    known = {name: method for kind in kinds for name, method in methods(kind.service).items()}
    with served(*kinds) as one:
        connection = one.run(
            opened(
                one.address,
                directory=one.directory,
                identity=None,
                peer=b"",
                multiplexed=False,
                output=lambda _stream, _data: None,
            )
        )
        try:
            yield MockHost(one, connection, known)
        finally:
            one.run(connection.close())
