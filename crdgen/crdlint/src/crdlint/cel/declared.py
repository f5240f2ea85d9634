"""The types that a schema gives to CEL, with the sizes that the API server assumes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from crdlint.cel import types
from crdlint.cel.types import Type
from crdlint.schema import Schema

# apiserver/pkg/cel's DefaultMaxRequestSizeBytes: what has no bound of its own cannot be longer than
# a request.
REQUEST_LIMIT: Final = 3 * 1024 * 1024
# CEL's language definition; fields of these names are written with two underscores around them.
_RESERVED: Final = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
# apiserver/pkg/cel/escaping.go. Anything else in a name keeps a field out of rules.
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


@dataclass(slots=True, eq=False)
class Declared:
    """A type as a schema declares it.

    Attributes:
        type: Its CEL type.
        max_elements: How many characters, items or entries it has at most.
        min_size: The least number of bytes of it in JSON.
        element: Of a list or a map, the type of what is in it.
        fields: Of an object, the types of its fields by their names in CEL.
    """

    type: Type
    max_elements: int = 0
    min_size: int = 1
    element: Declared | None = None
    fields: dict[str, Declared] | None = None
    key: Declared | None = field(default=None)


# Keys of maps; their sizes are not declared, so each costs as if it were empty.
_TEXT: Final = Declared(types.STRING, 0, 2)


def escape(name: str) -> str | None:
    """The name of a field in CEL; None if it has none."""
    if not name or name[0] in "0123456789":
        return None
    if name in _RESERVED:
        return f"__{name}__"
    if re.search(r"[^a-zA-Z0-9\-./_]", name):
        return None
    return re.sub(r"__|[-./]", lambda m: _ESCAPES[m[0]], name)


class Declarations:
    """The types of a version's schema, each made once.

    Attributes:
        fields: The types of the fields of each object, by the name of its type.
    """

    def __init__(self) -> None:
        self.made: dict[tuple[int, bool], Declared | None] = {}
        self.fields: dict[str, dict[str, Type]] = {}

    def of(self, s: Schema, is_resource: bool) -> Declared | None:
        """The type of a schema.

        Args:
            s: The schema.
            is_resource: Whether it is the root, or embedded.

        Returns:
            The type; None if CEL does not see such a value.
        """
        # Also by its place: a resource has metadata, the same node elsewhere may not.
        key = (id(s), is_resource)
        if key not in self.made:
            self.made[key] = self._make(s, is_resource)
        return self.made[key]

    def _make(self, s: Schema, is_resource: bool) -> Declared | None:
        if s.int_or_string:
            # Two bytes of quotes or brackets are not content.
            limit = REQUEST_LIMIT - 2 if s.max_length is None else max(s.max_length, 0) * 4
            return Declared(types.DYN, limit, 1)
        if is_resource:
            s = with_object_meta(s)
        match s.type:
            case "array":
                return self._array(s)
            case "object":
                other = s.additional_properties
                return (
                    self._map(s, other.schema)
                    if other is not None and other.schema is not None
                    else self._object(s)
                )
            case "string":
                return _string(s)
            # `true` is the shortest.
            case "boolean":
                return Declared(types.BOOL, 0, 4)
            case "number":
                return Declared(types.DOUBLE, 0, 1)
            case "integer":
                return Declared(types.INT, 0, 1)
            case _:
                # x-kubernetes-preserve-unknown-fields without a type: CEL sees no such value.
                return None

    def _array(self, s: Schema) -> Declared | None:
        item = s.items.schema if s.items is not None else None
        element = self.of(item, item.embedded_resource) if item is not None else None
        if element is None:
            return None
        most = (
            max(s.max_items, 0)
            if s.max_items is not None
            # Each item with its comma.
            else (REQUEST_LIMIT - 2) // (element.min_size + 1)
        )
        return Declared(types.list_of(element.type), most, 2, element)

    def _map(self, s: Schema, value: Schema) -> Declared | None:
        element = self.of(value, value.embedded_resource)
        if element is None:
            return None
        most = (
            # estimateMaxAdditionalPropertiesFromMinSize's allowance for a key with its quotes,
            # colon and comma.
            (REQUEST_LIMIT - 2) // (element.min_size + 6)
            if s.max_properties is None
            else max(s.max_properties, 0)
        )
        return Declared(types.map_of(types.STRING, element.type), most, 2, element, key=_TEXT)

    def _object(self, s: Schema) -> Declared:
        fields, size = {}, 2
        for name, child in s.properties.items():
            made = self.of(child, child.embedded_resource)
            if made is None:
                continue
            if (escaped := escape(name)) is not None:
                fields[escaped] = made
            # Only what must be written makes an object longer.
            if name in s.required and child.default is None:
                size += len(name.encode()) + made.min_size + 4
        # Types need names, and a schema has none.
        name = f"object#{len(self.fields)}"
        self.fields[name] = {field: made.type for field, made in fields.items()}
        return Declared(Type("struct", name), 0, size, fields=fields)


def _string(s: Schema) -> Declared:
    match s.format:
        case "byte":
            return Declared(
                types.BYTES, REQUEST_LIMIT - 2 if s.max_length is None else max(s.max_length, 0), 2
            )
        case "duration":
            # MaxDurationSizeJSON and MinDurationSizeJSON; for the others JSONDateSize,
            # MaxDatetimeSizeJSON and MinDatetimeSizeJSON (apiserver/pkg/cel/limits.go).
            return Declared(types.DURATION, 32, 3)
        case "date":
            return Declared(types.TIMESTAMP, 12, 12)
        case "date-time":
            return Declared(types.TIMESTAMP, 32, 21)
        case _:
            pass
    if s.max_length is not None:
        # maxLength counts code points; costs are counted in bytes of UTF-8, up to four of each.
        limit = max(s.max_length, 0) * 4
    elif s.enum:
        limit = max((len(v.encode()) for v in s.enum if isinstance(v, str)), default=0)
    else:
        limit = REQUEST_LIMIT - 2
    return Declared(types.STRING, limit, 2)


def with_object_meta(s: Schema) -> Schema:
    """A resource's schema with what every resource has."""
    metadata = s.properties.get("metadata")
    # The same object if it says all this, so that its type is made once.
    if (
        all(
            name in s.properties and s.properties[name].type == "string"
            for name in ("kind", "apiVersion")
        )
        and metadata is not None
        and metadata.type == "object"
        and all(
            n in metadata.properties and metadata.properties[n].type == "string"
            for n in ("name", "generateName")
        )
    ):
        return s
    whole = Schema()
    # A shallow copy: the schema itself must stay what the author wrote.
    vars(whole).update(vars(s))
    meta = Schema()
    meta.type = "object"
    meta.properties = {"name": _plain_string(), "generateName": _plain_string()}
    whole.properties = {
        **s.properties,
        "kind": _plain_string(),
        "apiVersion": _plain_string(),
        "metadata": meta,
    }
    return whole


def _plain_string() -> Schema:
    schema = Schema()
    schema.type = "string"
    return schema
