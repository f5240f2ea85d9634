"""What the commands about logins share: a running auth handler that has its settings."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING

from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY, absolute
from machineadm.cli.plugin import common

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser
    from machineadm.plugins.discovery import Found, Places
    from machineadm.plugins.kinds.auth_handler import AuthHandlers


def add_handler(parser: Parser) -> None:
    """Add the argument that names the handler."""
    parser.add_argument(
        "handler", metavar="PLUGIN[/HANDLER]", help="name of the plugin, and of one of its handlers"
    )
    common.add_places(parser)
    parser.add_option(
        "--state-dir",
        metavar="DIR",
        # The same as a run's: a login that a person makes is what the run uses later.
        default=STATE_DIRECTORY,
        type=absolute,
        help=f"where plugins keep secrets, as in a run (default {STATE_DIRECTORY})",
    )


@contextlib.contextmanager
def handlers(arguments: Namespace) -> Iterator[tuple[AuthHandlers, tuple[str, ...]]]:
    """The handlers of a plugin, and the names of those that are asked for, with their settings.

    Raises:
        UsageError: It serves several, and none is named.
        PluginError: It is not installed, does not start, or has no such handler.
    """
    from machineadm.plugins.catalogs.model import Wanted

    name, _, wanted = arguments.handler.partition("/")
    # For its refusal alone: a name that is none would be looked for as a path.
    Wanted.parse(f"auth-handler/{name}")
    found = common.require_installed("auth-handler", name, arguments)
    with handlers_of(
        found, wanted, common.places_of(arguments), state_directory=arguments.state_dir
    ) as chosen:
        yield chosen


@contextlib.contextmanager
def handlers_of(
    found: Found, wanted: str, places: Places, *, state_directory: str
) -> Iterator[tuple[AuthHandlers, tuple[str, ...]]]:
    """The handlers of a plugin that may be started, with their settings and the host service that its entry allows.

    Args:
        found: The plugin.
        wanted: The one that is asked for; empty: all.
        places: Where those are whose tokens it may ask for.
        state_directory: Where it keeps secrets.

    Raises:
        PluginError: It does not start, or has no such handler.
    """
    from machineadm.agent.wiring import kept_secrets
    from machineadm.errors import PluginError
    from machineadm.plugins.asking import Asking
    from machineadm.plugins.inspection.running import running
    from machineadm.plugins.kinds.auth_handler import AuthHandlers
    from machineadm.redaction import Redactor

    # Of its own: there is no configuration here, and the secrets are those that plugins hand out.
    redactor = Redactor()

    def log(line: str) -> None:
        common.warn(redactor.text(line))

    kept = kept_secrets(
        run_directory=RUN_DIRECTORY, state_directory=state_directory, redactor=redactor
    )
    # Another host: a token that the plugin asks for comes from another plugin, while this one waits.
    others = Asking(places, log=log, redactor=redactor, kept=kept)
    with (
        contextlib.ExitStack() as at_end,
        others.held(),
        running("auth-handler", found, log) as plugin,
    ):
        # Entered first and so ended last: the plugin may still ask for a token while it ends.
        at_end.callback(others.end)
        client = AuthHandlers(plugin, others.allowed(found))
        known = tuple(str(one.name) for one in client.handlers())
        # Asked of the plugin and not of its file: only it knows its handlers.
        if wanted and wanted not in known:
            raise PluginError(
                "MA7252",
                f"plugin {found.name} has no handler {wanted!r}",
                hint=f"there are {', '.join(known) or 'none'}",
            )
        chosen = (wanted,) if wanted else known
        for one in chosen:
            # Only those that are asked for: settings may name servers, which the others need not
            # reach.
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
    # Zero is what protobuf has where nothing was set.
    if seconds <= 0:
        return "-"
    found = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")
