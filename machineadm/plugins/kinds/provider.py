"""Kind provider, on scafctl's wire: data from anywhere, by name and inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.cookie import PROVIDER
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failed, failing, text_of
from machineadm.plugins.kinds.host_service import Allowed, host_service
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.wire.rpc import RpcError, methods

KIND: Final = "provider"
COOKIE: Final = PROVIDER
FEATURES: Final = 2
"""What scafctl calls PluginProtocolVersion; the handshake's version is 1."""

# Short, as a plan asks for these before anything is done; work has its caller's own bound.
ANSWER: Final = 30.0
"""Seconds that a plugin has for what is not work: its providers, a descriptor, settings."""

# scafctl's.
DEPENDENCIES: Final = 30.0
"""Seconds that a provider has to say what its inputs depend on."""

_METHODS: Final = methods(pb.DESCRIPTOR.services_by_name["PluginService"])
Output = Callable[[str, bytes], None]


class ProviderError(PluginError):
    """A provider was asked, and failed.

    Args:
        message: What it says.
        process_exit_code: Of what it ran, as it says; 0 if it says nothing.
    """

    def __init__(self, message: str, *, process_exit_code: int = 0) -> None:
        super().__init__("MA7220", message, hint="read the last lines of its log")
        self.process_exit_code = process_exit_code


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a provider."""

    data: Any = None
    warnings: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    streamed: bool = False


class Providers:
    """The providers of one plugin.

    Args:
        plugin: That serves them.
        allowed: What they may ask of the host; None is nothing, not even that there is a host.
    """

    def __init__(self, plugin: Plugin, allowed: Allowed | None = None) -> None:
        self._plugin = plugin
        self._allowed = allowed
        self._descriptors: dict[str, Any] = {}
        self._configured: set[str] = set()

    def names(self) -> tuple[str, ...]:
        """Their names.

        Raises:
            PluginError: The call failed.
        """
        reply = self._call("GetProviders", pb.GetProvidersRequest(), "its providers", ANSWER)
        return tuple(reply.provider_names)

    def descriptor(self, name: str) -> Any:
        """Return a provider's ProviderDescriptor; requested once.

        Raises:
            PluginError: There is no such provider.
        """
        # Kept for the plugin's life, as in scafctl: a program does not change while it runs.
        if name not in self._descriptors:
            request = pb.GetProviderDescriptorRequest(provider_name=name)
            reply = self._call(
                "GetProviderDescriptor", request, f"the descriptor of {name!r}", ANSWER
            )
            self._descriptors[name] = reply.descriptor
        return self._descriptors[name]

    def configure(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        """Send a provider its settings once, before it is executed; a provider need not take any.

        Raises:
            PluginError: It refuses them.
        """
        # Once, as in scafctl: each time would open one more host service that nobody dials.
        if name in self._configured:
            return
        # Just before the request: the plugin has five seconds to dial the number.
        number = self._plugin.serve(host_service(self._allowed)) if self._allowed else 0
        request = pb.ConfigureProviderRequest(
            provider_name=name,
            quiet=True,
            no_color=True,
            binary_name="machineadm",
            host_service_id=number,
            # Each value as JSON in bytes, as all that is embedded in scafctl's messages.
            settings={key: json.dumps(value).encode() for key, value in (settings or {}).items()},
            protocol_version=FEATURES,
        )
        reply = self._tolerant("ConfigureProvider", request, f"provider {name!r}")
        if reply is not None:
            self._require(name, reply)
        self._configured.add(name)

    def execute(
        self,
        name: str,
        inputs: Mapping[str, Any],
        *,
        output: Output | None = None,
        context: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        timeout: float | None = 60.0,
    ) -> Result:
        """Execute a provider.

        Args:
            name: Which.
            inputs: What its schema asks for.
            output: Gets "stdout" or "stderr" and what it prints meanwhile; a provider that cannot stream is executed all the same.
            context: What the providers gave that it depends on, by their names.
            dry_run: As it says to the provider.
            timeout: Seconds.

        Raises:
            ProviderError: It failed.
            PluginError: The call failed.
        """
        request = pb.ExecuteProviderRequest(
            provider_name=name,
            input=json.dumps(dict(inputs)).encode(),
            # Always there, as scafctl sends it: `{}` where there is nothing.
            context=json.dumps({"resolverContext": dict(context)} if context else {}).encode(),
            dry_run=dry_run,
        )
        if output is not None:
            reply = self._stream(name, request, output, timeout)
            if reply is not None:
                return self._result(name, reply)
        reply = self._call("ExecuteProvider", request, f"provider {name!r}", timeout)
        return self._result(name, reply)

    def what_if(self, name: str, inputs: Mapping[str, Any]) -> str:
        """Describe what executing it would do; empty if the provider does not say.

        Raises:
            PluginError: It failed.
        """
        request = pb.DescribeWhatIfRequest(
            provider_name=name, input=json.dumps(dict(inputs)).encode()
        )
        reply = self._tolerant("DescribeWhatIf", request, f"what {name!r} would do")
        if reply is None:
            return ""
        self._require(name, reply)
        return str(reply.description)

    def dependencies(self, name: str, inputs: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return what its inputs depend on; None if it does not say, for any reason."""
        request = pb.ExtractDependenciesRequest(
            provider_name=name, inputs=json.dumps(dict(inputs)).encode()
        )
        try:
            reply = self._plugin.call(
                _METHODS["ExtractDependencies"], request, timeout=DEPENDENCIES
            )
        except RpcError:
            return None
        return None if reply.error else tuple(reply.dependencies)

    def stop(self, name: str) -> None:
        """Tell a provider that there are no further calls.

        Raises:
            PluginError: It failed.
        """
        request = pb.StopProviderRequest(provider_name=name)
        reply = self._tolerant("StopProvider", request, f"the end of {name!r}")
        if reply is not None:
            self._require(name, reply)

    def _stream(self, name: str, request: Any, output: Output, timeout: float | None) -> Any | None:
        """Execute with output; None if it cannot stream."""
        # A stream that ends without a result is an empty output, as for scafctl's host.
        result = pb.ExecuteProviderResponse()
        began = False
        try:
            with self._plugin.stream(_METHODS["ExecuteProviderStream"], timeout=timeout) as call:
                call.send(request)
                call.end()
                for chunk in call:
                    began = True
                    which = chunk.WhichOneof("chunk")
                    if which == "result":
                        result = chunk.result
                    # A chunk that holds none of them is of a newer protocol, and is passed over.
                    elif which:
                        output(which, getattr(chunk, which))
        except RpcError as error:
            # Only in place of the first reply: once something came the provider has run, and the other call
            # would do it all a second time.
            if error.status is Status.UNIMPLEMENTED and not began:
                return None
            refusal: PluginError = failed(self._plugin, KIND, f"provider {name!r}", error)
            raise refusal from error
        return result

    def _result(self, name: str, reply: Any) -> Result:
        self._require(name, reply)
        try:
            return msgspec.json.decode(reply.output, type=Result) if reply.output else Result()
        # RecursionError: of JSON that is nested too deep, which msgspec does not call a DecodeError.
        except (ValueError, RecursionError) as error:
            raise PluginError(
                "MA7224",
                f"plugin {self._plugin.name}: the output of {name!r} is invalid: {error}",
                hint="this is a bug in the plugin: ask its author",
            ) from error

    def _require(self, name: str, reply: Any) -> None:
        """Raise if a reply reports a failure."""
        code = getattr(reply, "exit_code", 0)
        # Both: scafctl's server reports a failure by exit code and diagnostics, its SDK by text
        # alone.
        if not reply.error and not code:
            return
        # StopProviderResponse has no diagnostics.
        told = getattr(reply, "diagnostics", ())
        errors = [one for one in told if one.severity == pb.Diagnostic.ERROR]
        # The diagnostics before the text, as in scafctl.
        text = "; ".join(map(text_of, errors)) or reply.error or f"exit code {code}"
        failure = ProviderError(
            f"plugin {self._plugin.name}: provider {name!r}: {text}", process_exit_code=code
        )
        failure.log_tail = self._plugin.log_tail
        raise failure

    def _tolerant(self, method: str, request: Any, what: str) -> Any | None:
        """Make a call that a plugin need not implement; None if it does not."""
        try:
            return self._plugin.call(_METHODS[method], request, timeout=ANSWER)
        except RpcError as error:
            if error.status is Status.UNIMPLEMENTED:
                return None
            refusal: PluginError = failed(self._plugin, KIND, what, error)
            raise refusal from error

    def _call(self, method: str, request: Any, what: str, timeout: float | None) -> Any:
        with failing(self._plugin, KIND, what):
            return self._plugin.call(_METHODS[method], request, timeout=timeout)
