"""Kind provider, on scafctl's wire: the same program runs under scafctl's host and under ours.

class Echo(Provider):
    name = "echo"

    def execute(self, inputs, host):
        return Output(data={"echoed": inputs["message"]})


serve_providers(Echo())
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

from grpclib.const import Handler, Status

from machineadm.plugins.cookie import PROVIDER
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.logs import log_to_host
from machineadm.plugins.wire.blocking import Call, Dialled, blocking_handlers
from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.plugins.wire.serving import Plugin, run

FEATURES: Final = 2
"""What scafctl calls PluginProtocolVersion; the handshake's version is 1."""

Write = Callable[[str, bytes], None]
# scafctl's names and numbers, so that a program that serves them runs under both hosts.
_SERVICE: Final = pb.DESCRIPTOR.services_by_name["PluginService"]
_HOST: Final = methods(pb.DESCRIPTOR.services_by_name["HostService"])


class Output(NamedTuple):
    """The result of a provider."""

    data: Any = None
    warnings: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}


class Identity(NamedTuple):
    """As whom somebody is logged in."""

    subject: str = ""
    name: str = ""
    email: str = ""
    username: str = ""
    issuer: str = ""
    tenant_id: str = ""
    client_id: str = ""
    object_id: str = ""


class HostClient:
    """What the host does for a provider, as far as its configuration allows it.

    Args:
        dialled: To the host's service.
    """

    def __init__(self, dialled: Dialled) -> None:
        self._dialled = dialled

    def get_secret(self, name: str) -> str | None:
        """A secret; None if there is none.

        Raises:
            CallError: It is not allowed.
        """
        reply = self._call("GetSecret", name=name)
        # `found`: an empty secret is one, and proto3 sends both alike.
        return str(reply.value) if reply.found else None

    def set_secret(self, name: str, value: str) -> None:
        """Keep a secret.

        Raises:
            CallError: It is not allowed.
        """
        self._call("SetSecret", name=name, value=value)

    def delete_secret(self, name: str) -> None:
        """Forget a secret, if it is there.

        Raises:
            CallError: It is not allowed.
        """
        self._call("DeleteSecret", name=name)

    def list_secrets(self, pattern: str = "") -> list[str]:
        """Names of secrets.

        Raises:
            CallError: It is not allowed.
        """
        return list(self._call("ListSecrets", pattern=pattern).names)

    def token(self, handler: str, scope: str = "", *, min_valid_for: int = 60) -> str:
        """A token of one of the host's handlers.

        Raises:
            CallError: It is not allowed.
        """
        reply = self._call(
            "GetAuthToken", handler_name=handler, scope=scope, min_valid_for_seconds=min_valid_for
        )
        return str(reply.access_token)

    def handlers(self) -> list[str]:
        """The names of the handlers that it may ask for.

        Raises:
            CallError: The host does not say.
        """
        return list(self._call("ListAuthHandlers").handler_names)

    def identity(self, handler: str, scope: str = "") -> Identity:
        """As whom one of the host's handlers is logged in.

        Raises:
            CallError: It is not allowed, or nobody is logged in.
        """
        claims = self._call("GetAuthIdentity", handler_name=handler, scope=scope).claims
        return Identity(*(getattr(claims, name) for name in Identity._fields))

    def groups(self, handler: str) -> list[str]:
        """The groups of who is logged in, as the handler's token names them.

        Raises:
            CallError: It is not allowed, or they are not named.
        """
        return list(self._call("GetAuthGroups", handler_name=handler).groups)

    def close(self) -> None:
        """Close the connection."""
        self._dialled.close()

    def _call(self, name: str, /, **fields: Any) -> Any:
        # `name` is positional alone: some requests have a field of that name.
        method = _HOST[name]
        try:
            reply = self._dialled.call(method, method.request(**fields))
        except RpcError as error:
            # With the method's name in front, as scafctl's client puts it.
            raise CallError(f"host {name}: {error.text or error.status.name}") from error
        # ListAuthHandlersResponse has no error.
        if text := getattr(reply, "error", ""):
            raise CallError(f"host {name}: {text}")
        return reply


# Of the context and not of the provider: calls run side by side, each in a thread of its own.
_RESULTS: Final[ContextVar[dict[str, Any]]] = ContextVar("results")


def results() -> dict[str, Any]:
    """What the providers gave that this one depends on (`dependencies`), by their names; within `execute` and `stream`."""
    return _RESULTS.get({})


