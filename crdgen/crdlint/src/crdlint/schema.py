"""A schema, as JSONSchemaProps of apiextensions.k8s.io/v1 decodes: what is not set has the zero value of its type."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from crdlint.shapes import (
    STRINGS,
    Decoder,
    Decoding,
    anything,
    boolean,
    integer,
    list_of,
    map_of,
    number,
    record,
    string,
)


@dataclass(slots=True)
class Items:
    """`items`: a schema, or a list of schemas, which is refused; neither, if it is something else altogether."""

    schema: Schema | None = None
    schemas: list[Schema] = field(default_factory=list)


@dataclass(slots=True)
class Additional:
    """`additionalProperties` and `additionalItems`: a schema or a boolean."""

    allows: bool = False
    schema: Schema | None = None


# Not a dataclass: most nodes set two or three of forty attributes, and the rest stay at the class.
class Schema:
    """One node of a schema. Attributes are named like the keys; `x-kubernetes-` is left out."""

    id: str = ""
    schema_url: str = ""
    ref: str | None = None
    description: str = ""
    type: str = ""
    format: str = ""
    title: str = ""
    default: Any = None
    maximum: float | None = None
    exclusive_maximum: bool = False
    minimum: float | None = None
    exclusive_minimum: bool = False
    max_length: int | None = None
    min_length: int | None = None
    pattern: str = ""
    max_items: int | None = None
    min_items: int | None = None
    unique_items: bool = False
    multiple_of: float | None = None
    enum: tuple[Any, ...] | list[Any] = ()
    max_properties: int | None = None
    min_properties: int | None = None
    required: tuple[str, ...] | list[str] = ()
    items: Items | None = None
    all_of: tuple[Schema, ...] | list[Schema] = ()
    one_of: tuple[Schema, ...] | list[Schema] = ()
    any_of: tuple[Schema, ...] | list[Schema] = ()
    not_: Schema | None = None
    properties: dict[str, Schema] = {}  # noqa: RUF012 never changed; an instance sets its own
    additional_properties: Additional | None = None
    pattern_properties: dict[str, Schema] = {}  # noqa: RUF012
    dependencies: dict[str, Any] | None = None
    additional_items: Additional | None = None
    definitions: dict[str, Schema] = {}  # noqa: RUF012
    external_docs: Any = None
    example: Any = None
    nullable: bool = False
    preserve_unknown_fields: bool | None = None
    embedded_resource: bool = False
    int_or_string: bool = False
    list_map_keys: tuple[str, ...] | list[str] = ()
    list_type: str | None = None
    map_type: str | None = None
    validations: tuple[dict[str, Any], ...] | list[dict[str, Any]] = ()

    # vars() has only what was decoded, so this costs what the author wrote and not forty
    # comparisons.
    def present(self) -> set[str]:
        """The keys that hold more than the zero value; an empty list or map is more."""
        return {_KEYS[name] for name, value in vars(self).items() if _is_set(name, value)}

    def children(self) -> list[tuple[str, Schema]]:
        """The schemas right below, outside of junctors, each with what its path adds."""
        below = [(f".properties[{name}]", child) for name, child in self.properties.items()]
        if self.additional_properties is not None and self.additional_properties.schema is not None:
            below.append((".additionalProperties", self.additional_properties.schema))
        if self.items is not None and self.items.schema is not None:
            below.append((".items", self.items.schema))
        return below

    def junctors(self) -> list[tuple[str, Schema]]:
        """The schemas right below that combine with this one, each with what its path adds."""
        named = (("anyOf", self.any_of), ("allOf", self.all_of), ("oneOf", self.one_of))
        found = [(f".{name}[{i}]", s) for name, schemas in named for i, s in enumerate(schemas)]
        if self.not_ is not None:
            found.append((".not", self.not_))
        return found


# Pointers in Go: set means not nil, so an empty string or false counts as well.
_POINTERS: Final = frozenset(
    {"ref", "list_type", "map_type", "preserve_unknown_fields", "default", "example"}
)


def _is_set(name: str, value: Any) -> bool:
    if value is None:
        return False
    return name in _POINTERS or not (value is False or (isinstance(value, str) and value == ""))


def decode_schema(value: Any, path: str, decoding: Decoding) -> Schema:
    """Decode a schema and all below it.

    Args:
        value: What was read.
        path: Where it is.
        decoding: How it is being decoded.

    Returns:
        The schema; what could not be decoded has its zero value.
    """
    # Whatever is wrong, there is a node: later checks need not ask for None.
    schema = Schema()
    if not isinstance(value, dict):
        decoding.wrong(path, "a mapping", value)
        return schema
    for key, entry in value.items():
        known = _FIELDS.get(key)
        if known is None:
            decoding.unknown(f"{path}.{key}", _FIELDS, key, "CRD202")
        # null is what encoding/json leaves at the zero value.
        elif entry is not None:
            setattr(schema, known[0], known[1](entry, f"{path}.{key}", decoding))
    return schema


def _leniently(value: Any, path: str, decoding: Decoding) -> Schema:
    """A schema where the API server's decoder has lost its strictness."""
    # JSONSchemaPropsOrArray and its like have an UnmarshalJSON of their own in Go, in which unknown
    # keys are let pass.
    was, decoding.strict = decoding.strict, False
    try:
        return decode_schema(value, path, decoding)
    finally:
        decoding.strict = was


