"""What is done with a plugin of any of our kinds: starting it, giving it its settings."""

from __future__ import annotations

from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.cookie import COOKIE
from machineadm.plugins.discovery import Found
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds.failures import failing, text_of
from machineadm.plugins.launch.model import Command
from machineadm.plugins.payload import encode, host_versions
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.rpc import methods

START: Final = 30.0
"""Seconds that a plugin has to start, and as many for its settings."""

CONFIGURE: Final = methods(plugin_pb2.DESCRIPTOR.services_by_name["Plugin"])["Configure"]


def start(host: Host, kind: str, found: Found) -> Plugin:
    """Start a plugin that was found, and give it its settings.

    Args:
        host: That ends it.
        kind: What it will be asked as.
        found: Which.

    Raises:
        PluginError: It does not start, or refuses its settings.
    """
    plugin = host.start(command_of(found, COOKIE, host_versions()))
    # Without settings it is not asked: a plugin that takes none need not have the method.
    if found.settings:
        configure(plugin, kind, found.settings)
    return plugin


def command_of(found: Found, cookie: Cookie, versions: tuple[int, ...] = (1,)) -> Command:
    """The command that starts a plugin that was found.

    Args:
        found: Which.
        cookie: Of its kind.
        versions: Of the protocol, that may be spoken.
    """
    return Command(
        name=found.name,
        path=found.path,
        container=found.container,
        cookie=cookie,
        versions=versions,
        sha256=found.sha256,
        start_timeout=START,
    )


def configure(plugin: Plugin, kind: str, settings: dict[str, object]) -> None:
    """Give a plugin its settings.

    Raises:
        PluginError: It refuses them.
    """
    # In the encoding that the handshake has settled on; that is all that the application version
    # decides.
    request = plugin_pb2.ConfigureRequest(settings=encode(plugin.version, settings))
    with failing(plugin, kind, "what its settings ask for"):
        reply = plugin.call(CONFIGURE, request, timeout=START)
    # Whatever is not a warning refuses: a severity that this release does not know is taken for an
    # error.
    wrong = [one for one in reply.diagnostics if one.severity != plugin_pb2.Diagnostic.WARNING]
    if wrong:
        texts = "; ".join(map(text_of, wrong))
        raise PluginError(
            "MA7225",
            f"plugin {plugin.name} refuses its settings: {texts}",
            hint="they are in plugins.yaml; see the plugin's documentation",
        )
