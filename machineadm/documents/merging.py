"""One document of several: maps by key, lists with a key by that key, all else by the last one. Each value keeps its place.

Nodes are merged, not values: before a default is set, and with the places that problems and `explain --merged` show.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence as Series
from typing import Any

from msgspec import inspect

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.decoding import decode_node
from machineadm.documents.model import Document
from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence, Unread
from machineadm.documents.source import Fault, Source
from machineadm.documents.walk import described

INCOMPLETE = frozenset({"MA1204", "MA1209"})
"""Problems that one fragment may have: what it leaves out may be in another one."""

_ANY = inspect.AnyType()


class Layers(Source):
    """The texts of several documents, one behind the other, so that an offset says which of them it is in.

    Args:
        documents: The lowest first; at least one.
    """

    def __init__(self, documents: Series[Document]) -> None:
        # Nobody reads this text: whoever wants a place asks for it.
        super().__init__(documents[-1].file, "")
        self._documents = documents
        self.begins: list[int] = []
        """Offset of each document's text."""
        begin = 0
        for document in documents:
            self.begins.append(begin)
            begin += len(document.source.text) + 1

    def position(self, at: int) -> tuple[int, int]:
        """See `Source.position`: within the text that the offset is in."""
        number = bisect_right(self.begins, at) - 1
        return self._documents[number].source.position(at - self.begins[number])

    def origin(self, at: int) -> tuple[str, int]:
        """See `Source.origin`."""
        document = self._documents[bisect_right(self.begins, at) - 1]
        return document.file, document.index


def merge(documents: Series[Document]) -> Document:
    """One MachineConfiguration of several.

    Args:
        documents: MachineConfigurations as they were written, complete or not, the lowest first; at least one.

    Returns:
        The document, typed as if it had been written so. Its problems are at the places that its values come from.

    Raises:
        ValueError: None of them could be read.
    """
    source = Layers(documents)
    type_, _ = described(MachineConfiguration)
    root: Node | None = None
    for begin, document in zip(source.begins, documents, strict=True):
        if document.root is not None:
            node = _moved(document.root, begin)
            root = node if root is None else _merged(root, node, type_)
    if root is None:
        raise ValueError("none of the documents could be read")
    return decode_node(root, source=source, index=documents[-1].index)


def _moved(node: Node, by: int) -> Node:
    """The same node at its place among the texts of all."""
    if isinstance(node, Scalar):
        return Scalar(node.at + by, node.value, node.text, node.plain)
    if isinstance(node, Unread):
        fault = node.fault
        if fault is not None:
            fault = Fault(fault.code, fault.at + by, fault.message, fault.hint, fault.path)
        return Unread(node.at + by, fault)
    return type(node)(node.at + by, [_moved(one, by) for one in node.items])


def _merged(below: Node, above: Node, type_: inspect.Type) -> Node:
    extra: dict[str, Any] = {}
    while isinstance(type_, inspect.Metadata):
        extra |= type_.extra or {}
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        member = _member(type_, below, above)
        return above if member is None else _merged(below, above, member)
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        if isinstance(type_, inspect.StructType):
            # Unknown names are told of their own document; beside the fields of another one they would be taken for these.
            known = [_without(node, _unknown(node, type_)) for node in (below, above)]
            lower = _without(known[0], _excluded(known[1], type_))
            return _by_key(lower, known[1], _fields(type_))
        if isinstance(type_, inspect.DictType):
            return _by_key(below, above, {}, type_.value_type)
        if isinstance(type_, inspect.AnyType):
            return _by_key(below, above, {}, _ANY)
    # Without a key nobody can say which items of two lists are the same, so the later list counts.
    key = extra.get("unique")
    if (
        key
        and isinstance(type_, inspect.VarTupleType)
        and isinstance(below, Sequence)
        and isinstance(above, Sequence)
    ):
        return _items(below, above, key, type_.item_type)
    return above


def _member(type_: inspect.UnionType, below: Node, above: Node) -> inspect.Type | None:
    """The type that both values are of; None where they are of different ones."""
    members = [each for each in type_.types if not isinstance(each, inspect.NoneType)]
    if len(members) == 1:
        return members[0]
    variants = [each for each in members if isinstance(each, inspect.StructType)]
    if not variants or not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return None
    field = variants[0].tag_field or ""
    tags = {_text(node, field) for node in (below, above)} - {None}
    # Of another variant: its fields would be refused beside those of the later one.
    if len(tags) > 1:
        return None
    return next((each for each in variants if str(each.tag) in tags), _ANY)


def _fields(type_: inspect.StructType) -> dict[str, inspect.Type]:
    return {field.encode_name: field.type for field in type_.fields}


def _unknown(node: Mapping, type_: inspect.StructType) -> set[str]:
    return _names(node) - {*_fields(type_), type_.tag_field or ""}


def _excluded(above: Mapping, type_: inspect.StructType) -> set[str]:
    """The fields that exclude one of the upper map's: `content` where it says `contentFrom`."""
    given = _names(above)
    return {
        name
        for rule in getattr(type_.cls, "one_of", ())
        if rule.most == 1 and given.intersection(rule.fields)
        for name in rule.fields
        if name not in given
    }


def _names(node: Mapping) -> set[str]:
    return {key.text for key, _ in node.entries() if isinstance(key, Scalar)}


def _without(node: Mapping, names: set[str]) -> Mapping:
    if not names.intersection(_names(node)):
        return node
    kept = [
        each
        for key, value in node.entries()
        if not (isinstance(key, Scalar) and key.text in names)
        for each in (key, value)
    ]
    return Mapping(node.at, kept)


def _by_key(
    below: Mapping,
    above: Mapping,
    types: dict[str, inspect.Type],
    other: inspect.Type | None = None,
) -> Mapping:
    """Two maps as one, in the order of the lower one.

    Args:
        below: The lower one.
        above: The upper one.
        types: Of the values, by their keys.
        other: Of all other values; None: of those the upper one counts.
    """
    items: list[Node] = []
    places: dict[str, int] = {}
    for key, value in below.entries():
        # One that comes twice is a problem of its own document, and told there.
        if isinstance(key, Scalar) and places.setdefault(key.text, len(items)) != len(items):
            continue
        items += (key, value)
    for key, value in above.entries():
        place = places.get(key.text) if isinstance(key, Scalar) else None
        if place is None or not isinstance(key, Scalar):
            items += (key, value)
            continue
        type_ = types.get(key.text, other)
        items[place] = key
        items[place + 1] = value if type_ is None else _merged(items[place + 1], value, type_)
    return Mapping(above.at, items)


def _items(below: Sequence, above: Sequence, key: str, type_: inspect.Type) -> Sequence:
    """Two lists as one: what has the key of a lower item is merged into it, all else comes behind."""
    items = list(below.items)
    places = {name: index for index, item in enumerate(items) if (name := _text(item, key))}
    for item in above.items:
        place = places.get(_text(item, key) or "")
        if place is None:
            items.append(item)
        else:
            items[place] = _merged(items[place], item, type_)
    return Sequence(above.at, items)


def _text(node: Node, name: str) -> str | None:
    """The text of a map's scalar."""
    if isinstance(node, Mapping):
        for key, value in node.entries():
            if isinstance(key, Scalar) and key.text == name and isinstance(value, Scalar):
                return value.text
    return None
