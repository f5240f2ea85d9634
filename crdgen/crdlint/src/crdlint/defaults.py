"""Check that defaults are what the API server would store: no unknown fields, valid metadata, valid by their own schema."""

from __future__ import annotations

import copy
from typing import Any, Final

from crdlint import definition, envelope, names, values
from crdlint.cel import evaluation
from crdlint.model import Findings, shown
from crdlint.schema import Schema
from crdlint.shapes import Decoding, record

# The server knows these itself, so pruning and validation treat them apart.
_META: Final = ("apiVersion", "kind", "metadata")
_METADATA: Final = record(definition.METADATA)


def check_defaults(root: Schema, path: str, found: Findings) -> None:
    """Check all defaults of a version's schema.

    Args:
        root: The schema, a structural one.
        path: Where it is.
        found: Where violations go.
    """
    # The root is a resource like an embedded one.
    _walk(root, root, (), False, path, found, is_root=True)


def _walk(
    s: Schema,
    resource: Schema,
    trail: tuple[str | None, ...],
    in_meta: bool,
    path: str,
    found: Findings,
    is_root: bool = False,
) -> None:
    """Check a node and all below it. The trail leads from the resource to the node; None is an item of a list."""
    # An embedded resource begins anew: the trail and what is metadata are counted from it.
    embedded = is_root or s.embedded_resource
    if embedded:
        resource, trail, in_meta = s, (), False
    if s.default is not None:
        _default(s, resource, trail, in_meta, is_root, f"{path}.default", found)
    # Not into additionalProperties here: the server's walk goes into items and properties alone.
    if s.items is not None and s.items.schema is not None:
        _walk(s.items.schema, resource, (*trail, None), in_meta, f"{path}.items", found)
    for name, child in s.properties.items():
        # Once in metadata, all below is.
        inside = in_meta or (embedded and name in _META)
        _walk(child, resource, (*trail, name), inside, f"{path}.properties[{name}]", found)


def _default(
    s: Schema,
    resource: Schema,
    trail: tuple[str | None, ...],
    in_meta: bool,
    is_root: bool,
    path: str,
    found: Findings,
) -> None:
    before = len(found.found)
    # Of a whole resource apiVersion, kind and metadata are not pruned.
    whole = is_root or s.embedded_resource
    # A copy: _coerce changes metadata in place.
    value = copy.deepcopy(s.default)
    if in_meta:
        # A default inside of metadata is judged in the whole object, because coercion of metadata
        # works on the whole.
        surrounding = _surrounded(copy.deepcopy(value), trail)
        _coerce(surrounding, resource, True, path, found)
        if len(found.found) == before:
            _metadata(surrounding, resource, True, path, found)
    else:
        # Pruning a stored default at each read would change it silently.
        if not is_pruned(value, s, whole):
            found.error("CRD221", path, "must not have unknown fields")
        _coerce(value, s, whole, path, found)
        if len(found.found) == before:
            _metadata(value, s, whole, path, found)
    # Further checks of a value that is wrong would repeat it in other words.
    if len(found.found) > before:
        return
    for where, words in values.faults(value, s, path):
        found.error("CRD221", where, words)
    if len(found.found) == before:
        for where, words, judged in evaluation.failures(s, value, path, whole):
            # What could not be judged is a warning: a guess must never stop a release.
            tell, code = (found.error, "CRD221") if judged else (found.warning, "CRD501")
            tell(code, where, words)


def _surrounded(value: Any, trail: tuple[str | None, ...]) -> dict[str, Any]:
    for name in reversed(trail):
        value = [value] if name is None else {name: value}
    # The names that the server itself puts there (defaulting/validation.go).
    return {"kind": "Validation", "apiVersion": "validation/v1", **value}


def is_pruned(value: Any, s: Schema | None, embedded: bool = False) -> bool:
    """Whether pruning would leave a value as it is.

    Args:
        value: The value.
        s: Its schema; None if there is none.
        embedded: Whether it is a whole resource.
    """
    # Unknown fields stay at this node; below fields that are specified, pruning goes on.
    if s is not None and s.preserve_unknown_fields:
        return _is_preserved(value, s, embedded)
    if isinstance(value, list):
        inner = s.items.schema if s is not None and s.items is not None else None
        return all(_below(item, inner) for item in value)
    # Scalars have nothing that could be pruned.
    if not isinstance(value, dict):
        return True
    if s is None:
        # Where no schema is, everything is unknown, and only the empty object is as it was.
        return not value
    for key, item in value.items():
        if embedded and key in _META:
            continue
        if key in s.properties:
            if not _below(item, s.properties[key]):
                return False
        elif s.additional_properties is None or not _below(item, s.additional_properties.schema):
            return False
    return True


def _below(value: Any, s: Schema | None) -> bool:
    return is_pruned(value, s, s is not None and s.embedded_resource)


