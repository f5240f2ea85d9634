"""A document as it was written: scalars, lists and maps with their places, read from YAML or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from machineadm.documents.source import Fault


class Ambiguous:
    """A plain scalar that YAML 1.1 and 1.2 read as different things.

    Args:
        kind: What it is to YAML 1.1, in an operator's words.
        value: What libyaml reads, for a field whose type asks for just that; None if no field may have it.
    """

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: str | bool | None = None) -> None:
        self.kind = kind
        self.value = value


# gc=False: a tree of nodes has no cycles, and the garbage collector would walk all of them again
# and again.
class Scalar(Struct, gc=False):
    """A string, number, boolean or null.

    Args:
        at: Offset in the source, in code points.
        value: What was read.
        text: As written, without quotes.
        plain: Written without quotes.
    """

    at: int
    value: str | int | float | bool | Ambiguous | None
    text: str
    plain: bool


class Sequence(Struct, gc=False):
    """A list. `at` is its offset in the source."""

    at: int
    items: list[Node]


class Mapping(Struct, gc=False):
    """A map. `at` is its offset; `items` are its keys and values in turn."""

    at: int
    items: list[Node]

    def entries(self) -> Iterator[tuple[Node, Node]]:
        """Yield the pairs of key and value as written, duplicates included."""
        turns = iter(self.items)
        return zip(turns, turns, strict=True)


class Unread(Struct, gc=False):
    """Something that was refused while reading; `fault` says why, None if that is already reported."""

    at: int
    fault: Fault | None = None


# A union and no base class, so that mypy sees which of the four a function forgets.
Node = Scalar | Sequence | Mapping | Unread


class NotPlainError(Exception):
    """A node has no value, or none without its type."""


def builtins(node: Node) -> object:
    """Return the value of a node that means the same to every reader.

    Args:
        node: A document or a part of one.

    Returns:
        Dictionaries, lists, strings, numbers and booleans.

    Raises:
        NotPlainError: there is a null, a duplicate key, a key that is not a string, or a scalar that YAML 1.1 and 1.2
            read differently: only with the types can it be judged.
    """
    # `__class__ is`, not isinstance: this runs once for each value of a configuration, on the path
    # of every good one.
    if node.__class__ is Scalar:
        value = node.value
        if value is None or value.__class__ is Ambiguous:
            raise NotPlainError
        return value
    if node.__class__ is Sequence:
        return [builtins(item) for item in node.items]
    if node.__class__ is Unread:
        raise NotPlainError
    items = node.items  # type: ignore[union-attr]
    result = {}
    for index in range(0, len(items), 2):
        key = items[index]
        if key.__class__ is not Scalar or key.value.__class__ is not str:
            raise NotPlainError
        result[key.value] = builtins(items[index + 1])
    # Fewer entries than pairs: a key came twice.
    if 2 * len(result) != len(items):
        raise NotPlainError
    return result


def as_kubernetes(node: Node) -> Any:
    """Return the value of a node as Kubernetes' own readers see it: with null, and ambiguous scalars as in YAML 1.1.

    Args:
        node: A document or a part of one.

    Raises:
        ValueError: A key comes twice or is not text, or something was not read. The message says which.
    """
    if isinstance(node, Scalar):
        value = node.value
        # A number or date that only some readers see as such has no value; its text is enough where
        # a patch is tried or a document converted.
        if isinstance(value, Ambiguous):
            return node.text if value.value is None else value.value
        return value
    if isinstance(node, Sequence):
        return [as_kubernetes(item) for item in node.items]
    if isinstance(node, Unread):
        raise ValueError("is not plain YAML")  # noqa: TRY004 # the text is at fault
    result: dict[str, Any] = {}
    for key, item in node.entries():
        if not isinstance(key, Scalar) or not isinstance(key.value, str):
            raise ValueError("a key is not text")  # noqa: TRY004 # as above
        # A map's keys differ (YAML 1.2.2, 3.2.1.1); which one counts depends on the reader.
        if key.value in result:
            raise ValueError(f"the key {key.value} occurs twice")
        result[key.value] = as_kubernetes(item)
    return result


_WORD: Final = r"[A-Za-z_][A-Za-z0-9_-]*"
# The three forms that child() and the rules write; find() reads them back.
_SEGMENT: Final = r'\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]'


def child(path: str, key: str) -> str:
    """The path of a map's value: `path.key`, or `path["a.b/c"]` where the key is not a plain word."""
    # In JSON's quotes, since label keys have dots and slashes, which would read as levels.
    if not re.fullmatch(_WORD, key):
        from msgspec import json

        return f"{path}[{json.encode(key).decode()}]"
    return f"{path}.{key}" if path else key


def find(root: Node, path: str) -> int:
    """Find the offset of a field's name, of a list's item, or of the nearest thing around it.

    Args:
        root: The document.
        path: As `spec.machine.files[3].path`.

    Returns:
        Offset in the source, in code points.
    """
    node, at = root, root.at
    for name, index, quoted in re.findall(_SEGMENT, path):
        found = _item(node, int(index)) if index else _value(node, name or _unquoted(quoted))
        # A required field that is missing and a default that is wrong have no place: the map around
        # them has.
        if found is None:
            break
        node, at = found
    return at


def _item(node: Node, index: int) -> tuple[Node, int] | None:
    if isinstance(node, Sequence) and index < len(node.items):
        return node.items[index], node.items[index].at
    return None


def _value(node: Node, name: str) -> tuple[Node, int] | None:
    if isinstance(node, Mapping):
        for key, value in node.entries():
            if isinstance(key, Scalar) and key.text == name:
                return value, key.at
    return None


def _unquoted(text: str) -> str:
    from msgspec import json

    return json.decode(text, type=str)
