"""Decide whether a schema is structural, as the API server's ValidateStructural does."""

from __future__ import annotations

from typing import Final, Literal

from crdlint import patterns
from crdlint.model import Findings, shown
from crdlint.schema import Schema

Level = Literal["root", "item", "field"]

# The words of the server: people search for them.
_MISSING: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def is_convertible(schema: Schema) -> bool:
    """Whether a schema and all below it can be converted to a structural one: it has nothing unsupported."""
    if (
        # Each of these makes NewStructural (apiextensions-apiserver,
        # pkg/apiserver/schema/convert.go) fail, so that no structural check runs.
        schema.id
        or schema.schema_url
        or schema.ref
        or schema.pattern_properties
        or schema.dependencies
        or schema.additional_items is not None
        or schema.definitions
        # false is not the default written out: the server takes true or nothing.
        or schema.preserve_unknown_fields is False
        or (schema.items is not None and schema.items.schemas)
    ):
        return False
    # Below junctors as well: one part that cannot be converted fails the whole.
    return all(is_convertible(s) for _, s in [*schema.children(), *schema.junctors()])


def check_structural(root: Schema, path: str, found: Findings) -> None:
    """Check a version's schema.

    Args:
        root: The schema, one that is convertible.
        path: Where it is.
        found: Where violations go.
    """
    # Two passes, as in ValidateStructural: what each node may say, then whether junctors name only
    # what is defined.
    _invariants(root, "root", path, found)
    _complete(root, root, path, path, found)


def _invariants(s: Schema, level: Level, path: str, found: Findings) -> None:
    # Pruning a list needs the schema of its items.
    if s.type == "array" and (s.items is None or s.items.schema is None):
        found.error("CRD206", f"{path}.items", "must be specified")
    if s.items is not None and s.items.schema is not None:
        _invariants(s.items.schema, "item", f"{path}.items", found)
    for name, child in s.properties.items():
        _invariants(child, "field", f"{path}.properties[{name}]", found)
    if s.additional_properties is not None:
        # A resource has apiVersion, kind and metadata, so its root can never be a map.
        if level == "root":
            found.error("CRD207", f"{path}.additionalProperties", "must not be used at the root")
        # `true` allows anything and has nothing to check below.
        if s.additional_properties.schema is not None:
            _invariants(
                s.additional_properties.schema, "field", f"{path}.additionalProperties", found
            )
    # Children first, then the node: the server's order, in which its messages come.
    _extensions(s, path, found)
    _junctors(
        s,
        # The one exception in which types below a junctor are allowed: the form that controller-gen
        # writes for IntOrString.
        _is_int_or_string(s.any_of),
        bool(s.all_of) and _is_int_or_string(s.all_of[0].any_of),
        path,
        found,
    )
    _type(s, level, path, found)
    _resource(s, level, path, found)


def _extensions(s: Schema, path: str, found: Findings) -> None:
    if s.int_or_string and s.preserve_unknown_fields:
        found.error(
            "CRD213",
            f"{path}.x-kubernetes-preserve-unknown-fields",
            "must be false if x-kubernetes-int-or-string is true",
        )
    if s.int_or_string and s.embedded_resource:
        found.error(
            "CRD213",
            f"{path}.x-kubernetes-embedded-resource",
            "must be false if x-kubernetes-int-or-string is true",
        )


def _type(s: Schema, level: Level, path: str, found: Findings) -> None:
    if s.embedded_resource and s.type != "object":
        found.error(
            "CRD215", f"{path}.type", "must be object if x-kubernetes-embedded-resource is true"
        )
    # Pruning has to know what a value is; these two extensions say it in the place of a type.
    elif not s.type and not s.int_or_string and not s.preserve_unknown_fields:
        found.error("CRD204", f"{path}.type", _MISSING[level])
    if level == "root" and s.type not in ("", "object"):
        found.error("CRD207", f"{path}.type", f"must be object at the root, not {shown(s.type)}")


def _resource(s: Schema, level: Level, path: str, found: Findings) -> None:
    """Check resources, for which the API server itself defines apiVersion, kind and metadata."""
    if s.embedded_resource and s.additional_properties is not None:
        found.error(
            "CRD215",
            f"{path}.additionalProperties",
            "must not be used if x-kubernetes-embedded-resource is set",
        )
    if s.embedded_resource and not s.preserve_unknown_fields and not s.properties:
        found.error(
            "CRD215",
            f"{path}.properties",
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        )
    # Only whole resources have an apiVersion, a kind and metadata of their own.
    if level != "root" and not s.embedded_resource:
        return
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        child = s.properties.get(name)
        if child is not None and child.type != wanted:
            # The server writes these three itself, with these types.
            found.error("CRD216", f"{path}.properties[{name}].type", f"must be {wanted}")
    metadata = s.properties.get("metadata")
    # At the root only: embedded resources may say more of their metadata.
    if level == "root" and metadata is not None and _says_too_much(metadata):
        found.error(
            "CRD216",
            f"{path}.properties[metadata]",
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        )


def _says_too_much(metadata: Schema) -> bool:
    # Of metadata the server ignores everything but names; it refuses the rest, so that nobody
    # relies on it.
    said = _structural_keys(metadata) - {"type", "default"}
    # These two may be narrowed, for instance by a pattern.
    if set(metadata.properties) <= {"name", "generateName"}:
        said.discard("properties")
    return bool(said)


