"""References that a machine resolves: every `xFrom` of a configuration, and the configuration with the values filled in.

Pure. `machineadm.agent.references` gets the values; this module only knows where values are wanted, and fills them in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec.structs import replace

from machineadm.api.meta import ValueSource
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.paths import child, structs_in
from machineadm.redaction import Secret

_Value = TypeVar("_Value", bound=msgspec.Struct)

Target = Literal["text", "secret", "object", "content"]
"""What a field takes: a text, a Secret, an object of Kubernetes' own, or the bytes of a file."""


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a configuration wants from elsewhere."""

    path: str
    """Of the reference: `spec.kubernetes.node.nameFrom`."""

    fills: str
    """Of the field that it fills: `spec.kubernetes.node.name`; of a list the list itself."""

    source: ValueSource
    """Where the value comes from."""

    target: Target
    """What the field takes."""


def references(value: msgspec.Struct, path: str = "spec") -> tuple[Reference, ...]:
    """Return all references in a value, in the order of its fields; skip what is PRUNED.

    Args:
        value: A configuration's spec, or any part of it.
        path: Its path.
    """
    # In the order of the fields, in which they are asked for and told.
    return tuple(
        reference for struct, place in structs_in(value, path) for reference in _of(struct, place)
    )


def filled(
    value: _Value,
    values: Mapping[str, Any],
    path: str = "spec",
    *,
    hidden: Collection[str] = (),
) -> _Value:
    """Return a value with its references replaced by their values; references without a value stay.

    Args:
        value: As of `references`.
        values: By the path of the reference: text; bytes for the content of a file; a dict for an object.
        path: As of `references`.
        hidden: Paths of references with secret values: a file with one becomes sensitive.
    """
    changes: dict[str, Any] = {}
    names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
    for field, name in names:
        given = getattr(value, field)
        below = _below(given, values, f"{path}.{name}", hidden)
        # By identity: an unchanged part is the same object, and a configuration without references
        # is returned as it is.
        if below is not given:
            changes[field] = below
    # After what is below, since that is taken from the value as it was.
    for reference in _of(value, path):
        if reference.path in values:
            _fill(value, reference, values[reference.path], path, changes)
            # A Secret's type masks itself; a file's content is plain bytes and must be marked.
            if reference.target == "content" and reference.path in hidden:
                changes["sensitive"] = True
    return replace(value, **changes) if changes else value


def holds(annotation: Any, kind: type) -> bool:
    """Whether a field's annotation allows a value of a class."""
    return (
        # Through unions and Annotated, whose arguments are looked into.
        annotation is kind
        or get_origin(annotation) is kind
        or any(holds(one, kind) for one in get_args(annotation))
    )


def _of(value: msgspec.Struct, path: str) -> Iterator[Reference]:
    """Yield the references in a Struct's own fields."""
    fields = value.__struct_fields__
    for field, name in zip(fields, value.__struct_encode_fields__, strict=True):
        # By the name alone: a concern that adds xFrom beside x has to say so nowhere else.
        if not field.endswith("_from") or field.removesuffix("_from") not in fields:
            continue
        given = getattr(value, field)
        # Reported by the decoder; what it would refer to cannot be known.
        if given is PRUNED:
            continue
        fills = f"{path}.{name.removesuffix('From')}"
        for source, below, filled_path in _sources(given, f"{path}.{name}", fills):
            target = _target(value, field.removesuffix("_from"))
            yield Reference(path=below, fills=filled_path, source=source, target=target)


def _sources(given: Any, path: str, fills: str) -> Iterator[tuple[ValueSource, str, str]]:
    if isinstance(given, ValueSource):
        yield given, path, fills
    elif isinstance(given, dict):
        for key, one in given.items():
            if key is not PRUNED and one is not PRUNED and isinstance(one, ValueSource):
                yield one, child(path, key), child(fills, key)
    # Of a list the whole list is filled: where an item lands depends on those before it.
    elif isinstance(given, tuple):
        for index, one in enumerate(given):
            if one is not PRUNED and isinstance(one, ValueSource):
                yield one, f"{path}[{index}]", fills


def _target(value: msgspec.Struct, field: str) -> Target:
    if isinstance(value, FileConfig) and field == "content":
        return "content"
    # By the type and not by a table: a new field with a twin needs no line here.
    (info,) = (one for one in msgspec.structs.fields(type(value)) if one.name == field)
    if holds(info.type, Secret):
        return "secret"
    # Labels and headers are maps too, but each value is filled in separately; an object is filled in as a whole.
    if holds(info.type, dict) and isinstance(getattr(value, f"{field}_from"), ValueSource):
        return "object"
    return "text"


def _fill(
    value: msgspec.Struct, reference: Reference, found: Any, path: str, changes: dict[str, Any]
) -> None:
    """Put one value into its field, and remove its reference."""
    fields = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
    name = next(
        # The reference knows its path only; the field is the one that this begins with.
        wire
        for wire in fields
        if reference.path == f"{path}.{wire}"
        or reference.path.startswith((f"{path}.{wire}.", f"{path}.{wire}["))
    )
    twin, field = fields[name], fields[name].removesuffix("_from")
    # From the changes first: an earlier reference of the same map or list has filled in its item already.
    there = changes.get(field, getattr(value, field))
    left = changes.get(twin, getattr(value, twin))
    # Before it is put in: nothing with a plain secret must exist in between.
    item = Secret(found) if reference.target == "secret" else found
    if isinstance(left, dict):
        key = next(key for key in left if child(f"{path}.{name}", key) == reference.path)
        changes[twin] = {other: one for other, one in left.items() if other != key}
        changes[field] = {**there, key: item}
    elif isinstance(left, tuple):
        changes[twin] = tuple(one for one in left if one is not reference.source)
        changes[field] = (*there, item)
    else:
        changes[twin] = None
        changes |= _content(value, found) if isinstance(value, FileConfig) else {field: item}


def _content(file: FileConfig, found: str | bytes) -> dict[str, Any]:
    """Return a file's content; what is not text becomes base64."""
    # Only the content of a file may be bytes; everything else was text when it was found.
    if isinstance(found, str):
        return {"content": found}
    # Text where it can be: a plan then shows it, and a digest of the same file stays the same.
    try:
        return {"content": found.decode()}
    except UnicodeDecodeError:
        from binascii import b2a_base64

        return {
            "content": b2a_base64(found, newline=False).decode(),
            # The value's bytes are compressed if the configuration says so; only base64 is ours.
            "encoding": "gzip+base64" if file.encoding in ("gzip", "gzip+base64") else "base64",
        }


def _below(value: Any, values: Mapping[str, Any], path: str, hidden: Collection[str]) -> Any:
    if value is PRUNED or isinstance(value, ValueSource):
        return value
    if isinstance(value, msgspec.Struct):
        return filled(value, values, path, hidden=hidden)
    if isinstance(value, tuple):
        # Unchanged lists stay the same object, as above.
        items = tuple(_below(item, values, f"{path}[{n}]", hidden) for n, item in enumerate(value))
        return (
            value if all(one is other for one, other in zip(items, value, strict=True)) else items
        )
    if isinstance(value, dict) and any(isinstance(one, msgspec.Struct) for one in value.values()):
        return {key: _below(item, values, child(path, key), hidden) for key, item in value.items()}
    return value
