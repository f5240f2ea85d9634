"""What the commands about logins share: a running auth handler that has its settings."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.kinds.auth_handler import AuthHandlers


def add_handler(parser: Parser) -> None:
    """Add the argument that names the handler."""
    parser.add_argument(
        "handler", metavar="PLUGIN[/HANDLER]", help="name of the plugin, and of one of its handlers"
    )
    common.add_places(parser)


@contextmanager
def handlers(arguments: Namespace) -> Iterator[tuple[AuthHandlers, tuple[str, ...]]]:
    """The handlers of a plugin, and the names of those that are asked for, with their settings.

    Raises:
        UsageError: It serves several, and none is named.
        PluginError: It is not installed, does not start, or has no such handler.
    """
    from machineadm.errors import PluginError
    from machineadm.plugins.catalogs.model import Wanted

    name, _, wanted = arguments.handler.partition("/")
    Wanted.parse(f"auth-handler/{name}")
    found = common.require_installed("auth-handler", name, arguments)
    from machineadm.plugins.inspection.running import running
    from machineadm.plugins.kinds.auth_handler import AuthHandlers

    with running("auth-handler", found, common.warn) as plugin:
        client = AuthHandlers(plugin)
        known = tuple(str(one.name) for one in client.handlers())
        if wanted and wanted not in known:
            raise PluginError(
                "MA7252",
                f"plugin {name} has no handler {wanted!r}",
                hint=f"there are {', '.join(known) or 'none'}",
            )
        chosen = (wanted,) if wanted else known
        for one in chosen:
            client.configure(one, found.settings)
        yield client, chosen


def the_one(arguments: Namespace, names: tuple[str, ...]) -> str:
    """The one handler that the command line means.

    Raises:
        UsageError: MA7001: It does not say which.
    """
    from machineadm.errors import UsageError

    if len(names) != 1:
        raise UsageError(
            "MA7001",
            f"plugin {arguments.handler} has {len(names)} handlers",
            hint=f"say which: {', '.join(f'{arguments.handler}/{one}' for one in names) or 'there is none'}",
        )
    return names[0]


def when(seconds: int) -> str:
    """A time as RFC 3339; `-` if it is not known."""
    if seconds <= 0:
        return "-"
    found = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