def _structural_keys(s: Schema) -> set[str]:
    """Return the keys that survive conversion to a structural schema."""
    # Dropped by NewStructural, so a schema that says only these says nothing.
    lost = {"example", "externalDocs", "dependencies", "patternProperties", "definitions", "$ref"}
    # An empty list is not kept by the conversion, and an empty map is.
    empty = {
        k
        for k, v in (
            ("allOf", s.all_of),
            ("anyOf", s.any_of),
            ("oneOf", s.one_of),
            ("enum", s.enum),
        )
        if not v
    }
    if s.items is not None and s.items.schema is None:
        empty.add("items")
    return s.present() - lost - empty


def _is_int_or_string(schemas: list[Schema] | tuple[Schema, ...]) -> bool:
    """Whether these are `type: integer` and `type: string`, and nothing else."""
    # In this order: the server compares with a fixed value and not with a set.
    return [s.type for s in schemas] == ["integer", "string"] and all(
        not (
            _structural_keys(s)
            - {"type"}
            - (set() if _nested_additional(s) else {"additionalProperties"})
        )
        for s in schemas
    )


def _junctors(
    s: Schema,
    skip_any: bool,
    skip_first_all: bool,
    path: str,
    found: Findings,
    typed: str = "CRD210",
) -> None:
    # The types are in the extension already.
    if s.int_or_string:
        # Under its own code, since the remedy is another: leave the types out, the extension has
        # them.
        typed = "CRD212"
    if not skip_any:
        for i, child in enumerate(s.any_of):
            _nested(child, False, f"{path}.anyOf[{i}]", found, typed)
    for i, child in enumerate(s.all_of):
        # The second form of IntOrString: the anyOf stands within the first allOf, so that an
        # author's own anyOf has room.
        _nested(child, skip_first_all and i == 0, f"{path}.allOf[{i}]", found, typed)
    for i, child in enumerate(s.one_of):
        _nested(child, False, f"{path}.oneOf[{i}]", found, typed)
    if s.not_ is not None:
        _nested(s.not_, False, f"{path}.not", found, typed)
    if s.pattern:
        if wrong := patterns.fault(s.pattern):
            found.error("CRD220", f"{path}.pattern", wrong)
        # A warning: RE2 takes it, and only Go could say whether it does.
        elif doubt := patterns.doubt(s.pattern):
            found.warning("CRD501", f"{path}.pattern", doubt)


# Also its items and properties, at any depth: a junctor stays one all the way down.
def _nested(s: Schema, skip_any: bool, path: str, found: Findings, typed: str = "CRD210") -> None:
    """Check a schema below a junctor, which may judge values but not define them; `typed` is the code for a type."""
    # A junctor may hold junctors.
    _junctors(s, skip_any, False, path, found, typed)
    if s.items is not None and s.items.schema is not None:
        _nested(s.items.schema, False, f"{path}.items", found)
    for name, child in s.properties.items():
        _nested(child, False, f"{path}.properties[{name}]", found)
    for key, is_set in (
        ("type", s.type),
        ("additionalProperties", _nested_additional(s)),
        ("default", s.default is not None),
        ("title", s.title),
        ("description", s.description),
        ("nullable", s.nullable),
        ("x-kubernetes-preserve-unknown-fields", s.preserve_unknown_fields),
        ("x-kubernetes-embedded-resource", s.embedded_resource),
        ("x-kubernetes-int-or-string", s.int_or_string),
        ("x-kubernetes-list-map-keys", s.list_map_keys),
        ("x-kubernetes-list-type", s.list_type is not None),
        ("x-kubernetes-map-type", s.map_type is not None),
        ("x-kubernetes-validations", s.validations),
    ):
        if is_set:
            code = typed if key == "type" else "CRD210"
            found.error(code, f"{path}.{key}", "must not be set here to be structural")
    if "metadata" in s.properties:
        found.error(
            "CRD210", f"{path}.properties[metadata]", "must not be specified in a nested context"
        )


def _nested_additional(s: Schema) -> bool:
    # `additionalProperties: false` without a schema counts as absent there: it is Go's zero value.
    given = s.additional_properties
    return given is not None and (given.schema is not None or given.allows)


def _complete(v: Schema, s: Schema | None, s_path: str, v_path: str, found: Findings) -> None:
    """Every field that a junctor names must also be defined outside of it."""
    # Both paths are kept: the message names the place that is missing and the one that asks for it.
    for added, child in v.junctors():
        _complete_nested(child, s, s_path, f"{v_path}{added}", found)


def _complete_nested(
    v: Schema, s: Schema | None, s_path: str, v_path: str, found: Findings
) -> None:
    # Pruning goes by the structural part alone: a field that only a junctor names would be dropped
    # before it is judged.
    if s is None:
        found.error("CRD211", s_path, f"is required because it is defined in {v_path}")
        return
    _complete(v, s, s_path, v_path, found)
    if v.items is not None and v.items.schema is not None:
        inner = s.items.schema if s.items is not None else None
        _complete_nested(v.items.schema, inner, f"{s_path}.items", f"{v_path}.items", found)
    for name, child in v.properties.items():
        below = f".properties[{name}]"
        _complete_nested(child, s.properties.get(name), s_path + below, v_path + below, found)
