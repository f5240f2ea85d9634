"""What the API server refuses in a schema beside its structure: keywords, list and map types, rules as they are written.

The order of the API server holds: CEL is compiled only where neither the node nor anything below has another fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from crdlint import fieldpaths
from crdlint.model import Findings, shown
from crdlint.schema import Schema
from crdlint.structural import is_convertible

# openapiV3Types; null is a type of JSON Schema and none of OpenAPI 3.0.
_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
# The four of field.ErrorType that a rule may give; others are for the server's own validation.
_REASONS: Final = (
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
)
_META: Final = ("metadata", "kind", "apiVersion")
_ROOT_WITH_STATUS: Final = frozenset(
    {
        "description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
        "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required",
        "items", "properties", "externalDocs", "example", "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a schema a node is, as far as rules depend on it.

    Attributes:
        no_default: Why there may be no default; empty if there may.
        in_meta: Inside of apiVersion, kind or metadata of a resource.
        uncorrelatable: The highest place above below which old and new values cannot be matched.
    """

    no_default: str = ""
    in_meta: bool = False
    # Kept as a path, since the server's message names the place.
    uncorrelatable: str = ""


CelCheck = Callable[[Schema, str, Place], None]


def check_root(schema: Schema, path: str, with_status: bool, found: Findings) -> None:
    """Check what the root of a version's schema may hold.

    Args:
        schema: The root.
        path: Where it is.
        with_status: Whether the status subresource is on.
        found: Where violations go.
    """
    if with_status:
        # Sorted, so that two runs tell the same.
        for key in sorted(schema.present() - _ROOT_WITH_STATUS):
            found.error(
                "CRD223",
                f"{path}.{key}",
                "is not allowed at the root of the schema if the status subresource is enabled",
            )
        if schema.type not in ("", "object"):
            found.error(
                "CRD223",
                f"{path}.type",
                "only object is allowed at the root with a status subresource",
            )
    # An object is never null.
    if schema.nullable:
        found.error("CRD207", f"{path}.nullable", "nullable cannot be true at the root")


def check_openapi(schema: Schema, path: str, found: Findings, cel: CelCheck | None) -> None:
    """Check a version's schema, all of it.

    Args:
        schema: The root.
        path: Where it is.
        found: Where violations go.
        cel: Judges the rules of a node; None to compile no rules.
    """
    # A walk of its own beside the structural one: the server runs both over the same schema.
    _Walk(found, cel).node(schema, path, Place(), is_root=True)


