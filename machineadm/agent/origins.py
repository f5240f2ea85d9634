"""Each value of a configuration and where it was written, for `explain --merged`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from machineadm.agent.intake import Accepted
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.secrets import is_sensitive
from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence, child
from machineadm.redaction import MASK, Secret


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """One value, and its place."""

    path: str
    """As `spec.machine.files[3].path`."""

    value: Any
    """A scalar, or an empty list or map; `***` where it is a secret."""

    file: str
    document: int
    """In its file, from 1."""

    line: int
    """From 1, as `column`."""

    column: int


def origins(accepted: Accepted) -> Iterator[Origin]:
    """Every value that is written, in the order of the merged document. Defaults are not: nobody wrote them.

    Args:
        accepted: A configuration without a problem.

    Yields:
        The value, with what is secret masked.
    """
    document = accepted.document
    if document.root is None:
        return
    for path, at, value in _values(document.root, accepted.configuration, "", document.root.at):
        line, column = document.source.position(at)
        # A merged document has its parts from several files.
        file, index = document.source.origin(at) or (document.file, document.index)
        yield Origin(path=path, value=value, file=file, document=index, line=line, column=column)


def _values(node: Node, typed: Any, path: str, at: int) -> Iterator[tuple[str, int, Any]]:
    # Before the node is looked at: of a secret not even its form is shown.
    if isinstance(typed, Secret):
        yield path, at, MASK
    elif isinstance(node, Mapping) and node.items:
        for key, value in node.entries():
            name = key.text if isinstance(key, Scalar) else ""
            below = child(path, name)
            # A content has no type of a secret; whether it is one is said beside it.
            if isinstance(typed, FileConfig) and name == "content" and is_sensitive(typed):
                yield below, key.at, MASK
            else:
                yield from _values(value, _below(typed, name), below, key.at)
    elif isinstance(node, Sequence) and node.items:
        for number, item in enumerate(node.items):
            known = isinstance(typed, tuple | list) and number < len(typed)
            yield from _values(item, typed[number] if known else None, f"{path}[{number}]", item.at)
    elif isinstance(node, Scalar):
        # As it was understood: `on` is true where a boolean is meant.
        yield path, at, typed if isinstance(typed, bool | int | float | str) else node.text
    else:
        yield path, at, {} if isinstance(node, Mapping) else []


def _below(typed: Any, name: str) -> Any:
    if isinstance(typed, dict):
        return typed.get(name)
    if isinstance(typed, msgspec.Struct):
        for field, encoded in zip(
            typed.__struct_fields__, typed.__struct_encode_fields__, strict=True
        ):
            if encoded == name:
                return getattr(typed, field)
    return None
