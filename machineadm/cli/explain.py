"""Say what an error code means and what to do, or what a field is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.kinds import Found
    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "what",
        metavar="CODE|KIND.field.path",
        help="such as MA1203, or MachineConfiguration.spec.machine.files",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print what it is about.

    Raises:
        UsageError: The code, the kind or the field is not known.
    """
    what = arguments.what
    if what[:2].upper() == "MA" and what[2:].isdigit():
        return _code(what, arguments.output)
    return _field(what, arguments.output)


def _code(given: str, output: str) -> int:
    """Title, meaning and remedy.

    Raises:
        UsageError: The code is not known.
    """
    from machineadm.codes import load

    codes = load()
    name = given.upper()
    code = codes.get(name)
    if code is None:
        near = [known for known in codes if known[:4] == name[:4]]
        hint = f"known in this range: {', '.join(near)}" if near else "codes are MA and four digits"
        raise UsageError("MA7002", f"no such code: {given!r}", hint=hint)
    if output == "json":
        import json

        sys.stdout.write(json.dumps({"code": name, **code._asdict()}) + "\n")
        return 0
    sys.stdout.write(f"{name}: {code.title}\n\n{code.meaning}\n\n{code.remedy}\n")
    return 0


def _field(path: str, output: str) -> int:
    from machineadm.cli.kinds import field, load

    kinds = load()
    found = field(path, kinds["$defs"], kinds["kinds"])
    if output == "json":
        import json

        sys.stdout.write(json.dumps({"path": found.path, "schema": found.schema}) + "\n")
        return 0
    sys.stdout.write(_words(found))
    return 0


def _words(found: Found) -> str:
    from machineadm.api.schemas import constraints, example, kind_of, one_line

    schema = found.schema
    described = schema.get("description") or " ".join(p["description"] for p in found.parts[:1])
    lines = [f"{found.path}  {kind_of(schema)}", "", one_line(described)]
    if bounds := constraints(schema):
        lines += ["", "Constraints: " + "; ".join(bounds)]
    if shown := example(schema).strip("`"):
        lines += ["", f"Example: {shown}"]
    for part in found.parts:
        lines += [
            "",
            "Fields (* required):" if len(found.parts) == 1 else one_line(part["description"]),
        ]
        required = part.get("required", ())
        rows = [
            (name + ("*" if name in required else ""), kind_of(value), _sentence(value))
            for name, value in part["properties"].items()
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        lines += [f"  {n:{widths[0]}}  {k:{widths[1]}}  {text}".rstrip() for n, k, text in rows]
    return "\n".join(lines) + "\n"


def _sentence(schema: dict[str, str]) -> str:
    from machineadm.api.schemas import one_line

    if "const" in schema:
        return f"`{schema['const']}`"
    head, end, _ = one_line(schema.get("description", "")).partition(". ")
    return head + end.rstrip()
