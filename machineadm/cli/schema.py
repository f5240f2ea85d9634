"""Print the JSON Schema of a kind, for editors and other tools."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from machineadm.api.schemas import assembled
from machineadm.cli.kinds import find, load

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "kind",
        nargs="?",
        metavar="KIND",
        help="such as MachineConfiguration; default: list all kinds",
    )


def run(arguments: Namespace) -> int:
    """Print the schema, or the names of all kinds.

    Raises:
        UsageError: The kind is not known.
    """
    kinds = load()
    # A list and no error: it is what one needs in order to name one.
    if arguments.kind is None:
        sys.stdout.write("".join(f"{name}\n" for name in kinds["kinds"]))
        return 0
    kind = find(arguments.kind, kinds["kinds"])
    # One document without references to other files: editors are given one path.
    sys.stdout.write(json.dumps(assembled(kind, kinds["$defs"]), indent=2) + "\n")
    return 0
