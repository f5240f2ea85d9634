"""Show what bootstrap would do, step by step; exit 0 if that is nothing, 10 if it is something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.options import add_configuration

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    add_configuration(parser)


def run(arguments: Namespace) -> int:
    """Print the plan."""
    raise NotImplementedError
