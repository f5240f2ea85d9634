"""Paths such as `.spec.name` and `.labels['a.b']` in fieldPath and selectableFields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from crdlint.schema import Schema

_ESCAPE: Final = re.compile(r"\\.")
_ESCAPES: Final = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\",
}  # fmt: skip


class FieldPathError(Exception):
    """A path leads nowhere."""


def follow(path: str, schema: Schema, *, keys: bool = True) -> tuple[list[str], Schema | None]:
    """Follow a path.

    Args:
        path: The path.
        schema: Where it starts.
        keys: Whether `['key']` is allowed.

    Returns:
        The names on the way, and the schema at its end; None if that is not known.

    Raises:
        FieldPathError: It is not a path, or leads out of the schema.
    """
    # As ValidFieldPath of apiextensions' CEL package reads it: by a scanner, and not as JSONPath.
    parts = iter(_parts(path))
    names: list[str] = []
    current: Schema | None = schema
    for part in parts:
        if part == ".":
            name = _next(parts)
        # selectableFields take only the form with dots.
        elif part == "[" and keys:
            name = _quoted(_next(parts))
        else:
            raise FieldPathError(
                f"expected [ or . but got: {part}" if keys else f"unexpected {part}"
            )
        current = _step(current, name)
        if part == "[" and _next(parts) != "]":
            raise FieldPathError("expected ]")
        names.append(name)
    return names, current


def _parts(path: str) -> list[str]:
    found, position = [], 0
    while position < len(path):
        end = _end(path, position)
        found.append(path[position:end])
        position = end
    return found


def _end(path: str, start: int) -> int:
    """Where the part ends that starts there: a quoted string, a delimiter, or what is up to the next one."""
    for i in range(start, len(path)):
        if path[start] == "'":
            # As there, an escaped backslash before the quote is read wrongly.
            if i > start and path[i] == "'" and path[i - 1] != "\\":
                return i + 1
        elif path[i] in ".[]":
            return i + 1 if i == start else i
    return len(path)


def _next(parts: Iterator[str]) -> str:
    part = next(parts, None)
    if part is None:
        raise FieldPathError("unexpected end of JSON path")
    return part


def _quoted(part: str) -> str:
    if len(part) < 2 or part[0] != "'" or part[-1] != "'":
        raise FieldPathError(f"expected single quoted string but got {part}")

    def unescape(match: re.Match[str]) -> str:
        if match[0][1] not in _ESCAPES:
            raise FieldPathError(f"invalid escape {match[0]}")
        return _ESCAPES[match[0][1]]

    return _ESCAPE.sub(unescape, part[1:-1])


def _step(schema: Schema | None, name: str) -> Schema | None:
    if schema is None:
        raise FieldPathError("does not refer to a valid field")
    # Properties first: with both the server has refused the schema.
    if schema.properties:
        if name not in schema.properties:
            raise FieldPathError("does not refer to a valid field")
        return schema.properties[name]
    if schema.additional_properties is None:
        raise FieldPathError("does not refer to a valid field")
    return schema.additional_properties.schema
