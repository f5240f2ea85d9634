"""Kind auth-handler, on scafctl's wire: logs in somewhere and returns tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.cookie import AUTH_HANDLER
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failed, failing
from machineadm.plugins.kinds.host_service import Allowed, host_service
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.redaction import Secret

KIND: Final = "auth-handler"
COOKIE: Final = AUTH_HANDLER
# The version of scafctl's protocol by which both sides know what the other has.
FEATURES: Final = 2
_METHODS: Final = methods(pb.DESCRIPTOR.services_by_name["AuthHandlerService"])
Prompt = Callable[[str, str, str], None]


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token and its expiry."""

    value: Secret
    type: str
    expires_at: int
    """Unix seconds; 0 if nobody says."""

    scope: str = ""

    def header(self) -> Secret:
        """The value of an Authorization header."""
        # An empty type is Bearer, as in scafctl's InjectAuth.
        return Secret(f"{self.type or 'Bearer'} {self.value.reveal()}")


class AuthHandlers:
    """The handlers of one plugin.

    Args:
        plugin: That serves them.
        allowed: What they may ask of the host; None is nothing.
    """

    def __init__(self, plugin: Plugin, allowed: Allowed | None = None) -> None:
        self._plugin = plugin
        self._allowed = allowed
        self._configured: set[str] = set()

    def handlers(self) -> tuple[Any, ...]:
        """Return an AuthHandlerInfo for each handler.

        Raises:
            PluginError: The call failed.
        """
        reply = self._call("GetAuthHandlers", pb.GetAuthHandlersRequest(), "its handlers")
        return tuple(reply.handlers)

    def configure(self, name: str, settings: Mapping[str, Any] | None = None) -> None:
        """Send a handler its settings once; a handler need not take any.

        Raises:
            PluginError: It refuses them.
        """
        # Once for each handler, as scafctl does it: the number of the host service is good for one
        # dial.
        if name in self._configured:
            return
        # A service of the host on a connection of its own (go-plugin's broker), opened only where
        # something is allowed.
        number = self._plugin.serve(host_service(self._allowed)) if self._allowed else 0
        request = pb.ConfigureAuthHandlerRequest(
            handler_name=name,
            # A plugin has no terminal: what it prints would stand among the run's own lines.
            quiet=True,
            no_color=True,
            binary_name="machineadm",
            host_service_id=number,
            # Each value as JSON: the message has bytes for it.
            settings={key: json.dumps(value).encode() for key, value in (settings or {}).items()},
            protocol_version=FEATURES,
        )
        self._tolerant("ConfigureAuthHandler", request, f"handler {name!r}")
        # Only after it was taken: a handler that refused its settings gets them again with the
        # next call.
        self._configured.add(name)

    def login(
        self,
        name: str,
        prompt: Prompt,
        *,
        flow: str = "",
        tenant: str = "",
        scopes: Sequence[str] = (),
        timeout: int = 300,
    ) -> Any:
        """Log in; returns the Claims.

        Args:
            name: The handler.
            prompt: Gets a device code's user code, address and message, if there is one.
            flow: Such as `device_code`.
            tenant: Where.
            scopes: For what.
            timeout: Seconds.

        Raises:
            PluginError: It failed.
        """
        # Whole seconds, by scafctl's message.
        request = pb.LoginRequest(
            handler_name=name, tenant_id=tenant, scopes=scopes, flow=flow, timeout_seconds=timeout
        )
        what = f"a login by {name!r}"
        with (
            failing(self._plugin, KIND, what),
            self._plugin.stream(_METHODS["Login"], timeout=timeout) as call,
        ):
            call.send(request)
            # No further request: the handler may answer for as long as it takes.
            call.end()
            for message in call:
                which = message.WhichOneof("payload")
                if which == "result":
                    return message.result.claims
                if which == "error":
                    raise self._refusal(what, message.error)
                # Zero or more of them, by the protocol, before the one result.
                if which == "device_code_prompt":
                    one = message.device_code_prompt
                    prompt(one.user_code, one.verification_uri, one.message)
        # The protocol demands exactly one result or error: a stream that ends early is not a login.
        raise self._refusal(what, "it ended without a result")

    def logout(self, name: str) -> None:
        """Forget a login.

        Raises:
            PluginError: It failed.
        """
        self._call("Logout", pb.LogoutRequest(handler_name=name), f"a logout by {name!r}")

    def status(self, name: str) -> Any:
        """Return a GetStatusResponse: whether it is logged in, and as whom.

        Raises:
            PluginError: It failed.
        """
        request = pb.GetStatusRequest(handler_name=name)
        return self._call("GetStatus", request, f"the status of {name!r}")

    def token(
        self, name: str, scope: str = "", *, min_valid_for: int = 60, force_refresh: bool = False
    ) -> Token:
        """A token.

        Args:
            name: The handler.
            scope: For what.
            min_valid_for: Seconds that it must still be good.
            force_refresh: Even if there is one.

        Raises:
            PluginError: It failed.
        """
        request = pb.GetTokenRequest(
            handler_name=name,
            scope=scope,
            min_valid_for_seconds=min_valid_for,
            force_refresh=force_refresh,
        )
        # Asked each time: only the handler knows whether the token that it keeps is still good.
        reply = self._call("GetToken", request, f"a token of {name!r}")
        return Token(
            value=Secret(reply.access_token),
            type=reply.token_type,
            expires_at=reply.expires_at_unix,
            scope=reply.scope,
        )

    def cached_tokens(self, name: str) -> tuple[Any, ...]:
        """Return a CachedTokenInfo for each cached token, without the tokens themselves.

        Raises:
            PluginError: It failed.
        """
        request = pb.ListCachedTokensRequest(handler_name=name)
        return tuple(self._call("ListCachedTokens", request, f"tokens of {name!r}").tokens)

    def purge(self, name: str) -> int:
        """Remove expired tokens; returns how many there were.

        Raises:
            PluginError: It failed.
        """
        request = pb.PurgeExpiredTokensRequest(handler_name=name)
        return int(self._call("PurgeExpiredTokens", request, f"tokens of {name!r}").purged_count)

    def stop(self, name: str) -> None:
        """Tell a handler that there are no further calls.

        Raises:
            PluginError: It failed.
        """
        request = pb.StopAuthHandlerRequest(handler_name=name)
        self._tolerant("StopAuthHandler", request, f"the end of {name!r}")

    def _tolerant(self, method: str, request: Any, what: str) -> None:
        """Make a call that a plugin need not implement."""
        try:
            reply = self._plugin.call(_METHODS[method], request)
        except RpcError as error:
            # Older plugins do not have the call, and lose nothing by it.
            if error.status is Status.UNIMPLEMENTED:
                return
            refusal: PluginError = failed(self._plugin, KIND, what, error)
            raise refusal from error
        if reply.error:
            raise self._refusal(what, reply.error)

    def _call(self, method: str, request: Any, what: str) -> Any:
        with failing(self._plugin, KIND, what):
            return self._plugin.call(_METHODS[method], request)

    def _refusal(self, what: str, said: str) -> PluginError:
        refusal = PluginError(
            "MA7220",
            f"plugin {self._plugin.name} does not give {what}: {said}",
            hint="read the last lines of its log",
        )
        # With the log: the text on the wire is one line, and what led to it stands there.
        refusal.log_tail = self._plugin.log_tail
        return refusal