class _Walk:
    def __init__(self, found: Findings, cel: CelCheck | None) -> None:
        self.found = found
        self.cel = cel
        self.faults = 0  # those that keep rules from being compiled

    def error(self, code: str, path: str, message: str) -> None:
        self.faults += 1
        self.found.error(code, path, message)

    def node(
        self, s: Schema, path: str, place: Place, is_root: bool = False, compiles: bool = True
    ) -> None:
        # Counted and not asked of `found`: warnings, and errors of other checks, do not keep rules
        # from being compiled.
        before = self.faults
        self.keywords(s, path, place)
        # Children before the rules of the node, as there; so the node knows whether anything below
        # is at fault.
        self.below(s, path, place, is_root, compiles)
        self.topology(s, path)
        # Most nodes have no rules.
        if not s.validations:
            return
        self.rules(s, path)
        # CEL's types are made of the schema, and a schema at fault would give errors that only
        # follow from it.
        if self.cel is not None and compiles and self.faults == before:
            self.cel(s, path, place)

    def keywords(self, s: Schema, path: str, place: Place) -> None:
        if s.type and s.type not in _TYPES:
            # What converters from JSON Schema write.
            hint = ": use nullable" if s.type == "null" else ""
            self.error("CRD205", f"{path}.type", f"must be one of {', '.join(_TYPES)}{hint}")
        if s.default is not None and place.no_default:
            self.error("CRD221", f"{path}.default", f"must not be set {place.no_default}")
        for key, is_set in (
            ("id", s.id),
            ("$schema", s.schema_url),
            ("$ref", s.ref is not None),
            ("additionalItems", s.additional_items is not None),
            ("patternProperties", s.pattern_properties),
            ("definitions", s.definitions),
            ("dependencies", s.dependencies is not None),
        ):
            if is_set:
                self.error("CRD201", f"{path}.{key}", "is not supported")
        if s.items is not None and s.items.schemas:
            self.error("CRD201", f"{path}.items", "must be a schema object and not an array")
        if place.in_meta and s.embedded_resource:
            self.error(
                "CRD215",
                f"{path}.x-kubernetes-embedded-resource",
                "must not be used inside of resource meta",
            )
        if s.unique_items:
            self.error(
                "CRD209",
                f"{path}.uniqueItems",
                "cannot be true: checking it takes quadratic time; use x-kubernetes-list-type: set",
            )
        given = s.additional_properties
        # Structural schemas tell objects from maps, for pruning: an unknown key would be both a
        # field to drop and an entry to keep.
        if given is not None and s.properties and (not given.allows or given.schema is not None):
            self.error(
                "CRD208",
                f"{path}.additionalProperties",
                "additionalProperties and properties are mutual exclusive",
            )
        if s.preserve_unknown_fields is False:
            self.error(
                "CRD214",
                f"{path}.x-kubernetes-preserve-unknown-fields",
                "must be true or undefined",
            )

    def below(self, s: Schema, path: str, place: Place, is_root: bool, compiles: bool) -> None:
        if s.additional_properties is not None and s.additional_properties.schema is not None:
            inner = place
            if place.in_meta:
                inner = replace(
                    place, no_default="inside additionalProperties applying to object metadata"
                )
            self.node(
                s.additional_properties.schema,
                f"{path}.additionalProperties",
                inner,
                compiles=compiles,
            )
        fields = place
        # Follows the server's test as it is written: of an atomic map, too, old and new fields are
        # matched by their names.
        if s.map_type not in (None, "granular", "atomic") and not place.uncorrelatable:
            fields = replace(place, uncorrelatable=path)
        for name, child in s.properties.items():
            inner = fields
            # Only of a resource; elsewhere a field may be called so.
            if (is_root or s.embedded_resource) and name in _META:
                inner = replace(inner, in_meta=True)
                if is_root:
                    # The server fills these in before any default is applied.
                    inner = replace(inner, no_default=f"in top-level {name}")
            self.node(child, f"{path}.properties[{name}]", inner, compiles=compiles)
        self.unshaping(s, path, place)
        if s.items is not None:
            inner = place
            # Items of atomic lists and sets have no identity, so there is no old item for oldSelf.
            if s.list_type != "map" and not place.uncorrelatable:
                inner = replace(place, uncorrelatable=path)
            if s.items.schema is not None:
                self.node(s.items.schema, f"{path}.items", inner, compiles=compiles)
            for index, child in enumerate(s.items.schemas):
                # A list of schemas was refused above; its parts are walked so that all faults are
                # told.
                self.node(child, f"{path}.items[{index}]", inner, compiles=False)

    def unshaping(self, s: Schema, path: str, place: Place) -> None:
        """What combines with a schema, or is not supported anyway: its rules are never compiled."""
        for added, child in s.junctors():
            self.node(child, f"{path}{added}", place, compiles=False)
        for name, child in s.definitions.items():
            self.node(child, f"{path}.definitions[{name}]", place, compiles=False)
        for name, dependency in (s.dependencies or {}).items():
            if isinstance(dependency, Schema):
                self.node(dependency, f"{path}.dependencies[{name}]", place, compiles=False)

    def topology(self, s: Schema, path: str) -> None:
        """x-kubernetes-map-type, x-kubernetes-list-type and x-kubernetes-list-map-keys."""
        item = s.items.schema if s.items is not None else None
        if s.map_type is not None:
            if s.type != "object":
                self.error(
                    "CRD217", f"{path}.type", "must be object if x-kubernetes-map-type is specified"
                )
            if s.map_type not in ("atomic", "granular"):
                self.error("CRD217", f"{path}.x-kubernetes-map-type", "must be atomic or granular")
        if s.list_type is not None:
            if s.type != "array":
                self.error(
                    "CRD217", f"{path}.type", "must be array if x-kubernetes-list-type is specified"
                )
            elif s.list_type == "set" and item is not None:
                # Items of a set are compared as a whole; one that could be merged in parts would
                # change its identity.
                self.set_items(item, path)
            if s.list_type not in ("atomic", "set", "map"):
                self.error("CRD217", f"{path}.x-kubernetes-list-type", "must be atomic, set or map")
        if s.list_map_keys and s.list_type != "map":
            self.error(
                "CRD219",
                f"{path}.x-kubernetes-list-type",
                "must be map if x-kubernetes-list-map-keys is non-empty",
            )
        if s.list_type == "map":
            self.map_items(s, item, path)
        # Server-side apply identifies items by value or key, and null has neither.
        if s.list_type in ("set", "map") and item is not None and item.nullable:
            self.error(
                "CRD218",
                f"{path}.items.nullable",
                f"cannot be nullable when x-kubernetes-list-type is {s.list_type}",
            )

    def set_items(self, item: Schema, path: str) -> None:
        words = "must be atomic as item of a list with x-kubernetes-list-type=set"
        if item.type == "array" and item.list_type not in (None, "atomic"):
            self.error("CRD218", f"{path}.items.x-kubernetes-list-type", words)
        if item.type == "object" and item.map_type != "atomic":
            self.error("CRD218", f"{path}.items.x-kubernetes-map-type", words)

    def map_items(self, s: Schema, item: Schema | None, path: str) -> None:
        if not s.list_map_keys:
            self.error(
                "CRD219",
                f"{path}.x-kubernetes-list-map-keys",
                "must not be empty if x-kubernetes-list-type is map",
            )
        # Further checks need the item.
        if item is None:
            self.error(
                "CRD219", f"{path}.items", "must have a schema if x-kubernetes-list-type is map"
            )
            return
        if item.type != "object":
            self.error(
                "CRD219",
                f"{path}.items.type",
                "must be object if parent array's x-kubernetes-list-type is map",
            )
        else:
            self.map_keys(s.list_map_keys, item, path)
        for key in s.list_map_keys:
            child = item.properties.get(key)
            if child is None:
                continue
            where = f"{path}.items.properties[{key}]"
            # Two items without the key would be one; a default gives it before keys are compared.
            if key not in item.required and child.default is None:
                self.error(
                    "CRD219",
                    f"{where}.default",
                    "is a list map key, so it must have a default or be required",
                )
            if child.nullable:
                self.error(
                    "CRD219", f"{where}.nullable", "is a list map key, so it cannot be nullable"
                )

    def map_keys(self, keys: Iterable[str], item: Schema, path: str) -> None:
        # A key twice tells nothing more apart.
        seen: set[str] = set()
        for key in keys:
            child = item.properties.get(key)
            where = f"{path}.x-kubernetes-list-map-keys"
            if child is None:
                self.error(
                    "CRD219",
                    where,
                    f"entries must all be names of item properties, unlike {shown(key)}",
                )
            elif child.type in ("array", "object"):
                self.error(
                    "CRD219",
                    f"{path}.items.properties[{key}].type",
                    "must be a scalar type if parent array's x-kubernetes-list-type is map",
                )
            if key in seen:
                self.error("CRD219", where, f"must not contain duplicate entries: {shown(key)}")
            seen.add(key)

    def rules(self, s: Schema, path: str) -> None:
        """How x-kubernetes-validations are written; their expressions are another matter."""
        for index, rule in enumerate(s.validations):
            self.rule(s, rule, f"{path}.x-kubernetes-validations[{index}]")

    def rule(self, s: Schema, rule: dict[str, Any], path: str) -> None:
        text, message = rule.get("rule", ""), rule.get("message", "")
        # In the order of the server, whose messages exclude each other.
        if not _trimmed(text):
            self.error("CRD222", f"{path}.rule", "rule is not specified")
        elif message and not _trimmed(message):
            self.error("CRD222", f"{path}.message", "must be non-empty if specified")
        elif _has_newlines(_trimmed(message)):
            self.error("CRD222", f"{path}.message", "must not contain line breaks")
        elif _has_newlines(_trimmed(text)) and not _trimmed(message):
            self.error(
                "CRD222",
                f"{path}.message",
                "message must be specified if rule contains line breaks",
            )
        expression, where = rule.get("messageExpression", ""), rule.get("fieldPath", "")
        if expression and not _trimmed(expression):
            self.error("CRD222", f"{path}.messageExpression", "must be non-empty if specified")
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            self.error("CRD222", f"{path}.reason", f"must be one of {', '.join(_REASONS)}")
        if where and not _trimmed(where):
            self.error("CRD222", f"{path}.fieldPath", "must be non-empty if specified")
        if _has_newlines(where):
            self.error("CRD222", f"{path}.fieldPath", "must not contain line breaks")
        if where and not _leads_somewhere(s, where):
            self.error("CRD222", f"{path}.fieldPath", f"{shown(where)} must be a valid path")


