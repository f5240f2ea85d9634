"""Which type a document is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.documents.nodes import Mapping, Node, Scalar, Unread
from machineadm.documents.source import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence as Series

Kinds = dict[tuple[str, str], type]


def identity(root: Node | None) -> tuple[str, str]:
    """A document's apiVersion and kind as written; empty where missing or no text."""
    found = {"apiVersion": "", "kind": ""}
    if isinstance(root, Mapping):
        for key, value in root.entries():
            if isinstance(key, Scalar) and key.text in found and isinstance(value, Scalar):
                found[key.text] = value.text if isinstance(value.value, str) else ""
    return found["apiVersion"], found["kind"]


def identify(root: Node, kinds: Kinds) -> type | Fault:
    """The type of a document.

    Args:
        root: The document.
        kinds: The types that there are, by apiVersion and kind.

    Returns:
        The type, or what is wrong with the document's name for it.
    """
    if isinstance(root, Unread) and root.fault:
        return root.fault
    if not isinstance(root, Mapping):
        what = "a list" if not isinstance(root, Scalar) else "a single value"
        message = f"the document is {what}, not a map with apiVersion, kind and spec"
        return Fault("MA1013", root.at, message)
    api_version, kind = identity(root)
    known = kinds.get((api_version, kind))
    return known or _unknown(root, api_version, kind, kinds)


def _unknown(root: Mapping, api_version: str, kind: str, kinds: Kinds) -> Fault:
    from machineadm.documents.suggestions import suggest

    for name, given, choices in (
        ("apiVersion", api_version, [version for version, _ in kinds]),
        ("kind", kind, [each for version, each in kinds if version == api_version]),
    ):
        place = _place(root, name)
        if place is None:
            return _missing(root, name, choices)
        if given not in choices:
            best = suggest(given, choices)
            guess = f'; did you mean "{best}"?' if best else ""
            hint = "" if best else "what is read here: " + ", ".join(sorted(set(choices)))
            return Fault("MA1202", place, f"unknown {name}{guess}", hint, name)
    raise AssertionError("both are known, and so is their pair")


def _missing(root: Mapping, name: str, choices: Series[str]) -> Fault:
    from machineadm.documents.suggestions import suggest

    for key, _ in root.entries():
        if isinstance(key, Scalar) and suggest(key.text, [name]):
            message = f'unknown field; did you mean "{name}"?'
            return Fault("MA1203", key.at, message, "", key.text)
    hint = "write " + " or ".join(f"{name}: {choice}" for choice in sorted(set(choices)))
    return Fault("MA1201", root.at, f"{name} is missing", hint, name)


def _place(root: Mapping, name: str) -> int | None:
    for key, value in root.entries():
        if isinstance(key, Scalar) and key.text == name:
            return value.at
    return None
