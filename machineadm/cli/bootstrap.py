"""Make this machine what the configuration says: decode, validate, plan, act, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.options import add_configuration, duration

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser

DEADLINE = "30m"


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    add_configuration(parser)
    parser.add_option("--dry-run", action="store_true", help="as `plan`, with its exit codes")
    parser.add_option(
        "--deadline",
        type=duration,
        default=DEADLINE,
        metavar="DURATION",
        help=f"time for the whole run (default {DEADLINE})",
    )


def run(arguments: Namespace) -> int:
    """Bootstrap; see the exit codes in docs/."""
    raise NotImplementedError
