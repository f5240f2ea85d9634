"""Whether a CustomResourceDefinition still takes what the released one took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from crdlint import definition
from crdlint.model import Findings, shown
from crdlint.schema import Schema
from crdlint.shapes import Decoding
from crdlint.values import is_same

# What objects in etcd are kept under and clients ask for: a change would orphan all of them.
_FIXED: Final = (("group",), ("scope",), ("names", "plural"), ("names", "kind"))
_AT_MOST: Final = ("maximum", "max_length", "max_items", "max_properties")
_AT_LEAST: Final = ("minimum", "min_length", "min_items", "min_properties")
_KEYS: Final = {
    "max_length": "maxLength",
    "max_items": "maxItems",
    "max_properties": "maxProperties",
    "min_length": "minLength",
    "min_items": "minItems",
    "min_properties": "minProperties",
}


class Released:
    """What has been released: decoded CustomResourceDefinitions by name."""

    def __init__(self, raws: Iterable[Mapping[str, Any]]) -> None:
        self.crds: dict[str, dict[str, Any]] = {}
        for raw in raws:
            # What is wrong with a released one is past changing, and is not told.
            crd = definition.DEFINITION(raw, "", Decoding(Findings()))
            self.crds[(crd.get("metadata") or {}).get("name", "")] = crd

    def compare(self, crd: Mapping[str, Any], found: Findings) -> None:
        """Compare with the released one of the same name, if there is one.

        Args:
            crd: A decoded CustomResourceDefinition.
            found: Where violations go.
        """
        # By name: a definition that was not released may be anything.
        old = self.crds.get((crd.get("metadata") or {}).get("name", ""))
        if old is None:
            return
        was, now = old.get("spec") or {}, crd.get("spec") or {}
        for keys in _FIXED:
            before, after = _at(was, keys), _at(now, keys)
            if before != after:
                found.error(
                    "CRD401",
                    f"spec.{'.'.join(keys)}",
                    f"cannot change from {shown(before)} once released",
                )
        # By name: the order of versions may change.
        versions = {v.get("name"): (i, v) for i, v in enumerate(now.get("versions") or [])}
        for version in was.get("versions") or []:
            name = version.get("name")
            if name not in versions:
                found.error(
                    "CRD402", "spec.versions", f"the released version {shown(name)} is missing"
                )
                continue
            index, current = versions[name]
            path = f"spec.versions[{index}]"
            # Clients that ask for the version get a 404 from then on.
            if version.get("served") and not current.get("served"):
                found.error(
                    "CRD402",
                    f"{path}.served",
                    f"the released version {shown(name)} is no longer served",
                )
            before = (version.get("schema") or {}).get("openAPIV3Schema")
            after = (current.get("schema") or {}).get("openAPIV3Schema")
            if before is not None and after is not None:
                _schema(before, after, f"{path}.schema.openAPIV3Schema", found)


def _at(spec: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = spec
    for key in keys:
        value = (value or {}).get(key)
    return value


def _schema(old: Schema, new: Schema, path: str, found: Findings) -> None:
    _shape(old, new, path, found)
    _bounds(old, new, path, found)
    _wording(old, new, path, found)
    _properties(old, new, path, found)
    # Where one of the two is missing, _shape() has told of the type.
    for key, before, after in (
        ("items", _items(old), _items(new)),
        ("additionalProperties", _other(old), _other(new)),
    ):
        if before is not None and after is not None:
            _schema(before, after, f"{path}.{key}", found)


def _items(s: Schema) -> Schema | None:
    return s.items.schema if s.items is not None else None


def _other(s: Schema) -> Schema | None:
    return s.additional_properties.schema if s.additional_properties is not None else None


def _shape(old: Schema, new: Schema, path: str, found: Findings) -> None:
    # Every integer is a number, so stored objects stay valid.
    widened = old.type == "integer" and new.type == "number"
    if (old.type, old.int_or_string) != (new.type, new.int_or_string) and not widened:
        kind = "int-or-string" if old.int_or_string else old.type or "anything"
        if not (new.int_or_string and old.type in ("integer", "string")) and (
            new.type or not new.preserve_unknown_fields
        ):
            found.error("CRD404", f"{path}.type", f"was {kind}")
    # A null that is stored would fail the next write of its object.
    if old.nullable and not new.nullable:
        found.error("CRD404", f"{path}.nullable", "was true")
    if old.preserve_unknown_fields and not new.preserve_unknown_fields:
        found.error("CRD404", f"{path}.x-kubernetes-preserve-unknown-fields", "was true")
    for key, before, after, otherwise in (
        # Server-side apply merges by it: managers of fields that own items of one kind cannot own
        # them by another.
        ("x-kubernetes-list-type", old.list_type, new.list_type, "atomic"),
        ("x-kubernetes-map-type", old.map_type, new.map_type, "granular"),
    ):
        if (before or otherwise) != (after or otherwise):
            found.error("CRD404", f"{path}.{key}", f"was {before or otherwise}")
    # In any order: a set of keys identifies an item.
    if sorted(old.list_map_keys) != sorted(new.list_map_keys):
        found.error(
            "CRD404", f"{path}.x-kubernetes-list-map-keys", f"was {shown(list(old.list_map_keys))}"
        )


def _bounds(old: Schema, new: Schema, path: str, found: Findings) -> None:
    for names, sign in ((_AT_MOST, 1), (_AT_LEAST, -1)):
        for name in names:
            before, after = getattr(old, name), getattr(new, name)
            # A least length of 0 lets everything pass, like none.
            loosest = 0 if name.startswith("min_") else None
            if after is None or after == loosest:
                continue
            if before is None or sign * after < sign * before:
                was = "not set" if before is None else shown(before)
                found.error(
                    "CRD405",
                    f"{path}.{_KEYS.get(name, name)}",
                    f"{shown(after)} is tighter: it was {was}",
                )
    for key, before, after, bound in (
        (
            "exclusiveMaximum",
            old.exclusive_maximum,
            new.exclusive_maximum,
            old.maximum == new.maximum,
        ),
        (
            "exclusiveMinimum",
            old.exclusive_minimum,
            new.exclusive_minimum,
            old.minimum == new.minimum,
        ),
    ):
        if after and not before and bound:
            found.error("CRD405", f"{path}.{key}", "is tighter: it was false")
    if new.multiple_of is not None and new.multiple_of != old.multiple_of:
        found.error("CRD405", f"{path}.multipleOf", "is new or has changed")


def _wording(old: Schema, new: Schema, path: str, found: Findings) -> None:
    # Whether one pattern takes all that another took cannot be decided here, so any change counts.
    if new.pattern and new.pattern != old.pattern:
        found.error(
            "CRD405", f"{path}.pattern", f"is new or has changed: it was {shown(old.pattern)}"
        )
    # A format that is dropped lets more pass.
    if new.format and new.format != old.format:
        found.error(
            "CRD405", f"{path}.format", f"is new or has changed: it was {shown(old.format)}"
        )
    if new.enum:
        # More values are no break for those who write; readers must expect them.
        lost = [v for v in old.enum if not any(is_same(v, w) for w in new.enum)]
        if not old.enum:
            found.error("CRD405", f"{path}.enum", "is new")
        elif lost:
            found.error("CRD405", f"{path}.enum", f"no longer has {', '.join(map(shown, lost))}")
    known = {r.get("rule") for r in old.validations}
    for index, rule in enumerate(new.validations):
        if rule.get("rule") not in known:
            # A warning: a rule may only say in CEL what was held elsewhere before.
            found.warning(
                "CRD406",
                f"{path}.x-kubernetes-validations[{index}].rule",
                "is new: objects that were valid may not be",
            )


def _properties(old: Schema, new: Schema, path: str, found: Findings) -> None:
    for name, before in old.properties.items():
        after = new.properties.get(name)
        if after is not None:
            _schema(before, after, f"{path}.properties[{name}]", found)
        # Else the field would not be pruned, and stays.
        elif not new.preserve_unknown_fields and _other(new) is None:
            found.error("CRD403", f"{path}.properties[{name}]", "is missing: it has been released")
    for name in new.required:
        child = new.properties.get(name)
        # With a default the server fills it in, also in what is stored.
        if name not in old.required and (child is None or child.default is None):
            found.error("CRD407", f"{path}.required", f"{shown(name)} was not required")
    if (
        old.default is not None
        and new.default is not None
        and not is_same(old.default, new.default)
    ):
        found.warning("CRD408", f"{path}.default", f"was {shown(old.default)}")
    # A warning: stored objects keep what was filled in, and new ones lack it.
    elif old.default is not None and new.default is None:
        found.warning("CRD408", f"{path}.default", f"is gone: it was {shown(old.default)}")
