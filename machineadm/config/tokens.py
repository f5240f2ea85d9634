"""Tokens that authenticate the machine at registries and proxies: where a configuration wants one, and where it goes.

Pure. `machineadm.agent.authorizing` asks the plugins; files with an `authFrom` are not among these: a download asks for its own.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec.structs import replace

from machineadm.errors import PluginError
from machineadm.redaction import Secret

if TYPE_CHECKING:
    from machineadm.api.meta import HandlerRef
    from machineadm.api.v1alpha1.containerd import Containerd, Registry, RegistryAuth
    from machineadm.api.v1alpha1.machine import MachineConfig
    from machineadm.api.v1alpha1.proxy import ProxyCredentials
    from machineadm.config.model import Configuration

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_RUNTIME: Final = "spec.machine.containerRuntime.containerd"
_HINT: Final = "the log of the handler may say more"


class WantedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that a registry or a proxy needs."""

    path: str
    """Of the field that asks for it: `spec.machine.systemProxies[0].credentials.authFrom`."""

    handler: HandlerRef


def wanted_tokens(machine: MachineConfig) -> tuple[WantedToken, ...]:
    """Return all tokens that registries and proxies of a machine need, in the configuration's order."""
    proxies = (
        (f"{place}.credentials.authFrom", credentials)
        for place, credentials in _credentials(machine)
    )
    registries = (
        (f"{place}.auth.authFrom", registry.auth) for place, registry in _registries(machine)
    )
    # Proxies first: the registries may be behind one.
    return tuple(
        WantedToken(path=path, handler=given.auth_from.handler)
        for path, given in (*proxies, *registries)
        if given is not None and given.auth_from is not None
    )


def with_tokens(configuration: Configuration, tokens: Mapping[str, Secret]) -> Configuration:
    """Return a configuration with its tokens in place. Its digest stays: a token is another one at each run.

    Args:
        configuration: With all other values known.
        tokens: Values of a header `Authorization`, by the path of the field.

    Raises:
        PluginError: A token cannot be used where it is wanted.
    """
    return _filled(
        configuration,
        lambda path, one: _at(path, _login, one, tokens[path]),
        lambda path, one: _at(path, _header, one, tokens[path]),
    )


def with_placeholders(configuration: Configuration, text: str) -> Configuration:
    """Return a configuration with a text in place of each token."""
    # For a plan, which asks no handler and still shows every file.
    return _filled(
        configuration,
        lambda _, one: replace(
            one, username=one.username or "unknown", password=Secret(text), auth_from=None
        ),
        lambda _path, _one: Secret(text),
    )


def _filled(
    configuration: Configuration,
    login: Callable[[str, ProxyCredentials], ProxyCredentials],
    header: Callable[[str, RegistryAuth], Secret],
) -> Configuration:
    machine = configuration.machine
    # By place, since two entries may have equal credentials.
    logins = {
        place: login(f"{place}.credentials.authFrom", one)
        for place, one in _credentials(machine)
        if one.auth_from is not None
    }
    proxies = tuple(
        replace(one, credentials=logins.get(_proxy(number), one.credentials))
        for number, one in enumerate(machine.system_proxies)
    )
    runtime, own = machine.container_runtime, logins.get(f"{_RUNTIME}.proxy")
    containerd = _containerd(machine)
    if own is not None and runtime is not None and containerd is not None and containerd.proxy:
        proxy = replace(containerd.proxy, credentials=own)
        runtime = replace(runtime, containerd=replace(containerd, proxy=proxy))
    headers = {
        # By host, as the step that writes hosts.toml knows it.
        registry.host: header(f"{place}.auth.authFrom", registry.auth)
        for place, registry in _registries(machine)
        if registry.auth is not None and registry.auth.auth_from is not None
    }
    return replace(
        configuration,
        machine=replace(machine, system_proxies=proxies, container_runtime=runtime),
        registry_headers=headers,
    )


def _at(path: str, make: Callable[[_Given, Secret], _Made], given: _Given, header: Secret) -> _Made:
    """What a token is made into, or the error with its place.

    Raises:
        PluginError: It cannot be used there.
    """
    try:
        return make(given, header)
    except PluginError as error:
        raise PluginError(error.code, f"{path}: {error.message}", hint=error.hint()) from error


def _proxy(number: int) -> str:
    return f"spec.machine.systemProxies[{number}]"


def _containerd(machine: MachineConfig) -> Containerd | None:
    runtime = machine.container_runtime
    return runtime.containerd if runtime is not None else None


def _credentials(machine: MachineConfig) -> Iterator[tuple[str, ProxyCredentials]]:
    containerd = _containerd(machine)
    for number, one in enumerate(machine.system_proxies):
        if one.credentials is not None:
            yield _proxy(number), one.credentials
    own = containerd.proxy if containerd is not None else None
    if own is not None and own.credentials is not None:
        yield f"{_RUNTIME}.proxy", own.credentials


def _registries(machine: MachineConfig) -> Iterator[tuple[str, Registry]]:
    containerd = _containerd(machine)
    for number, one in enumerate(containerd.registries if containerd is not None else ()):
        yield f"{_RUNTIME}.registries[{number}]", one


def _login(credentials: ProxyCredentials, header: Secret) -> ProxyCredentials:
    """Credentials with user and password from a token: programs take these from a proxy's URL, and no header.

    Raises:
        PluginError: The token is no password of a user.
    """
    scheme, value = _parts(header)
    name, word = credentials.username, value
    # Basic has a user in it; a bearer token needs one to be a password.
    if name is None:
        if scheme.lower() != "basic":
            raise PluginError(
                "MA7224",
                f"a proxy needs a user and a password, and the token is of type {scheme}",
                hint="add username: the token is then the password of this user",
            )
        name, word = _decoded(value)
    return replace(credentials, username=name, password=Secret(word), auth_from=None)


def _header(auth: RegistryAuth, header: Secret) -> Secret:
    """What is sent to a registry: the token itself, or, with a user name, as the password of this user.

    Raises:
        PluginError: It cannot be sent in a header.
    """
    _, value = _parts(header)
    # Sent as it is: registries take Bearer and Basic.
    if auth.username is None:
        return header
    login = f"{auth.username}:{value}".encode()
    return Secret(f"Basic {base64.b64encode(login).decode()}")


def _parts(header: Secret) -> tuple[str, str]:
    """Type and value of a token.

    Raises:
        PluginError: It cannot be sent in a header.
    """
    whole = header.reveal()
    scheme, _, value = whole.partition(" ")
    # The type, too, is the handler's word.
    if not value or not whole.isascii() or not whole.isprintable():
        message = "the token has characters that a header cannot have"
        raise PluginError("MA7224", message, hint=_HINT)
    return scheme, value


def _decoded(value: str) -> tuple[str, str]:
    """User and password of a token of type Basic.

    Raises:
        PluginError: It does not have them.
    """
    try:
        # The first colon ends the user (RFC 7617, 2), the password may have more.
        name, colon, word = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:  # binascii.Error and UnicodeDecodeError are such
        name, colon, word = "", "", ""
    if not name or not colon:
        message = "the token of type Basic is not user:password in base64"
        raise PluginError("MA7224", message, hint=_HINT)
    return name, word
