"""Say what an error code means and what to do about it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument("code", metavar="CODE", help="such as MA1203")
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print title, meaning and remedy.

    Raises:
        UsageError: The code is not known.
    """
    from machineadm.codes import load

    codes = load()
    name = arguments.code.upper()
    code = codes.get(name)
    if code is None:
        near = [known for known in codes if known[:4] == name[:4]]
        hint = f"known in this range: {', '.join(near)}" if near else "codes are MA and four digits"
        raise UsageError("MA7002", f"no such code: {arguments.code!r}", hint=hint)
    if arguments.output == "json":
        import json

        sys.stdout.write(json.dumps({"code": name, **code._asdict()}) + "\n")
        return 0
    sys.stdout.write(f"{name}: {code.title}\n\n{code.meaning}\n\n{code.remedy}\n")
    return 0
