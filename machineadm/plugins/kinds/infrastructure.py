"""Kind infrastructure: brings configurations to machines, and their reports back."""

from __future__ import annotations

from typing import Any, Final

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failing
from machineadm.plugins.proto import infrastructure_pb2 as pb
from machineadm.plugins.wire.rpc import methods

KIND: Final = "infrastructure"
CALL: Final = 120.0
"""Seconds that a fetch or a report has."""

_PIECE: Final = 1 << 20
"""Bytes of a message: servers in Go take 4 MiB."""

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
    with failing(plugin, KIND, what), plugin.stream(_METHODS["Fetch"], timeout=CALL) as call:
        call.send(pb.FetchRequest(location=location))
        call.end()
        # As it comes: a plugin that lies about the size, or never ends, is stopped at the bound
        # and not by the memory.
        for reply in call:
            pieces += reply.data
            if len(pieces) > most:
                message = f"plugin {plugin.name} returns more than {most} bytes for {what}"
                raise PluginError("MA7224", message, hint="look at what is stored there")
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
    _call(plugin, "Report", request, f"a report to {location!r}")


def store(plugin: Plugin, name: str, data: bytes) -> str:
    """Have a plugin keep data; the manager's side.

    Args:
        plugin: Who keeps it.
        name: Of the data, in the manager's words.
        data: Any bytes; they travel in pieces.

    Returns:
        The location, in the plugin's own words: what `fetch` takes.

    Raises:
        PluginError: It does not keep it; MA7223 if it only reads.
    """
    what = f"a place for {name!r}"
    with failing(plugin, KIND, what), plugin.stream(_METHODS["Store"], timeout=CALL) as call:
        # The name is in the first message alone, which is sent for empty data, too.
        call.send(pb.StoreRequest(name=name, data=data[:_PIECE]))
        for start in range(_PIECE, len(data), _PIECE):
            call.send(pb.StoreRequest(data=data[start : start + _PIECE]))
        call.end()
        reply = call.receive()
    # A store without a location has lost the data: nobody could fetch it.
    if reply is None or not reply.location:
        message = f"plugin {plugin.name} returns no location for {name!r}"
        raise PluginError("MA7224", message, hint="this is a bug in the plugin: ask its author")
    return str(reply.location)


def locate(plugin: Plugin, name: str) -> str | None:
    """Ask a plugin where it keeps data; the manager's side.

    Args:
        plugin: Who is asked.
        name: As `store` was given it.

    Returns:
        The location; None if it does not keep it.

    Raises:
        PluginError: It does not say; MA7223 if it only reads.
    """
    reply = _call(plugin, "Locate", pb.LocateRequest(name=name), f"the location of {name!r}")
    # `found` and not an empty location: a plugin's locations are its own words.
    return str(reply.location) if reply.found else None


def delete(plugin: Plugin, location: str) -> None:
    """Have a plugin delete what is at a location; the manager's side.

    Args:
        plugin: Who deletes it.
        location: As `store` or `locate` returned it.

    Raises:
        PluginError: It does not; MA7223 if it only reads.
    """
    request = pb.DeleteRequest(location=location)
    _call(plugin, "Delete", request, f"the end of what is at {location!r}")


def _call(plugin: Plugin, method: str, request: Any, what: str) -> Any:
    with failing(plugin, KIND, what):
        return plugin.call(_METHODS[method], request, timeout=CALL)