def _trimmed(text: str) -> str:
    # Go's unicode.IsSpace. Python's strip() takes the separators \x1c to \x1f as well.
    return text.strip(
        "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
    )


def _has_newlines(text: str) -> bool:
    return re.search(r"[\n\r]", text) is not None


def _leads_somewhere(s: Schema, path: str) -> bool:
    # The path is followed in the structural schema; without one the server does not look.
    if not is_convertible(s):
        return True
    try:
        fieldpaths.follow(path, s)
    except fieldpaths.FieldPathError:
        return False
    return True


def check_selectable(
    fields: list[dict[str, Any]], schema: Schema | None, path: str, found: Findings
) -> None:
    """Check selectableFields.

    Args:
        fields: Decoded selectableFields.
        schema: The schema that the API server looks them up in; None if there is none where it looks.
        path: Where they are.
        found: Where violations go.
    """
    if not fields:
        return
    if schema is None:
        found.error(
            "CRD108",
            path,
            "the API server finds no schema for them: all versions share the columns but not the schema",
        )
        return
    unique: set[tuple[str, ...]] = set()
    for index, entry in enumerate(fields):
        where, text = f"{path}[{index}].jsonPath", entry.get("jsonPath", "")
        if not text:
            found.error("CRD108", where, "is required")
            continue
        try:
            names, target = fieldpaths.follow(text, schema, keys=False)
        except fieldpaths.FieldPathError as error:
            found.error("CRD108", where, f"is an invalid path: {error}")
            continue
        # metadata.name and metadata.namespace can always be selected.
        if names[:1] == ["metadata"]:
            found.error("CRD108", where, "must not point to fields in metadata")
        if target is None or target.type not in ("string", "boolean", "integer"):
            found.error("CRD108", where, "must point to a field of type string, boolean or integer")
        if tuple(names) in unique:
            found.error("CRD108", where, f"duplicate value: {shown(text)}")
        unique.add(tuple(names))
    # MaxSelectableFields: each field is evaluated for every object of a list or a watch.
    if len(unique) > 8:
        found.error("CRD108", path, f"must have at most 8 items, not {len(unique)}")
