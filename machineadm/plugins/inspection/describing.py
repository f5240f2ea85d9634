"""Ask a plugin to describe itself."""

from __future__ import annotations

import json
from typing import Any

from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.inspection.running import COOKIES, methods_of
from machineadm.plugins.kinds.auth_handler import AuthHandlers
from machineadm.plugins.kinds.failures import failed
from machineadm.plugins.kinds.provider import Providers
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.wire.rpc import RpcError, methods

_DESCRIBE = methods(plugin_pb2.DESCRIPTOR.services_by_name["Plugin"])["Describe"]
_ENCODINGS = {1: "json", 2: "msgpack"}


def description(plugin: Plugin, kind: str) -> dict[str, Any]:
    """Return a running plugin's description as an object that can be printed.

    Args:
        plugin: Which.
        kind: What it is installed as.

    Raises:
        PluginError: It does not answer.
    """
    # First: a program that does not serve is told so, and not that it describes nothing.
    plugin.ping()
    found: dict[str, Any] = {"kind": kind, "name": plugin.name, "protocolVersion": plugin.version}
    # scafctl's services have no Describe: their descriptors say what there is to say.
    if kind == "provider":
        return found | {"providers": _providers(plugin)}
    if kind == "auth-handler":
        return found | {"handlers": _handlers(plugin)}
    found["encoding"] = _ENCODINGS.get(plugin.version, "unknown")
    return found | _own(plugin, kind)


def _own(plugin: Plugin, kind: str) -> dict[str, Any]:
    """Of our own kinds.

    Raises:
        PluginError: It does not answer.
    """
    try:
        reply = plugin.call(_DESCRIBE, plugin_pb2.DescribeRequest())
    except RpcError as error:
        if error.status is Status.UNIMPLEMENTED:
            # A plugin in Go, or of an older SDK: only the handshake is known.
            return {"served": [], "methods": sorted(methods_of(kind))}
        refusal: PluginError = failed(plugin, kind, "what it is", error)
        raise refusal from error
    served = [{"kind": one.kind, "methods": sorted(one.methods)} for one in reply.served]
    return {
        "version": reply.version,
        "description": reply.description,
        "sdk": reply.sdk,
        # Sorted: an author's order means nothing, and two builds of one plugin must compare equal.
        "protocolVersions": sorted(reply.protocol_versions),
        "served": served,
        "methods": sorted(
            {name for one in served if one["kind"] == kind for name in one["methods"]}
        ),
        "settingsSchema": _json(reply.settings_schema),
    }


def _providers(plugin: Plugin) -> list[dict[str, Any]]:
    client = Providers(plugin)
    found = []
    for name in client.names():
        one = client.descriptor(name)
        found.append(
            {
                "name": name,
                "displayName": one.display_name,
                "description": one.description,
                "version": one.version,
                "capabilities": list(one.capabilities),
                "sensitiveFields": list(one.sensitive_fields),
                "deprecated": one.deprecated,
                "extractsDependencies": one.has_extract_dependencies,
                # As a run reads it: the raw one before the structured form.
                "schema": _json(one.raw_schema) or _schema(one.schema),
            }
        )
    return found


def _handlers(plugin: Plugin) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "displayName": one.display_name,
            "flows": list(one.flows),
            "capabilities": list(one.capabilities),
        }
        for one in AuthHandlers(plugin).handlers()
    ]


def _schema(schema: Any) -> dict[str, Any] | None:
    """Convert the structured form of a schema, for plugins without raw JSON."""
    if not schema.parameters:
        return None
    # Types and words alone: this is for a person; a run judges by the whole (kinds.schema).
    parameters = sorted(schema.parameters.items())
    return {
        "type": "object",
        "properties": {
            name: {"type": one.type, "description": one.description} for name, one in parameters
        },
        "required": [name for name, one in parameters if one.required],
    }


def _json(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    # Shown as none, like a schema that is not JSON: a description must not fail by a part of it.
    except (ValueError, RecursionError):
        return None


def is_scafctl(kind: str) -> bool:
    """Whether a kind is on scafctl's wire, where a plugin serves several names."""
    return kind in COOKIES
