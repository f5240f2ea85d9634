"""Kind infrastructure: brings configurations to machines, and their reports back."""

from __future__ import annotations

from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failed
from machineadm.plugins.proto import infrastructure_pb2 as pb
from machineadm.plugins.wire.rpc import RpcError, methods

KIND: Final = "infrastructure"
CALL: Final = 120.0
"""Seconds that a fetch or a report has."""

_METHODS: Final = methods(pb.DESCRIPTOR.services_by_name["Infrastructure"])


def fetch(plugin: Plugin, location: str, *, most: int) -> bytes:
    """Ask a plugin for the bytes at a location.

    Args:
        plugin: Who is asked.
        location: In the plugin's own words.
        most: Bytes that are accepted; a plugin that sends more is refused.

    Raises:
        PluginError: It does not give them, or too many.
    """
    pieces = bytearray()
    what = f"what lies at {location!r}"
    try:
        with plugin.stream(_METHODS["Fetch"], timeout=CALL) as call:
            call.send(pb.FetchRequest(location=location))
            call.end()
            for reply in call:
                pieces += reply.data
                if len(pieces) > most:
                    message = f"plugin {plugin.name} returns more than {most} bytes for {what}"
                    raise PluginError("MA7224", message, hint="look at what is stored there")
    except RpcError as error:
        refusal: PluginError = failed(plugin, KIND, what, error)
        raise refusal from error
    return bytes(pieces)


def report(plugin: Plugin, location: str, status: bytes) -> None:
    """Hand a BootstrapStatus to a plugin.

    Args:
        plugin: Who takes it.
        location: In the plugin's own words.
        status: JSON.

    Raises:
        PluginError: It does not take it.
    """
    request = pb.ReportRequest(location=location, status=status)
    try:
        plugin.call(_METHODS["Report"], request, timeout=CALL)
    except RpcError as error:
        refusal: PluginError = failed(plugin, KIND, f"a report to {location!r}", error)
        raise refusal from error
