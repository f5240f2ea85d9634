"""Kind auth-handler, on scafctl's wire: the same program runs under scafctl's host and under ours.

class Entra(AuthHandler):
    name = "entra"

    def token(self, scope, *, min_valid_for, force_refresh, host):
        return Token(value=ask_somebody(scope), expires_at=...)


serve_auth_handlers(Entra())
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

from grpclib.const import Handler
from grpclib.const import Status as Code

from machineadm.plugins.cookie import AUTH_HANDLER
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.logs import log_to_host
from machineadm.plugins.sdk.providers import FEATURES, HostClient, told
from machineadm.plugins.sdk.providers import Identity as Identity  # part of what handlers return
from machineadm.plugins.wire.blocking import Call, blocking_handlers
from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.plugins.wire.serving import Plugin, run

Prompt = Callable[[str, str, str], None]
"""Shows a device code's user code, the address where it is typed, and a text."""

# scafctl's service, as for providers.
_SERVICE: Final = pb.DESCRIPTOR.services_by_name["AuthHandlerService"]


class Token(NamedTuple):
    """A token, and until when it is good."""

    value: str
    type: str = "Bearer"
    expires_at: int = 0
    """Unix seconds; 0 if nobody knows."""

    scope: str = ""
    flow: str = ""


class Status(NamedTuple):
    """Whether somebody is logged in, and as whom."""

    authenticated: bool
    identity: Identity = Identity()
    expires_at: int = 0
    """Unix seconds; 0 if nobody knows."""

    scopes: tuple[str, ...] = ()
    reason: str = ""
    """Why not."""


class CachedToken(NamedTuple):
    """A token that is kept, without the token itself."""

    scope: str
    expires_at: int = 0
    is_expired: bool = False
    kind: str = "access"
    type: str = "Bearer"
    flow: str = ""
    fingerprint: str = ""


class Login(NamedTuple):
    """What a login is asked for with."""

    flow: str = ""
    """Such as `device_code`; empty: as the handler likes."""

    tenant_id: str = ""
    scopes: tuple[str, ...] = ()
    timeout: int = 0
    """Seconds; 0: as long as it takes."""


class AuthHandler:
    """A handler: derive from it, and write what it can do. What fails raises CallError, whose text the operator reads."""

    name: ClassVar[str]
    display_name: ClassVar[str] = ""
    flows: ClassVar[tuple[str, ...]] = ()
    # Of scafctl's words the one that every `token` here fulfils: it takes a scope.
    capabilities: ClassVar[tuple[str, ...]] = ("scopes_on_token_request",)

    def configure(self, settings: dict[str, Any]) -> None:
        """Take settings, before the first call."""

    def token(
        self, scope: str, *, min_valid_for: int, force_refresh: bool, host: HostClient | None
    ) -> Token:
        """A token.

        Args:
            scope: For what.
            min_valid_for: Seconds that it must still be good.
            force_refresh: Even if there is one.
            host: What the host does for it; None if nothing is allowed.
        """
        raise NotImplementedError

    def login(self, login: Login, prompt: Prompt) -> Status:
        """Log in; `prompt` shows a device code to the person who waits.

        A Status that is not authenticated is a failure, and its reason is shown.
        """
        raise NotImplementedError

    def logout(self) -> None:
        """Forget a login."""
        raise NotImplementedError

    def status(self) -> Status:
        """Whether and as whom somebody is logged in."""
        raise NotImplementedError

    def cached_tokens(self) -> Sequence[CachedToken]:
        """What is kept."""
        raise NotImplementedError

    def purge(self) -> int:
        """Forget what has expired; how many there were."""
        raise NotImplementedError

    def stop(self) -> None:
        """It is asked no more."""