def _items(value: Any, path: str, decoding: Decoding) -> Items:
    if isinstance(value, dict):
        return Items(_leniently(value, path, decoding))
    if isinstance(value, list):
        return Items(None, list_of(_leniently, Schema)(value, path, decoding))
    # JSONSchemaPropsOrArray's UnmarshalJSON looks at the first byte and takes everything else for
    # empty.
    decoding.findings.warning(
        "CRD006", path, "is neither a schema nor a list, and read as an empty one"
    )
    return Items()


def _additional(value: Any, path: str, decoding: Decoding) -> Additional:
    if isinstance(value, bool):
        return Additional(value)
    if isinstance(value, dict):
        # A schema allows by being there.
        return Additional(True, _leniently(value, path, decoding))
    decoding.wrong(path, "a boolean or a schema", value)
    return Additional()


def _dependency(value: Any, path: str, decoding: Decoding) -> Any:
    if isinstance(value, dict):
        return _leniently(value, path, decoding)
    return STRINGS(value, path, decoding) if isinstance(value, list) else None


RULE: Final[dict[str, Decoder]] = {
    "rule": string,
    "message": string,
    "messageExpression": string,
    "reason": string,
    "fieldPath": string,
    "optionalOldSelf": boolean,
}
# Go's *int64: a float such as 3.0 is refused by it.
_LONG: Final = integer(64)
_SCHEMAS: Final = list_of(decode_schema, Schema)
_SCHEMA_MAP: Final = map_of(decode_schema, Schema)
_FIELDS: Final[dict[str, tuple[str, Decoder]]] = {
    "id": ("id", string),
    "$schema": ("schema_url", string),
    "$ref": ("ref", string),
    "description": ("description", string),
    "type": ("type", string),
    "format": ("format", string),
    "title": ("title", string),
    "default": ("default", anything),
    "maximum": ("maximum", number),
    "exclusiveMaximum": ("exclusive_maximum", boolean),
    "minimum": ("minimum", number),
    "exclusiveMinimum": ("exclusive_minimum", boolean),
    "maxLength": ("max_length", _LONG),
    "minLength": ("min_length", _LONG),
    "pattern": ("pattern", string),
    "maxItems": ("max_items", _LONG),
    "minItems": ("min_items", _LONG),
    "uniqueItems": ("unique_items", boolean),
    "multipleOf": ("multiple_of", number),
    # Values of any type: they are compared when a default is judged.
    "enum": ("enum", list_of(anything)),
    "maxProperties": ("max_properties", _LONG),
    "minProperties": ("min_properties", _LONG),
    "required": ("required", STRINGS),
    "items": ("items", _items),
    "allOf": ("all_of", _SCHEMAS),
    "oneOf": ("one_of", _SCHEMAS),
    "anyOf": ("any_of", _SCHEMAS),
    "not": ("not_", decode_schema),
    "properties": ("properties", _SCHEMA_MAP),
    "additionalProperties": ("additional_properties", _additional),
    "patternProperties": ("pattern_properties", _SCHEMA_MAP),
    "dependencies": ("dependencies", map_of(_dependency)),
    "additionalItems": ("additional_items", _additional),
    "definitions": ("definitions", _SCHEMA_MAP),
    "externalDocs": ("external_docs", record({"description": string, "url": string}, "CRD202")),
    "example": ("example", anything),
    "nullable": ("nullable", boolean),
    "x-kubernetes-preserve-unknown-fields": ("preserve_unknown_fields", boolean),
    "x-kubernetes-embedded-resource": ("embedded_resource", boolean),
    "x-kubernetes-int-or-string": ("int_or_string", boolean),
    "x-kubernetes-list-map-keys": ("list_map_keys", STRINGS),
    "x-kubernetes-list-type": ("list_type", string),
    "x-kubernetes-map-type": ("map_type", string),
    "x-kubernetes-validations": ("validations", list_of(record(RULE, "CRD202"), dict)),
}
_KEYS: Final = {attribute: key for key, (attribute, _) in _FIELDS.items()}
