"""Serving a plugin."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from grpclib.const import Handler

from machineadm.plugins.cookie import COOKIE
from machineadm.plugins.payload import JSON, MSGPACK, decode
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.sdk.errors import CallError
from machineadm.plugins.sdk.kinds import Kind
from machineadm.plugins.sdk.logs import log_to_host
from machineadm.plugins.wire.blocking import Call, Function, blocking_handlers
from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.serving import Plugin, run
from machineadm.version import VERSION

# Both, for hosts of an older release.
VERSIONS: Final = (JSON, MSGPACK)
"""Application versions that this SDK serves."""


def serve(*kinds: Kind, encodings: Sequence[int] = VERSIONS) -> NoReturn:
    """Serve until the host ends the plugin, then exit; the last thing that a plugin does.

    Started with the one argument `describe` it prints what it says of itself, as JSON, for those who have no host at hand.

    Args:
        *kinds: What it serves; one program may serve several kinds.
        encodings: Those of structured payloads that it speaks: 1 is JSON, on its way out, 2 is msgpack.

    Raises:
        SystemExit: Always.
    """
    # Before the cookie is looked at: a person has none.
    if sys.argv[1:] == ["describe"]:
        sys.stdout.write(json.dumps(_told(described(*kinds, encodings=encodings)), indent=2) + "\n")
        sys.exit(0)
    # First: from here on what is logged has its level; before, it is a line of text to the host.
    log_to_host()
    sys.exit(run(plugin_of(*kinds, encodings=encodings)))


def plugin_of(*kinds: Kind, encodings: Sequence[int] | None = None) -> Plugin:
    """What the protocol serves of these kinds."""
    spoken = tuple(VERSIONS if encodings is None else encodings)

    def services(broker: Broker, version: int) -> dict[str, Handler]:
        common = blocking_handlers(_COMMON, _common(kinds, version, spoken), broker)
        return common | {
            path: handler
            for kind in kinds
            for path, handler in blocking_handlers(kind.service, kind.functions(), broker).items()
        }

    return Plugin(cookie=COOKIE, versions=spoken, services=services)


def _common(kinds: Sequence[Kind], version: int, spoken: Sequence[int]) -> dict[str, Function]:
    """What all kinds have in common: their settings, where any of them takes some."""
    # By the class, as for other methods: a kind that takes none must not refuse what another one
    # of the program takes.
    configurable = [kind for kind in kinds if type(kind).configure is not Kind.configure]

    def configure(request: Any, _: Call) -> Any:
        # Outside the try: what cannot be decoded is the host's fault, and not about the author's
        # settings.
        settings = decode(version, request.settings)
        error = plugin_pb2.Diagnostic.ERROR
        found = []
        for kind in configurable:
            # Each is asked, so that one answer has all that is wrong.
            try:
                kind.configure(settings)
            except CallError as unfit:
                found.append(plugin_pb2.Diagnostic(severity=error, summary=unfit.text))
        return plugin_pb2.ConfigureResponse(diagnostics=found)

    def describe(_: Any, __: Call) -> Any:
        return described(*kinds, encodings=spoken)

    served: dict[str, Function] = {"Describe": describe}
    # UNIMPLEMENTED where none takes settings: the host then says so to the operator who wrote
    # some.
    return served | ({"Configure": configure} if configurable else {})


def described(*kinds: Kind, encodings: Sequence[int]) -> Any:
    """What a plugin says of itself, a DescribeResponse."""
    found = [
        plugin_pb2.DescribeResponse.Served(kind=kind.kind, methods=sorted(kind.functions()))
        for kind in kinds
    ]
    # Only the first: one Configure serves all kinds of a program, so they share their settings.
    schemas = [kind.settings_schema for kind in kinds if kind.settings_schema is not None]
    return plugin_pb2.DescribeResponse(
        version=next((kind.version for kind in kinds if kind.version), ""),
        description=next((kind.description for kind in kinds if kind.description), ""),
        sdk=f"machineadm-sdk/{VERSION}",
        protocol_versions=encodings,
        served=found,
        settings_schema=json.dumps(schemas[0]).encode() if schemas else b"",
    )


def _told(description: Any) -> dict[str, Any]:
    return {
        "version": description.version,
        "description": description.description,
        "sdk": description.sdk,
        "protocolVersions": list(description.protocol_versions),
        "served": [{"kind": one.kind, "methods": list(one.methods)} for one in description.served],
        "settingsSchema": json.loads(description.settings_schema or b"null"),
    }


_COMMON: Final = plugin_pb2.DESCRIPTOR.services_by_name["Plugin"]