def serve_auth_handlers(*handlers: AuthHandler) -> NoReturn:
    """Serve until the host ends the plugin, then exit; the last thing that a plugin does.

    Args:
        *handlers: What it serves.

    Raises:
        SystemExit: Always.
    """
    # First: from here on what is logged has its level; before, it is a line of text to the host.
    log_to_host()
    sys.exit(run(plugin_of(*handlers)))


def plugin_of(*handlers: AuthHandler) -> Plugin:
    """What the protocol serves of these handlers."""

    def services(broker: Broker, _: int) -> dict[str, Handler]:
        served = _Served(handlers)
        functions = {name: getattr(served, name) for name in methods(_SERVICE)}
        return blocking_handlers(_SERVICE, functions, broker)

    return Plugin(cookie=AUTH_HANDLER, versions=(1,), services=services)


class _Served:
    """AuthHandlerService, method by method."""

    def __init__(self, handlers: tuple[AuthHandler, ...]) -> None:
        self._handlers = {one.name: one for one in handlers}
        self._host: HostClient | None = None

    def GetAuthHandlers(self, _: Any, __: Call) -> Any:  # noqa: N802 - names of the service
        infos = [
            pb.AuthHandlerInfo(
                name=one.name,
                display_name=one.display_name or one.name,
                flows=one.flows,
                capabilities=one.capabilities,
            )
            for one in self._handlers.values()
        ]
        return pb.GetAuthHandlersResponse(handlers=infos)

    def ConfigureAuthHandler(self, request: Any, call: Call) -> Any:  # noqa: N802
        reply = pb.ConfigureAuthHandlerResponse(protocol_version=FEATURES)
        try:
            # Once: a number is good for one dial, and every handler of the program is configured
            # with one.
            if request.host_service_id and self._host is None:
                self._host = HostClient(call.dial(request.host_service_id))
            settings = {key: json.loads(value) for key, value in request.settings.items()}
            self._handler(request).configure(settings)
        except (CallError, OSError, ValueError, RecursionError) as error:
            reply.error = told(error)
        return reply

    def Login(self, request: Any, call: Call) -> Iterator[Any]:  # noqa: N802
        one = self._handler(request)
        # Before the thread is started: UNIMPLEMENTED must be the first that the host sees.
        _require(one, "login")
        yield from _logged_in(one, request, call)

    def Logout(self, request: Any, _: Call) -> Any:  # noqa: N802
        self._ask(request, "logout")
        return pb.LogoutResponse()

    def GetStatus(self, request: Any, _: Call) -> Any:  # noqa: N802
        found: Status = self._ask(request, "status")
        return pb.GetStatusResponse(
            authenticated=found.authenticated,
            claims=_claims(found.identity),
            expires_at_unix=found.expires_at,
            tenant_id=found.identity.tenant_id,
            client_id=found.identity.client_id,
            scopes=found.scopes,
            reason=found.reason,
        )

    def GetToken(self, request: Any, _: Call) -> Any:  # noqa: N802
        found: Token = self._ask(
            request,
            "token",
            request.scope,
            min_valid_for=request.min_valid_for_seconds,
            force_refresh=request.force_refresh,
            host=self._host,
        )
        return pb.GetTokenResponse(
            access_token=found.value,
            token_type=found.type,
            expires_at_unix=found.expires_at,
            scope=found.scope or request.scope,
            flow=found.flow,
        )

    def ListCachedTokens(self, request: Any, _: Call) -> Any:  # noqa: N802
        tokens = [
            pb.CachedTokenInfo(
                handler=request.handler_name,
                token_kind=one.kind,
                scope=one.scope,
                token_type=one.type,
                flow=one.flow,
                expires_at_unix=one.expires_at,
                is_expired=one.is_expired,
                fingerprint=one.fingerprint,
            )
            for one in self._ask(request, "cached_tokens")
        ]
        return pb.ListCachedTokensResponse(tokens=tokens)

    def PurgeExpiredTokens(self, request: Any, _: Call) -> Any:  # noqa: N802
        # Clamped, as in scafctl's SDK: the field is an int32, and a larger number would be an
        # error of protobuf's.
        count = int(self._ask(request, "purge"))
        return pb.PurgeExpiredTokensResponse(purged_count=min(count, 2**31 - 1))

    def StopAuthHandler(self, request: Any, _: Call) -> Any:  # noqa: N802
        try:
            # Before the connection is closed: what it does last may need the host.
            self._handler(request).stop()
        except CallError as error:
            return pb.StopAuthHandlerResponse(error=error.text)
        host, self._host = self._host, None
        if host is not None:
            host.close()
        return pb.StopAuthHandlerResponse()

    def _ask(self, request: Any, name: str, /, *arguments: Any, **more: Any) -> Any:
        """Ask a handler; its failure travels as scafctl's does.

        Raises:
            RpcError: It failed: code Unknown and its text.
        """
        one = self._handler(request)
        _require(one, name)
        try:
            return getattr(one, name)(*arguments, **more)
        except CallError as error:
            # These replies have no field `error` in scafctl's protocol, so a failure is a status:
            # Go's for an error without one.
            raise RpcError(Code.UNKNOWN, error.text) from error

    def _handler(self, request: Any) -> AuthHandler:
        found = self._handlers.get(request.handler_name)
        if found is None:
            raise RpcError(Code.UNKNOWN, f"unknown auth handler: {request.handler_name}")
        return found


