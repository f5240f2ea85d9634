"""For tests of plugins: a plugin served in this process, and a host that asks it, over a real connection.

    with mock_host(Files()) as host:
        assert host.call("FetchPassphrase", provider="x").passphrase == b"word"

Providers and auth handlers are asked in the same way, and get what a host may do for them from maps:

    with mock_host(Vault(), secrets={"vault/pin": "1234"}) as host:
        assert host.execute("vault", {"path": "a"}) == "word"

A host of machineadm's own reaches what `served` serves by `Host.reattach`: a plugin of any kind without a process.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from machineadm.plugins.payload import MSGPACK, encode
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk import auth_handlers, providers
from machineadm.plugins.sdk.auth_handlers import AuthHandler
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.kinds import Kind
from machineadm.plugins.sdk.providers import Identity, Provider
from machineadm.plugins.sdk.serve import plugin_of
from machineadm.plugins.wire.connection import Connection, opened
from machineadm.plugins.wire.handshake import Address
from machineadm.plugins.wire.rpc import Method, ServerStream, handlers, methods
from machineadm.plugins.wire.serving import Plugin, Serving

T = TypeVar("T")
_HOST_SERVICE = pb.DESCRIPTOR.services_by_name["HostService"]
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
        service: What a host does for a plugin on scafctl's wire; empty: nothing.
    """

    def __init__(
        self,
        served: Served,
        connection: Connection,
        known: dict[str, Method],
        service: Mapping[str, Any],
    ) -> None:
        self._served = served
        self._connection = connection
        self._known = known
        self._service = service

    def configure(self, settings: dict[str, Any]) -> None:
        """Send the plugin its settings, as in plugins.yaml.

        Raises:
            CallError: It refuses them.
        """
        # msgpack, as a host of this release speaks it; `served` takes another version.
        request = plugin_pb2.ConfigureRequest(settings=encode(MSGPACK, settings))
        reply = self._served.run(self._connection.channel.call(_CONFIGURE, request, timeout=30))
        # Warnings, too: a test should not overlook one.
        if reply.diagnostics:
            raise CallError("; ".join(one.summary for one in reply.diagnostics))

    def configure_one(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        """Give a provider or an auth handler its settings, and the way back to this host.

        Args:
            name: Its own.
            settings: As they stand under `settings`.

        Raises:
            CallError: It refuses them.
        """
        fields = {
            "host_service_id": self._served_back(),
            "settings": {key: json.dumps(one).encode() for key, one in (settings or {}).items()},
            "protocol_version": providers.FEATURES,
        }
        # A program on scafctl's wire serves one of the two services.
        if "ConfigureProvider" in self._known:
            reply = self.call("ConfigureProvider", provider_name=name, **fields)
        else:
            reply = self.call("ConfigureAuthHandler", handler_name=name, **fields)
        if reply.error:
            raise CallError(reply.error)

    def execute(
        self, name: str, inputs: Mapping[str, Any], *, results: Mapping[str, Any] | None = None
    ) -> Any:
        """Execute a provider: the data of its result.

        Args:
            name: Its own.
            inputs: For it.
            results: What those gave that it depends on, by their names.

        Raises:
            CallError: It failed.
        """
        reply = self.call(
            "ExecuteProvider",
            provider_name=name,
            input=json.dumps(dict(inputs)).encode(),
            context=json.dumps({"resolverContext": dict(results or {})}).encode(),
        )
        if reply.error:
            raise CallError(reply.error)
        return json.loads(reply.output)["data"]

    def token(self, name: str, scope: str = "", *, min_valid_for: int = 60) -> Any:
        """Ask an auth handler for a token: a GetTokenResponse.

        Raises:
            RpcError: It failed.
        """
        return self.call(
            "GetToken", handler_name=name, scope=scope, min_valid_for_seconds=min_valid_for
        )

    def _served_back(self) -> int:
        # 0 is `no host service` by the protocol.
        if not self._service:
            return 0
        broker = self._connection.broker
        number = broker.next_id()
        self._served.run(broker.accept(number, self._service))
        return number

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
        return self._served.run(self._connection.channel.call(method, request, timeout=30))

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
                # With the end at once: these methods take one request.
                await stream.send_message(method.request(**fields), end=True)
                return [reply async for reply in stream]

        return self._served.run(replies())


Author = Kind | Provider | AuthHandler
"""What a program serves: our own kinds together, or providers, or auth handlers."""


def _plugin(kinds: tuple[Author, ...]) -> Plugin:
    # A program has one cookie, so it serves one of the three.
    if kinds and all(isinstance(one, Provider) for one in kinds):
        return providers.plugin_of(*kinds)  # type: ignore[arg-type]
    if kinds and all(isinstance(one, AuthHandler) for one in kinds):
        return auth_handlers.plugin_of(*kinds)  # type: ignore[arg-type]
    return plugin_of(*kinds)  # type: ignore[arg-type]


def _service_of(one: Author) -> Any:
    if isinstance(one, Provider):
        return pb.DESCRIPTOR.services_by_name["PluginService"]
    if isinstance(one, AuthHandler):
        return pb.DESCRIPTOR.services_by_name["AuthHandlerService"]
    return one.service


def _host_service(
    secrets: dict[str, str],
    tokens: Mapping[str, str],
    identities: Mapping[str, Identity],
    groups: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """HostService over maps, without the rules of a real host."""

    def identity(request: Any) -> Any:
        if request.handler_name not in identities:
            return pb.GetAuthIdentityResponse(error=f"no handler {request.handler_name}")
        claims = pb.Claims(**identities[request.handler_name]._asdict())
        return pb.GetAuthIdentityResponse(claims=claims)

    def groups_of(request: Any) -> Any:
        if request.handler_name not in groups:
            return pb.GetAuthGroupsResponse(error=f"no handler {request.handler_name}")
        return pb.GetAuthGroupsResponse(groups=groups[request.handler_name])

    def token(request: Any) -> Any:
        if request.handler_name not in tokens:
            return pb.GetAuthTokenResponse(error=f"no handler {request.handler_name}")
        value = tokens[request.handler_name]
        return pb.GetAuthTokenResponse(access_token=value, scope=request.scope)

    def put(request: Any) -> Any:
        secrets[request.name] = request.value
        return pb.SetSecretResponse()

    def delete(request: Any) -> Any:
        secrets.pop(request.name, None)
        return pb.DeleteSecretResponse()

    answers = {
        "GetSecret": lambda request: pb.GetSecretResponse(
            # None becomes an empty text on the wire; `found` tells the two apart.
            value=secrets.get(request.name),
            found=request.name in secrets,
        ),
        "SetSecret": put,
        "DeleteSecret": delete,
        "ListSecrets": lambda request: pb.ListSecretsResponse(
            # A part of the name, not an expression: a test of the rules belongs to the real host.
            names=sorted(name for name in secrets if request.pattern in name)
        ),
        "GetAuthToken": token,
        "GetAuthIdentity": identity,
        "GetAuthGroups": groups_of,
        "ListAuthHandlers": lambda _: pb.ListAuthHandlersResponse(
            handler_names=sorted({*tokens, *identities, *groups})
        ),
    }

    def serving(answer: Any) -> Any:
        async def serve(stream: ServerStream) -> None:
            await stream.send_message(answer(await stream.recv_message()))

        return serve

    return handlers(_HOST_SERVICE, **{name: serving(one) for name, one in answers.items()})


@contextmanager
def served(*kinds: Author, version: int = MSGPACK) -> Iterator[Served]:
    """Serve a plugin in this process, without cookie, handshake or encryption.

    Args:
        *kinds: As for `serve`.
        version: Application version.
    """
    # A loop of its own: the caller's test may run in one, and must be free to block.
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True, name="plugin-served")
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    async def start(directory: str) -> Serving:
        serving = Serving(_plugin(kinds), version)
        # A socket and no pair in memory: what is tried is the real encoding, flow control and all.
        await serving.listen(directory=directory)
        return serving

    try:
        with tempfile.TemporaryDirectory(prefix="plugin-") as directory:
            serving = run(start(directory))
            try:
                yield Served(loop, directory, serving)
            finally:
                # Before the directory is removed: closing removes the sockets in it.
                run(serving.close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def mock_host(
    *kinds: Author,
    secrets: dict[str, str] | None = None,
    tokens: Mapping[str, str] | None = None,
    identities: Mapping[str, Identity] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[MockHost]:
    """A host that asks a plugin in this process.

    Args:
        *kinds: As for `serve`, `serve_providers` or `serve_auth_handlers`.
        secrets: What the host keeps for the plugin, which may change it; None: it keeps nothing.
        tokens: Tokens that the host gives the plugin, by handler.
        identities: As whom handlers are logged in, by handler.
        groups: The groups of who is logged in, by handler.
    """
    known = {name: method for kind in kinds for name, method in methods(_service_of(kind)).items()}
    maps = (secrets, tokens, identities, groups)
    # None and an empty map differ: with the second there is a host service that has nothing.
    allowed = any(one is not None for one in maps)
    kept = {} if secrets is None else secrets
    service = _host_service(kept, tokens or {}, identities or {}, groups or {}) if allowed else {}
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
            yield MockHost(one, connection, known, service)
        finally:
            one.run(connection.close())
