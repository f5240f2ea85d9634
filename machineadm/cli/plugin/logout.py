"""Forget a login of an auth handler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.plugin.handlers import add_handler, handlers, the_one

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    add_handler(parser)


def run(arguments: Namespace) -> int:
    """Forget the login, if there is one."""
    with handlers(arguments) as (client, names):
        name = the_one(arguments, names)
        # One at a time: forgetting all logins of a plugin by accident would take a person for each
        # to undo.
        client.logout(name)
    sys.stdout.write(f"logged out of {name}\n")
    return 0
