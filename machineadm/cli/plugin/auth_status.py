"""Show whether and as whom the handlers of a plugin are logged in. Exit 10 if one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.plugin import common
from machineadm.cli.plugin.handlers import add_handler, handlers, when

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser

# As `plan`: a script can log in where somebody is not logged in.
SOMETHING = 10


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    add_handler(parser)
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print it for all handlers, or the one that is named."""
    with handlers(arguments) as (client, names):
        # Within the block: the plugin ends with it. Printing needs it no longer.
        found = [(name, client.status(name)) for name in names]
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "handler": name,
                    "authenticated": one.authenticated,
                    "subject": one.claims.subject,
                    "identityType": one.identity_type,
                    "tenant": one.tenant_id,
                    "scopes": list(one.scopes),
                    "expires": when(one.expires_at_unix),
                    "reason": one.reason,
                }
                for name, one in found
            ]
        )
    else:
        rows = [
            (
                name,
                "yes" if one.authenticated else "no",
                # Some handlers know a name, all know a subject; "-" keeps the columns apart.
                one.claims.name or one.claims.subject or "-",
                when(one.expires_at_unix),
                one.reason or "-",
            )
            for name, one in found
        ]
        common.print_table(("handler", "logged in", "as", "expires", "reason"), rows)
    # All, because a plugin with one handler that works is of no use to what needs the other.
    return 0 if all(one.authenticated for _, one in found) else SOMETHING