def _is_preserved(value: Any, s: Schema, embedded: bool) -> bool:
    """Below x-kubernetes-preserve-unknown-fields, only fields inside specified ones are pruned."""
    if isinstance(value, list):
        inner = s.items.schema if s.items is not None else None
        return inner is None or all(
            _is_preserved(item, inner, inner.embedded_resource) for item in value
        )
    if not isinstance(value, dict):
        return True
    for key, item in value.items():
        if embedded and key in _META:
            continue
        if key in s.properties:
            if not _below(item, s.properties[key]):
                return False
        elif s.additional_properties is not None and not _below(
            item, s.additional_properties.schema
        ):
            return False
    return True


def _coerce(value: Any, s: Schema | None, embedded: bool, path: str, found: Findings) -> None:
    """Types of apiVersion, kind and metadata of every resource in a value; metadata becomes what it decodes to."""
    if s is None:
        return
    if isinstance(value, list):
        inner = s.items.schema if s.items is not None else None
        for index, item in enumerate(value):
            _coerce(
                item,
                inner,
                inner is not None and inner.embedded_resource,
                f"{path}[{index}]",
                found,
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            if embedded and key in ("apiVersion", "kind") and not isinstance(item, str):
                found.error("CRD221", f"{path}.{key}", "must be a string")
            elif embedded and key == "metadata":
                decoded = _decoded(item)
                if decoded is None:
                    found.error("CRD221", f"{path}.metadata", "must be valid metadata")
                else:
                    # Metadata goes through Go's ObjectMeta and loses what is empty or unknown
                    # there; what is validated is what comes back.
                    value[key] = item = {k: v for k, v in decoded.items() if v}
            child = _child(s, key)
            _coerce(
                item, child, child is not None and child.embedded_resource, f"{path}.{key}", found
            )


def _child(s: Schema, key: str) -> Schema | None:
    if key in s.properties:
        return s.properties[key]
    return s.additional_properties.schema if s.additional_properties is not None else None


def _decoded(value: Any) -> dict[str, Any] | None:
    """Metadata as the API server decodes it, dropping what it does not know; None if it cannot."""
    # Thrown away: only whether it decodes is asked.
    scratch = Findings()
    decoding = Decoding(scratch)
    # As the server coerces metadata: what it does not know is dropped.
    decoding.strict = False
    decoded: dict[str, Any] = _METADATA(value, "", decoding) if value is not None else {}
    return None if scratch.errors() else decoded


def _metadata(value: Any, s: Schema | None, embedded: bool, path: str, found: Findings) -> None:
    """Values of apiVersion, kind and metadata of every resource in a value."""
    if s is None:
        return
    if isinstance(value, list):
        inner = s.items.schema if s.items is not None else None
        for index, item in enumerate(value):
            _metadata(
                item,
                inner,
                inner is not None and inner.embedded_resource,
                f"{path}[{index}]",
                found,
            )
    elif isinstance(value, dict):
        if embedded:
            _embedded(value, path, found)
        for key, item in value.items():
            child = _child(s, key)
            _metadata(
                item, child, child is not None and child.embedded_resource, f"{path}.{key}", found
            )


def _embedded(value: dict[str, Any], path: str, found: Findings) -> None:
    for key in ("apiVersion", "kind"):
        text = value.get(key)
        if key not in value:
            found.error("CRD221", f"{path}.{key}", "is required")
        elif not isinstance(text, str):
            found.error("CRD221", f"{path}.{key}", "must be a string")
        elif not text:
            found.error("CRD221", f"{path}.{key}", "must not be empty")
        # As schema.ParseGroupVersion: a group and a version, or a version alone.
        elif key == "apiVersion" and text.count("/") > 1:
            found.error("CRD221", f"{path}.apiVersion", f"unexpected GroupVersion {shown(text)}")
        elif key == "kind" and (wrong := names.label_1035(text.lower())):
            found.error("CRD221", f"{path}.kind", wrong)
    if "metadata" in value:
        _object_meta(_decoded(value["metadata"]) or {}, f"{path}.metadata", found)


def _object_meta(metadata: dict[str, Any], path: str, found: Findings) -> None:
    envelope.check_object_meta(metadata, path, found, "CRD221")
    for key in ("name", "generateName"):
        name = metadata.get(key, "")
        # path.IsValidPathSegmentName: names are segments of URLs. A generateName is only a prefix
        # of one.
        if (key == "name" and name in (".", "..")) or "/" in name or "%" in name:
            found.error("CRD221", f"{path}.{key}", "must be usable as a segment of a path")
    namespace = metadata.get("namespace", "")
    if namespace and (wrong := names.label_1123(namespace)):
        found.error("CRD221", f"{path}.namespace", wrong)
