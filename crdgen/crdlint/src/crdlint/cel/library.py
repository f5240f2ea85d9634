"""Functions and names that a rule may use beside `self` and `oldSelf`."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from crdlint.cel import types
from crdlint.cel.declarations import FUNCTIONS
from crdlint.cel.types import Type


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function."""

    id: str
    member: bool
    args: tuple[Type, ...]
    result: Type
    params: frozenset[str]


@functools.cache
# Cut once and parsed by name: a rule uses a few of three hundred functions.
def _lines() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in FUNCTIONS.splitlines():
        name, _, rest = line.partition(" ")
        found.setdefault(name, []).append(rest)
    return found


@functools.cache
def overloads(function: str) -> tuple[Overload, ...]:
    """The ways to call a function, in the order of the API server; empty if there is none of that name."""
    return tuple(_overload(line) for line in _lines().get(function, ()))


def _overload(line: str) -> Overload:
    name, kind, rest = line.split(" ", 2)
    args, _, result = f" {rest}".rpartition(" -> ")
    texts = args.strip()
    given = tuple(type_from(a) for a in texts.split("; ")) if texts else ()
    # From the whole line: a parameter may be in the result alone.
    params = frozenset(re.findall(r"<(\w+)>", rest))
    return Overload(name, kind == ".", given, type_from(result), params)


@functools.cache
def type_from(text: str) -> Type:
    """A type as declarations write it."""
    text = text.strip()
    if text.startswith("<"):
        return types.param(text[1:-1])
    name, bracket, inner = text.partition("(")
    params = tuple(type_from(p) for p in _split(inner[:-1])) if bracket else ()
    if name.startswith("@"):
        return Type("struct", name[1:], params)
    if name.startswith("#"):
        return Type("opaque", name[1:], params)
    return Type(name, "", params)


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    # By depth: map(string, list(int)) has a comma inside.
    for at, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]


_ANY: Final = Type("any")
NAMES: Final[dict[str, Type]] = {
    "bool": types.BOOL,
    "bytes": types.BYTES,
    "double": types.DOUBLE,
    "duration": types.DURATION,
    "google.protobuf.Duration": types.DURATION,
    "int": types.INT,
    "null_type": types.NULL,
    "string": types.STRING,
    "timestamp": types.TIMESTAMP,
    "google.protobuf.Timestamp": types.TIMESTAMP,
    "uint": types.UINT,
    "list": types.list_of(_ANY),
    "map": types.map_of(_ANY, _ANY),
    "type": Type("type"),
    "net.IP": Type("opaque", "net.IP"),
    "net.CIDR": Type("opaque", "net.CIDR"),
    "optional_type": types.optional(types.DYN),
}
# Messages that could be made in a rule; nothing is gained by it.
MESSAGES: Final = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Any", "BoolValue", "BytesValue", "DoubleValue", "Empty", "FloatValue", "Int32Value", "Int64Value", "ListValue",
        "NullValue.NULL_VALUE", "StringValue", "Struct", "UInt32Value", "UInt64Value", "Value",
    )
)  # fmt: skip


def named_type(name: str) -> Type | None:
    """Return the type that a name denotes; None if it denotes none."""
    inner = NAMES.get(name)
    return types.type_of(inner) if inner is not None else None
