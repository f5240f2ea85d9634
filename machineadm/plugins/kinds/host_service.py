"""scafctl's HostService: what a plugin may ask of its host: secrets, identities, tokens and groups.

The rules, their order and their messages are scafctl's, with one exception: an empty prefix and an empty list of handlers allow
nothing here, but everything there.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from grpclib.const import Handler

from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.wire.rpc import ServerStream, handlers

# scafctl's rules: these bytes, 256 of them, and no `..`.
_NAME: Final = re.compile(r"[a-zA-Z0-9_\-./]{1,256}")
# scafctl's, too.
_LONGEST_PATTERN: Final = 256
_SERVICE: Final = pb.DESCRIPTOR.services_by_name["HostService"]


class Secrets(Protocol):
    """Where a plugin's secrets are kept."""

    def get(self, name: str) -> str | None:
        """Return a secret; None if there is none."""

    def set(self, name: str, value: str) -> None:
        """Store a secret."""

    def delete(self, name: str) -> None:
        """Delete a secret, if it exists."""

    def names(self) -> list[str]:
        """Return the names of all secrets."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What one plugin may ask of its host; by default nothing."""

    secrets: Secrets | None = None
    secret_prefix: str = ""
    """Names that it may use begin so."""

    auth_handlers: tuple[str, ...] = ()
    """Handlers whose identities, tokens and groups it may ask for."""

    default_handler: str = ""
    identity: Callable[[str, str], Any] | None = None
    """Gives a Claims for a handler and a scope."""

    token: Callable[[Any], Any] | None = None
    """Gives a GetAuthTokenResponse for a GetAuthTokenRequest."""

    groups: Callable[[str], list[str]] | None = None
    """Gives the groups of a handler's identity."""


class RefusedError(Exception):
    """The request is not allowed, or cannot be answered; the text goes to the plugin."""


def host_service(allowed: Allowed) -> dict[str, Handler]:
    """Build the handlers that a host serves to one plugin.

    Args:
        allowed: What the configuration allows it.
    """
    answers: Mapping[str, tuple[Callable[[Allowed, Any], Any], Any]] = {
        "GetSecret": (_get, pb.GetSecretResponse),
        "SetSecret": (_set, pb.SetSecretResponse),
        "DeleteSecret": (_delete, pb.DeleteSecretResponse),
        "ListSecrets": (_list, pb.ListSecretsResponse),
        "GetAuthIdentity": (_identity, pb.GetAuthIdentityResponse),
        "GetAuthToken": (_token, pb.GetAuthTokenResponse),
        "GetAuthGroups": (_groups, pb.GetAuthGroupsResponse),
    }

    def served(answer: Callable[[Allowed, Any], Any], reply: Any) -> Any:
        def answered(request: Any) -> Any:
            try:
                return answer(allowed, request)
            except RefusedError as denied:
                # As text in a reply that succeeds: so scafctl answers whatever has a field
                # `error`.
                return reply(error=str(denied))
            except BaseException as error:
                # Only the type of a store's own fault goes to the plugin: the text might quote a secret.
                return reply(error=type(error).__name__)

        async def serve(stream: ServerStream) -> None:
            request = await stream.recv_message()
            await stream.send_message(await _in_thread(partial(answered, request)))

        return serve

    # In the loop: it asks nobody, so it cannot block.
    async def list_handlers(stream: ServerStream) -> None:
        await stream.recv_message()
        default = allowed.default_handler
        reply = pb.ListAuthHandlersResponse(
            handler_names=sorted(allowed.auth_handlers),
            # A default that it may not ask would tell of a handler that it must not know.
            default_handler=default if default in allowed.auth_handlers else "",
        )
        await stream.send_message(reply)

    serving = {name: served(*pair) for name, pair in answers.items()}
    return handlers(_SERVICE, ListAuthHandlers=list_handlers, **serving)


