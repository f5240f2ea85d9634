"""Types to JSON Schema 2020-12: closed objects, shared parts under $defs, for editors and for `explain`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect

from crdgen.generate.described import described
from crdgen.generate.docstrings import Docs, not_built
from crdgen.generate.model import GenerationError, Schema, Taken, take_apart
from crdgen.generate.scalars import BASE64, scalar
from machineadm.api.meta import ApiStruct, OneOf
from machineadm.api.schemas import UNSUPPORTED, assembled

NULLABLE = frozenset({"taints"})
"""Fields in which null says something to the agent; everywhere else it refuses null."""

# Widths of numbers, and base64, are formats of OpenAPI; editors complain of formats that they do
# not know.
_OPENAPI_ONLY = frozenset({"int32", "int64", "byte"})


class Bundle:
    """Kinds and the parts they share, each walked once.

    Args:
        docs: Where descriptions come from.
    """

    def __init__(self, docs: Docs) -> None:
        self._docs = docs
        self._types: dict[str, type] = {}
        self.definitions: dict[str, Schema] = {}

    def add(self, kind: type[ApiStruct]) -> None:
        """Walk a kind and all that it holds.

        Raises:
            GenerationError: It says what no schema can express.
        """
        info: Any = described(kind)
        self._struct(info, kind.__name__)

    def document(self, kind: str) -> Schema:
        """The schema of a kind alone, with the parts that it needs."""
        return assembled(kind, self.definitions)

    def _struct(self, struct: inspect.StructType, path: str) -> Schema:
        name = struct.cls.__name__
        if name not in self._types:
            self._types[name] = struct.cls
            self.definitions[name] = {}  # a type may hold itself
            self.definitions[name] = self._fields(struct, path)
        # $defs have one name each; the second type would take the first one's place.
        elif self._types[name] is not struct.cls:
            raise GenerationError(path, f"there are two types called {name}")
        # References, unlike in definitions: editors show the name of a part, and the file stays
        # small.
        return {"$ref": f"#/$defs/{name}"}

    def _fields(self, struct: inspect.StructType, path: str) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        if struct.tag_field is not None:
            # const, by which editors choose the variant and complete its fields.
            properties[struct.tag_field] = {"type": "string", "const": struct.tag}
            required.append(struct.tag_field)
        for field in struct.fields:
            properties[field.encode_name] = self._field(struct.cls, field, path)
            if field.required:
                required.append(field.encode_name)
        schema: Schema = {
            "type": "object",
            "description": self._docs.of_class(struct.cls),
            "properties": properties,
            # As the agent reads: an unknown field is a mistake, and an editor can say so at once.
            "additionalProperties": False,
        }
        if required:
            schema["required"] = required
        declared: tuple[OneOf, ...] = getattr(struct.cls, "one_of", ())
        conditions = [c for rule in declared for c in _counts(rule, properties)]
        # One alone needs no allOf, and messages of editors name a shorter place.
        if len(conditions) == 1:
            schema |= conditions[0]
        elif conditions:
            schema["allOf"] = conditions
        return schema

    def _field(self, cls: type, field: inspect.Field, path: str) -> Schema:
        place = f"{path}.{field.encode_name}"
        schema = self._node(field.type, place, nullable=field.encode_name in NULLABLE)
        text = self._docs.of_field(cls, field.name)
        if text:
            schema = {**schema, "description": text}
        if instead := not_built(cls, field.name):
            schema = {**schema, UNSUPPORTED: instead}
        default = _default(field)
        # Empty ones say what absence says.
        if default not in (None, [], {}, ""):
            schema = {**schema, "default": default}
        # An example in the description is for people first, so it wins.
        example = _example(text, schema) or _expected(field.type, schema)
        return {**schema, "examples": [example]} if example is not None else schema

    def _node(self, type_: inspect.Type, path: str, *, nullable: bool = False) -> Schema:
        taken = take_apart(type_, path)
        schema = {**self._bare(taken, path), **_for_readers(taken.schema)}
        # JSON Schema has the type; `nullable` is OpenAPI's.
        return {"anyOf": [schema, {"type": "null"}]} if nullable else schema

    def _bare(self, taken: Taken, path: str) -> Schema:
        # JSON has no trouble with fractions; only the API server's conventions have.
        schema = scalar(taken._replace(extra={**taken.extra, "float": True}), path)
        if schema is not None:
            return _for_json(schema)
        type_: Any = taken.type
        match type_:
            case inspect.StructType() as struct:
                return self._struct(struct, path)
            case inspect.UnionType() as union:
                return self._union(union, path)
            case (
                inspect.VarTupleType()
                | inspect.ListType()
                | inspect.SetType()
                | inspect.FrozenSetType() as items
            ):
                return self._list(items, taken, path)
            case inspect.DictType() as mapping:
                return self._map(mapping, path)
            case inspect.AnyType() | inspect.RawType():
                return {}
            case _:
                pass
        raise GenerationError(path, f"{type(taken.type).__name__} cannot be expressed")

    def _union(self, union: inspect.UnionType, path: str) -> Schema:
        members = [self._node(member, path) for member in union.types]
        tagged = all(isinstance(t, inspect.StructType) for t in union.types)
        # oneOf only where a tag makes them exclusive: others may overlap, such as integers and
        # numbers.
        return {"oneOf" if tagged else "anyOf": members}

    def _list(self, items: Any, taken: Taken, path: str) -> Schema:
        schema: Schema = {"type": "array", "items": self._node(items.item_type, f"{path}[]")}
        if items.min_length:
            schema["minItems"] = items.min_length
        if items.max_length is not None:
            schema["maxItems"] = items.max_length
        if taken.extra.get("unique") == "" or isinstance(
            items, (inspect.SetType, inspect.FrozenSetType)
        ):
            schema["uniqueItems"] = True
        return schema

    def _map(self, mapping: inspect.DictType, path: str) -> Schema:
        schema: Schema = {"type": "object"}
        key = self._node(mapping.key_type, f"{path}{{}}")
        if key.get("type") != "string":
            raise GenerationError(path, "keys of a map are strings in JSON")
        # Every key is a string, so the type alone says nothing.
        if len(key) > 1:
            schema["propertyNames"] = {k: v for k, v in key.items() if k != "type"}
        if value := self._node(mapping.value_type, f"{path}.*"):
            schema["additionalProperties"] = value
        if mapping.min_length:
            schema["minProperties"] = mapping.min_length
        if mapping.max_length is not None:
            schema["maxProperties"] = mapping.max_length
        return schema


def _for_json(schema: Schema) -> Schema:
    """Formats of OpenAPI mean nothing, or something else, in JSON Schema."""
    found = {k: v for k, v in schema.items() if k != "format" or v not in _OPENAPI_ONLY}
    if schema.get("format") == "byte" or schema.get("pattern") == BASE64:
        found["contentEncoding"] = "base64"
    values = schema.get("enum")
    if values is not None and len(values) == 1:
        del found["enum"]
        found["const"] = values[0]
    return found


def _for_readers(given: Schema) -> Schema:
    return {k: v for k, v in given.items() if not k.startswith("x-")}


def _counts(rule: OneOf, properties: dict[str, Schema]) -> list[Schema]:
    present = [_present(name, properties[name]) for name in rule.fields]
    # oneOf and anyOf count by themselves what is present.
    if rule.least == 1:
        return [{"oneOf" if rule.most == 1 else "anyOf": present}]
    pairs = [[a, b] for i, a in enumerate(present) for b in present[i + 1 :]]
    # At most one, with none allowed: in pairs, since JSON Schema cannot count properties by name.
    return [{"not": {"allOf": pair}} for pair in pairs]


def _present(name: str, field: Schema) -> Schema:
    found: Schema = {"required": [name]}
    # An empty list is as good as none to the rules, so it does not count as present.
    if field.get("type") == "array" and not field.get("minItems"):
        found["properties"] = {name: {"minItems": 1}}
    elif "propertyNames" in field and not field.get("minProperties"):
        found["properties"] = {name: {"minProperties": 1}}
    return found


def _default(field: inspect.Field) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    elif field.default is not msgspec.NODEFAULT:
        value = field.default
    else:
        return None
    if value is None or value is msgspec.UNSET or isinstance(value, msgspec.Struct):
        return None
    # Through JSON: what is written is what a reader of JSON sees, with wire names.
    return msgspec.json.decode(msgspec.json.encode(value))


_SPAN = re.compile(r"`+(.+?)`+")


def _example(text: str, schema: Schema) -> Any:
    """The first piece of code behind a colon in a description, if it is a value of the field."""
    _, colon, rest = text.partition(": `")
    return _first_fitting(_SPAN.findall("`" + rest) if colon else (), schema)


def _expected(type_: inspect.Type, schema: Schema) -> Any:
    """The example in the words for a pattern: `a mode such as 0644`."""
    expected = str(take_apart(type_, "").extra.get("expected", ""))
    _, such, words = expected.partition("such as ")
    return _first_fitting(words.split(" or ") if such else (), schema)


def _first_fitting(candidates: Sequence[str], schema: Schema) -> Any:
    for candidate in candidates:
        if fits(candidate, schema):
            return candidate
    return None


def fits(value: str, schema: Schema) -> bool:
    """Whether a text is a value of a schema of strings."""
    if schema.get("type") != "string" or "contentEncoding" in schema or "const" in schema:
        return False
    if "enum" in schema:
        return value in schema["enum"]
    # 4096 where nothing is said: an example longer than that is none.
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 4096):
        return False
    return "pattern" not in schema or re.search(schema["pattern"], value) is not None
