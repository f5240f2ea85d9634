"""Serving a plugin."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from grpclib.const import Handler

from machineadm.plugins.cookie import COOKIE
from machineadm.plugins.sdk.kinds import Kind
from machineadm.plugins.sdk.logs import log_to_host
from machineadm.plugins.wire.blocking import blocking_handlers
from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.serving import Plugin, run

VERSIONS: Final = (1,)
"""Application versions that this SDK serves."""


def serve(*kinds: Kind) -> NoReturn:
    """Serve until the host ends the plugin, then exit; the last thing that a plugin does.

    Args:
        *kinds: What it serves; one program may serve several kinds.

    Raises:
        SystemExit: Always.
    """
    log_to_host()
    sys.exit(run(plugin_of(*kinds)))


def plugin_of(*kinds: Kind) -> Plugin:
    """What the protocol serves of these kinds."""

    def services(broker: Broker, _: int) -> dict[str, Handler]:
        return {
            path: handler
            for kind in kinds
            for path, handler in blocking_handlers(kind.service, kind.functions(), broker).items()
        }

    return Plugin(cookie=COOKIE, versions=VERSIONS, services=services)