def _in_thread(work: Callable[[], Any]) -> asyncio.Future[Any]:
    """Do something that may block, and never fails, in a thread of its own.

    A token comes from another plugin of this same loop, which may ask for a secret meanwhile: with a pool, as many tokens as it has threads would
    leave none for the secrets that they wait for.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(found: Any) -> None:
        if not done.done():  # the plugin may have given up
            done.set_result(found)

    def run() -> None:
        found = work()
        with contextlib.suppress(RuntimeError):  # the loop is closed: the host has ended
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=run, daemon=True, name="plugin-host-service").start()
    return done


def _store(allowed: Allowed, name: str | None) -> Secrets:
    # Before the name is judged, as in scafctl: the order of the checks is part of what plugins
    # see.
    if allowed.secrets is None:
        raise RefusedError("secret store not available")
    if name is not None:
        # The name before the prefix, as scafctl does: "prefix/../other" begins with the prefix.
        if not _NAME.fullmatch(name) or ".." in name:
            raise RefusedError("invalid secret name")
        if not _is_in_scope(allowed, name):
            raise RefusedError("access denied: secret name outside allowed scope")
    return allowed.secrets


def _is_in_scope(allowed: Allowed, name: str) -> bool:
    # An empty prefix is the beginning of every name: it allows nothing here, and all in scafctl.
    return bool(allowed.secret_prefix) and name.startswith(allowed.secret_prefix)


def _get(allowed: Allowed, request: Any) -> Any:
    value = _store(allowed, request.name).get(request.name)
    # `found`, as proto3 cannot tell an empty secret from none.
    return pb.GetSecretResponse(value=value, found=value is not None)


def _set(allowed: Allowed, request: Any) -> Any:
    _store(allowed, request.name).set(request.name, request.value)
    return pb.SetSecretResponse()


def _delete(allowed: Allowed, request: Any) -> Any:
    _store(allowed, request.name).delete(request.name)
    return pb.DeleteSecretResponse()


def _list(allowed: Allowed, request: Any) -> Any:
    # The scope before the pattern: a pattern must not be a way to ask for other names.
    names = [one for one in _store(allowed, None).names() if _is_in_scope(allowed, one)]
    if len(request.pattern) > _LONGEST_PATTERN:
        raise RefusedError("invalid pattern: too long")
    if request.pattern:
        names = [one for one in names if _matches(request.pattern, one)]
    return pb.ListSecretsResponse(names=sorted(names))


def _matches(pattern: str, name: str) -> bool:
    # scafctl's are Go's, which take no time whatever they are. Python's can take for ever: two repetitions, none of a group,
    # over a name of 256 bytes cannot.
    if len(re.findall(r"[*+?{]", pattern)) > 2 or re.search(r"\)[*+?{]|\\[0-9]|\(\?", pattern):
        raise RefusedError("invalid pattern: too complex")
    try:
        return re.search(pattern, name) is not None
    except re.error as error:
        raise RefusedError(f"invalid pattern: {error}") from None


def _require_handler(allowed: Allowed, name: str) -> None:
    # An empty name is in no list, so there is no handler by default, as in scafctl with a list.
    if name not in allowed.auth_handlers:
        raise RefusedError(f'access denied: auth handler "{name}" not in the allowed set')


def _identity(allowed: Allowed, request: Any) -> Any:
    if allowed.identity is None:
        raise RefusedError("auth identity not available")
    _require_handler(allowed, request.handler_name)
    # The list of handlers first: whether one is logged in is told only to who may ask.
    claims = allowed.identity(request.handler_name, request.scope)
    return pb.GetAuthIdentityResponse(claims=claims)


def _token(allowed: Allowed, request: Any) -> Any:
    if allowed.token is None:
        raise RefusedError("auth token service not available")
    _require_handler(allowed, request.handler_name)
    return allowed.token(request)


def _groups(allowed: Allowed, request: Any) -> Any:
    if allowed.groups is None:
        raise RefusedError("auth groups not available")
    _require_handler(allowed, request.handler_name)
    return pb.GetAuthGroupsResponse(groups=allowed.groups(request.handler_name))