def _require(one: AuthHandler, name: str) -> None:
    """Answer that a method is not written.

    Raises:
        RpcError: It is not.
    """
    # By the class: an author who has not written a method gets gRPC's own answer, by which hosts
    # know what is there.
    if getattr(type(one), name) is getattr(AuthHandler, name):
        raise RpcError(Code.UNIMPLEMENTED, f"{one.name} has no {name.replace('_', ' ')}")


def _logged_in(one: AuthHandler, request: Any, call: Call) -> Iterator[Any]:
    """The prompts of a login, which runs in a thread of its own, then how it ended."""
    import queue
    import threading

    # Without a bound: a login shows a few prompts, and a put that waits would hold up who polls
    # the issuer.
    messages: queue.Queue[Any] = queue.Queue()
    login = Login(
        flow=request.flow,
        tenant_id=request.tenant_id,
        scopes=tuple(request.scopes),
        timeout=request.timeout_seconds,
    )

    def prompt(user_code: str, verification_uri: str, message: str) -> None:
        # Here, as a login otherwise polls until its code runs out, for a person who has gone.
        if call.cancelled.is_set():
            raise CallError("nobody is waiting any more")
        code = pb.DeviceCodePrompt(
            user_code=user_code, verification_uri=verification_uri, message=message
        )
        messages.put(pb.LoginStreamMessage(device_code_prompt=code))

    def work() -> None:
        # Whatever an author's method does ends the login: without a last message its host would wait.
        try:
            messages.put(pb.LoginStreamMessage(result=_result(one, one.login(login, prompt))))
        except BaseException as error:
            messages.put(pb.LoginStreamMessage(error=told(error)))

    threading.Thread(target=work, daemon=True, name="plugin-login").start()
    while True:
        message = messages.get()
        yield message
        # By the protocol exactly one result or error, and nothing behind it.
        if message.WhichOneof("payload") != "device_code_prompt":
            return


def _result(one: AuthHandler, found: Any) -> Any:
    """The result of a login, which is a success on the wire.

    Raises:
        CallError: It is none.
    """
    # A method that ends without a return gives None: on the wire that would be a login as nobody.
    if not isinstance(found, Status):
        raise CallError(f"login of {one.name} returned no Status")
    if not found.authenticated:
        raise CallError(found.reason or "nobody is logged in")
    return pb.LoginResult(claims=_claims(found.identity), expires_at_unix=found.expires_at)


def _claims(identity: Identity) -> Any:
    fields: Mapping[str, Any] = identity._asdict()
    return pb.Claims(**fields)
