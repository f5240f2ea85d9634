"""Describe values and expectations to an operator, without showing possible secrets."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import inspect, json

from machineadm.documents.nodes import Ambiguous, Mapping, Node, Scalar, Sequence

# A message is one line, and the file has the rest.
_LONGEST: Final = 40
_KEY: Final = re.compile(r"[A-Za-z0-9_./-]{1,63}")
# Unquoted values that may be shown even where they could be a secret: none of these is a password.
_HARMLESS: Final = re.compile(r"(?i)yes|no|on|off|true|false|[+-]?[0-9]{1,3}")


def quoted(text: str) -> str:
    """Quote a text, and cut it if it is long."""
    # In JSON's quotes: they escape what could move a terminal's cursor.
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return json.encode(shown).decode()


def shown_key(name: str) -> str:
    """Show an unknown key up to the first character that no field name has: `token:abc` lacks a space, and abc is secret."""
    # From the beginning: what a person wrote before the first strange character is most likely the
    # field.
    known = _KEY.match(name)
    if known and known[0] == name:
        return name
    return (known[0] if known else "") + "…"


def may_show(text: str, type_: inspect.Type, extra: dict[str, Any]) -> bool:
    """Whether a message may show a text: free text may be a secret, text with a fixed form is not."""
    if isinstance(
        type_, inspect.StrType | inspect.LiteralType | inspect.IntType | inspect.BoolType
    ):
        # With a pattern a text has a form, and no type of ours asks for a password by a pattern
        # outside Secret.
        formed = not isinstance(type_, inspect.StrType) or "pattern" in extra
        return formed or _HARMLESS.fullmatch(text) is not None
    return False


def found(node: Node) -> str:
    """Describe a node."""
    if isinstance(node, Mapping):
        return "a map"
    if isinstance(node, Sequence):
        return "a list"
    if not isinstance(node, Scalar):
        return "something unreadable"
    return _found_value(node.value)


def _found_value(value: object) -> str:
    if isinstance(value, Ambiguous):
        return value.kind
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, int | float) else "a string"


def expected(type_: inspect.Type) -> str:
    """Describe what a type expects."""
    if isinstance(type_, inspect.StructType):
        names = [field.encode_name for field in type_.fields]
        if type_.tag_field:
            names.insert(0, type_.tag_field)
        # Three names are enough to recognize the map.
        return f"a map ({', '.join(names[:3])}{' ...' if len(names) > 3 else ''})"
    return _EXPECTED.get(type_.__class__, "something else")


_EXPECTED: Final[dict[type, str]] = {
    inspect.StrType: "a string",
    inspect.CustomType: "a string",
    inspect.LiteralType: "a string",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.DictType: "a map",
    inspect.VarTupleType: "a list",
}