class Provider:
    """A provider: derive from it. What fails raises CallError, whose text the operator reads."""

    name: ClassVar[str]
    display_name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    version: ClassVar[str] = "0.1.0"
    # scafctl's word for one that gives data; it knows transform, validation, authentication and
    # action, too.
    capabilities: ClassVar[tuple[str, ...]] = ("from",)
    schema: ClassVar[Mapping[str, Any]] = {"type": "object"}
    """JSON Schema of its inputs."""

    def configure(self, settings: dict[str, Any]) -> None:
        """Take settings, before the first call."""

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        """Give the data.

        Args:
            inputs: As the schema says.
            host: What the host does for it; None if nothing is allowed.
        """
        raise NotImplementedError

    def stream(self, inputs: dict[str, Any], host: HostClient | None, write: Write) -> Output:
        """Give the data, and write to "stdout" and "stderr" meanwhile; write it if there is something to show."""
        raise NotImplementedError

    def what_if(self, inputs: dict[str, Any]) -> str:
        """What `execute` would do, in words; nothing is changed."""
        return ""

    def dependencies(self, inputs: dict[str, Any]) -> list[str]:
        """Names that the inputs refer to."""
        raise NotImplementedError

    def stop(self) -> None:
        """It is asked no more."""


def serve_providers(*providers: Provider) -> NoReturn:
    """Serve until the host ends the plugin, then exit; the last thing that a plugin does.

    Args:
        *providers: What it serves.

    Raises:
        SystemExit: Always.
    """
    # First: from here on what is logged has its level; before, it is a line of text to the host.
    log_to_host()
    sys.exit(run(plugin_of(*providers)))


def plugin_of(*providers: Provider) -> Plugin:
    """Build the plugin that serves these providers."""

    def services(broker: Broker, _: int) -> dict[str, Handler]:
        served = _Served(providers)
        functions = {name: getattr(served, name) for name in methods(_SERVICE)}
        return blocking_handlers(_SERVICE, functions, broker)

    # scafctl's handshake has version 1 alone; what is newer is told by FEATURES.
    return Plugin(cookie=PROVIDER, versions=(1,), services=services)


class _Served:
    """PluginService, method by method."""

    def __init__(self, providers: tuple[Provider, ...]) -> None:
        self._providers = {one.name: one for one in providers}
        # One for all providers of the program, as in scafctl's SDK.
        self._host: HostClient | None = None

    def GetProviders(self, _: Any, __: Call) -> Any:  # noqa: N802 - names of the service
        return pb.GetProvidersResponse(provider_names=list(self._providers))

    def GetProviderDescriptor(self, request: Any, _: Call) -> Any:  # noqa: N802
        one = self._provider(request)
        descriptor = pb.ProviderDescriptor(
            name=one.name,
            display_name=one.display_name or one.name,
            description=one.description,
            version=one.version,
            api_version="v1",
            capabilities=one.capabilities,
            # Raw alone: hosts prefer it, and the structured form loses what is nested.
            raw_schema=json.dumps(one.schema).encode(),
            # The host asks only if this says so; an answer of "none" would hide that nobody looked.
            has_extract_dependencies=type(one).dependencies is not Provider.dependencies,
        )
        return pb.GetProviderDescriptorResponse(descriptor=descriptor)

    def ConfigureProvider(self, request: Any, call: Call) -> Any:  # noqa: N802
        # A failure is text in the reply wherever the message has a field `error`, as scafctl's own
        # servers answer.
        reply = pb.ConfigureProviderResponse(protocol_version=FEATURES)
        try:
            # Once, as in scafctl's SDK: every ConfigureProvider may carry the number, and it is
            # good for one dial.
            if request.host_service_id and self._host is None:
                self._host = HostClient(call.dial(request.host_service_id))
            settings = {key: json.loads(value) for key, value in request.settings.items()}
            self._provider(request).configure(settings)
        except (CallError, OSError, ValueError, RecursionError) as error:
            reply.error = told(error)
        return reply

    def ExecuteProvider(self, request: Any, _: Call) -> Any:  # noqa: N802
        try:
            _RESULTS.set(_results_of(request))
            inputs = _object(request.input)
            return _executed(self._provider(request).execute(inputs, self._host))
        except CallError as error:
            return _failed(error)

    def ExecuteProviderStream(self, request: Any, call: Call) -> Iterator[Any]:  # noqa: N802
        one = self._provider(request)
        if type(one).stream is Provider.stream:
            # The status and text by which scafctl's host falls back to ExecuteProvider; with any
            # other it fails.
            raise RpcError(Status.UNIMPLEMENTED, "streaming execution not supported")
        yield from _streamed(one, request, self._host, call)

    def DescribeWhatIf(self, request: Any, _: Call) -> Any:  # noqa: N802
        try:
            text = self._provider(request).what_if(_object(request.input))
        except CallError as error:
            return pb.DescribeWhatIfResponse(error=error.text)
        return pb.DescribeWhatIfResponse(description=text)

    def ExtractDependencies(self, request: Any, _: Call) -> Any:  # noqa: N802
        one = self._provider(request)
        if type(one).dependencies is Provider.dependencies:
            # scafctl's host then looks for references in the inputs by itself.
            raise RpcError(Status.UNIMPLEMENTED, "it does not say")
        try:
            found = one.dependencies(_object(request.inputs))
        except CallError as error:
            return pb.ExtractDependenciesResponse(error=error.text)
        return pb.ExtractDependenciesResponse(dependencies=found)

    def StopProvider(self, request: Any, _: Call) -> Any:  # noqa: N802
        try:
            # Before the connection is closed: what it does last may need the host.
            self._provider(request).stop()
        except CallError as error:
            return pb.StopProviderResponse(error=error.text)
        host, self._host = self._host, None
        if host is not None:
            host.close()
        return pb.StopProviderResponse()

    def _provider(self, request: Any) -> Provider:
        found = self._providers.get(request.provider_name)
        if found is None:
            # UNKNOWN: the code that Go gives an error without one, and that scafctl's host shows.
            raise RpcError(Status.UNKNOWN, f"unknown provider: {request.provider_name}")
        return found


