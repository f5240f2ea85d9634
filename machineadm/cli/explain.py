"""Say what an error code means and what to do, or what a field is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import named
from machineadm.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.api.schemas import Schema
    from machineadm.cli.kinds import Found
    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "what",
        metavar="CODE|KIND.field.path",
        nargs="?",
        help="such as MA1203, or MachineConfiguration.spec.machine.files",
    )
    parser.add_option(
        "--merged",
        action="store_true",
        help="show instead what all of --path and the image's own fragments come to, each value with its origin",
    )
    parser.add_path(required=False, directories=True)
    parser.add_merge()
    parser.add_opening()
    parser.add_option(
        "--root", metavar="DIR", type=named, help="read the image's own fragments below DIR"
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print what it is about.

    Raises:
        UsageError: The code, the kind or the field is not known.
    """
    if arguments.merged:
        from machineadm.cli.merged import show

        return show(arguments)
    what = arguments.what
    if what is None:
        raise UsageError("MA7001", "what is to be explained?", hint="machineadm explain --help")
    # No kind begins with MA and digits, so one argument serves both questions.
    if what[:2].upper() == "MA" and what[2:].isdecimal():
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
        # The first two digits are the area, so its neighbours are about the same.
        near = [known for known in codes if known[:4] == name[:4]]
        hint = f"codes near it: {', '.join(near)}" if near else "a code is MA and four digits"
        raise UsageError("MA7002", f"unknown code: {given!r}", hint=hint)
    if output == "json":
        import json

        sys.stdout.write(json.dumps({"code": name, **code._asdict()}) + "\n")
        return 0
    sys.stdout.write(f"{name}: {code.title}\n\n{code.meaning}\n\n{code.remedy}\n")
    return 0


def _field(path: str, output: str) -> int:
    from machineadm.cli.kinds import field, load

    # From what was generated out of the types, so that none of them need be imported.
    kinds = load()
    found = field(path, kinds["$defs"], kinds["kinds"])
    if output == "json":
        import json

        sys.stdout.write(json.dumps({"path": found.path, "schema": found.schema}) + "\n")
        return 0
    sys.stdout.write(_words(found))
    return 0


def _words(found: Found) -> str:
    from machineadm.api.schemas import UNSUPPORTED, constraints, example, kind_of

    schema = found.schema
    lines = [f"{found.path}  {kind_of(schema)}"]
    # First, before what the field would do: it is refused by this release.
    if instead := schema.get(UNSUPPORTED):
        lines += ["", f"Not in this release (MA1401). Meanwhile: {instead}."]
    told = [schema.get("description", "")]
    # With several variants each has a description of its own, which is shown above its fields.
    if len(found.parts) == 1:
        whole = found.parts[0]["description"]
        # Field and type often begin with the same sentence: the longer of the two says all.
        if told[0].startswith(whole.rstrip(".")):
            whole = ""
        elif whole.startswith(told[0]):
            told = []
        told.append(whole)
    for text in filter(None, told):
        lines += ["", *_wrapped(text)]
    # The default has a line of its own below.
    if bounds := [each for each in constraints(schema) if not each.startswith("default ")]:
        lines += ["", "Constraints: " + "; ".join(bounds)]
    # One of the two: what is required has no default.
    lines += ["", "Required." if found.required else f"Default: {_default(schema)}"]
    if shown := example(schema).strip("`"):
        lines += ["", f"Example: {shown}"]
    for part in found.parts:
        lines += [
            "",
            *(["Fields (* required):"] if len(found.parts) == 1 else _wrapped(part["description"])),
        ]
        required = part.get("required", ())
        # In the order of the type, which is the order in which one writes them.
        rows = [
            (name + ("*" if name in required else ""), kind_of(value), _sentence(value))
            for name, value in part["properties"].items()
        ]
        widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
        lines += [f"  {n:{widths[0]}}  {k:{widths[1]}}  {text}".rstrip() for n, k, text in rows]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    """A description in lines that fit a terminal."""
    from textwrap import wrap

    return [
        # A hundred columns, as all help has it; the terminal's width would make the output of two
        # people differ.
        line
        for paragraph in text.split("\n\n")
        for line in wrap(" ".join(paragraph.split()), 100)
    ]


def _default(schema: Schema) -> str:
    """The field's value if it is not set: from the type, or from its description."""
    import json
    import re

    # A default that depends on something else cannot be in the type: it is told in the description.
    if "default" in schema:
        value = schema["default"]
        return value if isinstance(value, str) else json.dumps(value)
    found = re.search(
        r"\bDefault:? (.+?)(?:\.(?:\s|$)|$)", " ".join(schema.get("description", "").split())
    )
    return found[1].replace("`", "") if found else "none"


def _sentence(schema: dict[str, str]) -> str:
    from machineadm.api.schemas import UNSUPPORTED, one_line

    if "const" in schema:
        return f"`{schema['const']}`"
    # The first sentence: tables have one line for each field.
    head, end, _ = one_line(schema.get("description", "")).partition(". ")
    mark = "[not in this release] " if UNSUPPORTED in schema else ""
    return mark + head + end.rstrip()
