"""List the tokens of an auth handler, never the tokens themselves; --purge forgets those that have expired."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.plugin import common
from machineadm.cli.plugin.handlers import add_handler, handlers, when

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    add_handler(parser)
    parser.add_option("--purge", action="store_true", help="forget those that have expired")
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print them, or purge and print how many that were."""
    with handlers(arguments) as (client, names):
        # Only expired ones: a handler keeps what it can still use.
        if arguments.purge:
            purged = {name: client.purge(name) for name in names}
            if arguments.output == "json":
                common.print_json(purged)
            else:
                sys.stdout.write("".join(f"{name}: {n} forgotten\n" for name, n in purged.items()))
            return 0
        # What is listed has no token in it: the protocol's message has no field for one.
        found = [(name, one) for name in names for one in client.cached_tokens(name)]
    if arguments.output == "json":
        common.print_json(
            [
                {
                    "handler": name,
                    "kind": one.token_kind,
                    "type": one.token_type,
                    "scope": one.scope,
                    "flow": one.flow,
                    "expires": when(one.expires_at_unix),
                    "expired": one.is_expired,
                }
                for name, one in found
            ]
        )
        return 0
    rows = [
        (
            name,
            one.token_kind or "-",
            one.scope or "-",
            when(one.expires_at_unix) + (" (expired)" if one.is_expired else ""),
        )
        for name, one in found
    ]
    common.print_table(("handler", "kind", "scope", "expires"), rows)
    return 0