def _streamed(one: Provider, request: Any, host: HostClient | None, call: Call) -> Iterator[Any]:
    """Yield what a provider writes while it runs in its own thread, then its result."""
    import queue
    import threading

    inputs = _object(request.input)
    # Bounded: a provider that writes faster than the host reads must wait, not fill the memory.
    chunks: queue.Queue[Any] = queue.Queue(64)

    def put(chunk: Any) -> None:
        while True:
            try:
                # With a timeout: a host that has hung up takes nothing any more, and a put without
                # one would keep this thread, and what the provider holds, for ever.
                return chunks.put(chunk, timeout=0.5)
            except queue.Full:
                if call.cancelled.is_set():
                    raise CallError("nobody is waiting any more") from None

    def write(stream: str, data: bytes) -> None:
        if data:
            fields: dict[str, Any] = {stream: data}
            put(pb.ExecuteProviderStreamChunk(**fields))

    def work() -> None:
        # Whatever happens here, a result ends the stream: without one the host would wait.
        try:
            _RESULTS.set(_results_of(request))
            result = _executed(one.stream(inputs, host, write), streamed=True)
        except BaseException as error:
            result = _failed(CallError(told(error)))
        # Refused where the host has hung up: there is nobody left whom that concerns.
        with contextlib.suppress(CallError):
            put(pb.ExecuteProviderStreamChunk(result=result))

    # A thread beside the call's own: the author writes when it suits, and a generator could only
    # answer when it is asked.
    threading.Thread(target=work, daemon=True, name="plugin-stream").start()
    while True:
        chunk = chunks.get()
        yield chunk
        # By the protocol the last chunk.
        if chunk.WhichOneof("chunk") == "result":
            return


def _object(data: bytes) -> dict[str, Any]:
    try:
        # No bytes are no inputs: proto3 does not send an empty field.
        found = json.loads(data or b"{}")
    except (ValueError, RecursionError) as error:
        raise CallError("the input is not JSON") from error
    if not isinstance(found, dict):
        raise CallError("the input is not an object")
    return found


def _results_of(request: Any) -> dict[str, Any]:
    # scafctl's key; what else the context holds is not part of what authors get.
    found = _object(request.context).get("resolverContext")
    return found if isinstance(found, dict) else {}


def _executed(output: Output, *, streamed: bool = False) -> Any:
    # Only what there is: these are the words of scafctl's Output, where all but data is optional.
    content = {"data": output.data}
    if output.warnings:
        content["warnings"] = list(output.warnings)
    if output.metadata:
        content["metadata"] = dict(output.metadata)
    if streamed:
        content["streamed"] = True
    return pb.ExecuteProviderResponse(output=json.dumps(content).encode())


def _failed(error: CallError) -> Any:
    severity = pb.Diagnostic.ERROR
    diagnostic = pb.Diagnostic(severity=severity, summary=error.text)
    # In both forms: scafctl's host prefers diagnostics, and takes the text where there are none.
    return pb.ExecuteProviderResponse(error=error.text, diagnostics=[diagnostic])


def told(error: BaseException) -> str:
    """Describe a failure to the host: an unexpected one with its type."""
    return error.text if isinstance(error, CallError) else f"{type(error).__name__}: {error}"
