"""Start a plugin of any kind for a person who inspects it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

from msgspec.structs import replace

from machineadm.plugins.cookie import AUTH_HANDLER, COOKIE, PROVIDER
from machineadm.plugins.discovery import Found
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import common
from machineadm.plugins.kinds.common import start
from machineadm.plugins.launch.model import Command
from machineadm.plugins.payload import host_versions
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.rpc import Method, methods

SERVICES: Final = {
    "encryption-provider": ("encryption_provider_pb2", "EncryptionProvider"),
    "infrastructure": ("infrastructure_pb2", "Infrastructure"),
    "attestation": ("attestation_pb2", "Attestation"),
    "provider": ("scafctl_pb2", "PluginService"),
    "auth-handler": ("scafctl_pb2", "AuthHandlerService"),
}
"""By kind: the module of its messages, and its service."""

COOKIES: Final[dict[str, Cookie]] = {"provider": PROVIDER, "auth-handler": AUTH_HANDLER}


def methods_of(kind: str) -> dict[str, Method]:
    """The methods of a kind, by name."""
    module, service = SERVICES[kind]
    # One of them: protobuf's modules are slow to import, and a person asks for one kind.
    messages = import_module(f"machineadm.plugins.proto.{module}")
    found: dict[str, Method] = methods(messages.DESCRIPTOR.services_by_name[service])
    return found


def command_of(kind: str, found: Found, **settings: Any) -> Command:
    """Build the command that starts a plugin of a kind; its settings are sent separately."""
    ours = kind not in COOKIES
    cookie = COOKIE if ours else COOKIES[kind]
    # scafctl's handshake has version 1 alone; 2 is msgpack, which is ours.
    return replace(common.command_of(found, cookie, host_versions() if ours else (1,)), **settings)


@contextmanager
def running(kind: str, found: Found, log: Callable[[str], None]) -> Iterator[Plugin]:
    """Start a plugin, with its settings if it is of one of our own kinds; it ends with the context.

    Args:
        kind: What it is asked as.
        found: Which.
        log: Gets its log from level info on, and what it prints, line by line.

    Raises:
        PluginError: It does not start.
    """

    def listen(_: str, record: Record) -> None:
        # As in a run: what a person sees here is what they would see there.
        if record.level not in ("trace", "debug"):
            log(f"plugin {found.name}: {record}")

    def output(_name: str, _stream: str, data: bytes) -> None:
        for line in data.decode(errors="replace").splitlines():
            # Cut as in a run, for a terminal that somebody still has to read.
            log(f"plugin {found.name}: {line[:4096]}")

    with Host(listen=listen, output=output) as host:
        # On scafctl's wire settings belong to a provider or a handler by its name, so whoever asks
        # for one sends them.
        if kind in COOKIES:
            yield host.start(command_of(kind, found))
        else:
            yield start(host, kind, found)
