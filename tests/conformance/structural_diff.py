"""What differs between two structural schemas in what the API server does with them, not in how they are written."""

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

_PROSE = ("description", "title", "example", "externalDocs")
# Absent means the same.
_EMPTY: dict[str, Any] = {
    "minLength": 0,
    "minItems": 0,
    "minProperties": 0,
    "x-kubernetes-list-type": "atomic",
    "x-kubernetes-map-type": "granular",
    "nullable": False,
    "default": None,
}
_SORTED = ("required", "enum", "x-kubernetes-list-map-keys")
_CHILDREN = ("properties", "items", "additionalProperties")


class Difference(NamedTuple):
    """One key of one node; None where a side has none."""

    path: str
    key: str
    ours: Any
    theirs: Any


def differences(ours: Schema, theirs: Schema, path: str = "") -> Iterator[Difference]:
    """What differs, node by node.

    Args:
        ours: A structural schema.
        theirs: Another.
        path: Where they stand.
    """
    left, right = _plain(ours), _plain(theirs)
    for key in sorted(left.keys() | right.keys()):
        if left.get(key) != right.get(key):
            yield Difference(path, key, left.get(key), right.get(key))
    yield from _below(ours.get("properties", {}), theirs.get("properties", {}), path)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        one = {mark: ours[key]} if key in ours else {}
        other = {mark: theirs[key]} if key in theirs else {}
        yield from _below(one, other, path)


def _below(ours: dict[str, Any], theirs: dict[str, Any], path: str) -> Iterator[Difference]:
    for name in sorted(ours.keys() | theirs.keys()):
        place = path + name if name in ("[]", "{}") else f"{path}.{name}".lstrip(".")
        if name in ours and name in theirs:
            yield from differences(ours[name], theirs[name], place)
        else:
            yield Difference(place, "", ours.get(name), theirs.get(name))


def _plain(schema: Schema) -> Schema:
    """One node without its children, every key in one form."""
    node = {k: v for k, v in schema.items() if k not in (*_PROSE, *_CHILDREN)}
    node = {k: v for k, v in node.items() if _EMPTY.get(k, ...) != v}
    for key in _SORTED:
        if key in node:
            node[key] = sorted(node[key], key=str)
    if rules := node.pop("x-kubernetes-validations", None):
        node["x-kubernetes-validations"] = sorted(rules, key=lambda rule: str(rule["rule"]))
    return node
