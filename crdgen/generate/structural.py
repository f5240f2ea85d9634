"""Convert types to structural schemas for apiextensions.k8s.io/v1: everything inlined, open objects only where declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from crdgen.generate import rules
from crdgen.generate.described import described
from crdgen.generate.docstrings import Docs, shortened
from crdgen.generate.model import GenerationError, Schema, Taken, take_apart
from crdgen.generate.scalars import scalar
from crdgen.generate.unions import hoisted
from machineadm.api.meta import OneOf
from machineadm.api.resources import Rule

Rules = Mapping[type, Sequence[Rule]]
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_VALIDATIONS = "x-kubernetes-validations"
_KEY_MOST = 317  # the longest key that Kubernetes itself knows, a qualified name


class Structural:
    """Walks each type once; schemas that two places share are the same object.

    Args:
        docs: Where descriptions come from.
        rules: Rules over the fields of a type, beside what it declares itself (`one_of`).
        defaults: The server fills in defaults.
        descriptions: Longest description; None: no limit; 0: none at all.
        undescribed: Types whose fields have none.
    """

    def __init__(
        self,
        docs: Docs,
        rules: Rules,
        *,
        defaults: bool = False,
        descriptions: int | None = None,
        undescribed: Collection[type] = (),
    ) -> None:
        self._docs = docs
        self._rules = rules
        self._defaults = defaults
        self._descriptions = descriptions
        self._undescribed = frozenset(undescribed)
        # By type and not by place: descriptions of fields are added where they stand.
        self._known: dict[type, Schema] = {}
        # Types that are being walked, to notice one that holds itself.
        self._open: list[type] = []
        # Atomic lists around the place that is walked; a number, for they nest.
        self._fixed_lists = 0

    def root(self, type_: inspect.Type, *, status: bool) -> Schema:
        """The schema of a kind.

        Raises:
            GenerationError: It says what a definition cannot express.
        """
        # A tag would be a field that tells variants apart, and of a kind there is only one.
        if not isinstance(type_, inspect.StructType) or type_.tag_field is not None:
            raise GenerationError(str(type_), "a kind is a Struct without a tag")
        name = type_.cls.__name__
        schema = self._struct(type_, name)
        properties = dict(schema.get("properties", {}))
        for envelope in ("apiVersion", "kind"):
            if envelope in properties:
                # In the words of every CRD, not those of our types: `kubectl explain` shows them.
                properties[envelope] = {
                    "type": "string",
                    "description": self._said(_ENVELOPE[envelope]),
                }
        # The API server defines metadata itself, and refuses a schema that specifies more of it
        # than the names.
        properties["metadata"] = {"type": "object"}
        # The server would drop what a controller writes there.
        if status and "status" not in properties:
            raise GenerationError(name, "has a status subresource, but no field status")
        found = {**schema, "properties": properties, "description": self._of_class(type_.cls)}
        # The server itself requires these; to say it again would have it told twice.
        required = [n for n in schema.get("required", ()) if n not in (*_ENVELOPE, "metadata")]
        found.pop("required", None)
        return _tidy({**found, **({"required": required} if required else {})})

    def part(self, cls: type[msgspec.Struct]) -> Schema:
        """The schema of a Struct that is a part of something else.

        Raises:
            GenerationError: It says what a definition cannot express.
        """
        # A copy: the caller changes its description, and the node is shared.
        return {**self._node(described(cls), cls.__name__)}

    def _node(self, type_: inspect.Type, path: str) -> Schema:
        taken = take_apart(type_, path)
        schema = self._bare(taken, path)
        # OpenAPI 3.0 has no type null: a flag stands beside the type.
        if taken.nullable:
            schema = {**schema, "nullable": True}
            if "enum" in schema:
                # The API server checks enum for null as well: nullable alone would allow a value
                # that enum then refuses.
                schema["enum"] = [*schema["enum"], None]
        return schema

    def _bare(self, taken: Taken, path: str) -> Schema:
        given = {k: v for k, v in taken.schema.items() if k not in ("description", "examples")}
        examples = taken.schema.get("examples")
        if examples:
            # OpenAPI has one example, JSON Schema a list.
            given["example"] = examples[0]
        # Whatever the type says: an open object is judged by its reader.
        if given.get(_PRESERVE):
            return given
        found = scalar(taken, path)
        schema = self._compound(taken, path) if found is None else _boolean_bounds(found)
        if taken.extra.get("immutable"):
            if self._fixed_lists:
                # A transition rule needs oldSelf, and items of an atomic list cannot be matched
                # with their old ones.
                raise GenerationError(path, "immutable in a list that the server takes as a whole")
            entries = [*schema.get(_VALIDATIONS, ()), rules.immutable_field()]
            schema = {**schema, _VALIDATIONS: entries}
        # What the type's author wrote wins: an empty list of rules removes the generated ones.
        return {key: value for key, value in {**schema, **given}.items() if value != []}

    def _compound(self, taken: Taken, path: str) -> Schema:
        type_: Any = taken.type
        match type_:
            case inspect.StructType() as struct:
                if struct.array_like:
                    raise GenerationError(path, "array_like cannot be expressed")
                schema = self._struct(struct, path)
                # A tagged Struct alone is a union of one: its tag must be written as well.
                return self._tagged((struct,), path) if struct.tag_field else schema
            case inspect.UnionType() as union:
                return self._union(union, path)
            # Tuples of any length are lists in JSON.
            case inspect.VarTupleType() | inspect.ListType() as items:
                return self._list(items, taken, path)
            case inspect.SetType() | inspect.FrozenSetType() as items:
                return self._list(items, taken._replace(extra={"unique": ""}), path)
            case inspect.DictType() as mapping:
                return self._map(mapping, path)
            case inspect.AnyType() | inspect.RawType():
                # Without it the server prunes all fields of an object whose schema names none.
                return {_PRESERVE: True}
            case _:
                pass
        raise GenerationError(path, f"{type(taken.type).__name__} cannot be expressed")

    def _struct(self, struct: inspect.StructType, path: str) -> Schema:
        # Structural schemas have no $ref, so a recursive type would be endless.
        if struct.cls in self._open:
            raise GenerationError(
                path, f"{struct.cls.__name__} holds itself, which cannot be inlined"
            )
        if struct.cls not in self._known:
            self._open.append(struct.cls)
            self._known[struct.cls] = self._fields(struct, path)
            self._open.pop()
        return self._known[struct.cls]

    def _fields(self, struct: inspect.StructType, path: str) -> Schema:
        properties: dict[str, Schema] = {}
        required, presence = [], []
        for field in struct.fields:
            place = f"{path}.{field.encode_name}"
            properties[field.encode_name] = schema = self._field(struct.cls, field, place)
            if field.required:
                required.append(field.encode_name)
            # Only optional ones: a required field neither comes nor goes.
            elif rules.immutable_field() in schema.get(_VALIDATIONS, ()):
                # With the field's own rule neither its value nor its being there can change.
                presence.append(rules.immutable_presence(field.encode_name))
        schema = {"type": "object"}
        if properties:
            schema["properties"] = properties
        if required:
            # Sorted, as controller-gen does: moving a field in the source then changes nothing.
            schema["required"] = sorted(required)
        declared: tuple[OneOf, ...] = getattr(struct.cls, "one_of", ())
        validations = [rules.one_of(each, schema, path) for each in declared]
        validations += [self._rule(rule, schema, path) for rule in self._rules.get(struct.cls, ())]
        if validations or presence:
            schema[_VALIDATIONS] = [*validations, *presence]
        return schema

    def _rule(self, rule: Rule, schema: Schema, path: str) -> Schema:
        if rule.field and rule.field not in schema["properties"]:
            raise GenerationError(path, f"a rule names {rule.field!r}, which is not a field")
        return rules.written(rule)

    def _field(self, cls: type, field: inspect.Field, path: str) -> Schema:
        schema = self._node(field.type, path)
        if schema.get("nullable") and not field.required and not field.default:
            # Null is not a value to the API server: it is taken out, and the field is absent.
            schema = {k: v for k, v in schema.items() if k != "nullable"}
            if "enum" in schema:
                schema["enum"] = [value for value in schema["enum"] if value is not None]
        text = _declared(field.type) or self._docs.of_field(cls, field.name)
        said = self._said(text or schema.get("description", ""))
        if cls in self._undescribed:
            said = ""
        schema = {**schema, **({"description": said} if said else {})}
        if self._defaults and not field.required:
            schema = {**schema, **_default(field, schema, path)}
        return schema

    def _union(self, union: inspect.UnionType, path: str) -> Schema:
        members = [take_apart(member, path) for member in union.types]
        structs = [m.type for m in members if isinstance(m.type, inspect.StructType)]
        if len(structs) == len(members):
            return self._tagged(tuple(structs), path)
        kinds = {type(m.type) for m in members}
        # The one union that structural schemas have: x-kubernetes-int-or-string.
        if kinds == {inspect.IntType, inspect.StrType} and len(members) == 2:
            return _int_or_string(members, path)
        # Told and not widened: an open field would be a gap that nobody sees.
        raise GenerationError(
            path,
            "such a union cannot be expressed; say x-kubernetes-preserve-unknown-fields to let all pass",
        )

    def _tagged(self, structs: Sequence[inspect.StructType], path: str) -> Schema:
        variants = [
            (struct, self._struct(struct, f"{path}({struct.tag})"), self._of_class(struct.cls))
            for struct in structs
        ]
        return hoisted(variants, path)

    def _list(self, items: Any, taken: Taken, path: str) -> Schema:
        unique = taken.extra.get("unique")
        self._fixed_lists += not unique
        item = self._node(items.item_type, f"{path}[]")
        self._fixed_lists -= not unique
        schema: Schema = {"type": "array", "items": item}
        if items.min_length:
            schema["minItems"] = items.min_length
        if items.max_length is not None:
            schema["maxItems"] = items.max_length
        # Said although it is the default: then a change of it is a change of a line, which a review
        # sees.
        if unique is None:
            return {**schema, "x-kubernetes-list-type": "atomic"}
        if item.get("nullable"):
            # The server merges such lists by key or value, and null has neither.
            raise GenerationError(path, "items that are told apart cannot be null")
        if unique == "":
            # The server wants such items atomic, and we have no use for it.
            if item.get("type") in ("object", "array"):
                raise GenerationError(path, "a set has items without parts")
            return {**schema, "x-kubernetes-list-type": "set"}
        _check_key(unique, item, path)
        return {
            **schema,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [unique],
        }

    def _map(self, mapping: inspect.DictType, path: str) -> Schema:
        key = take_apart(mapping.key_type, f"{path}{{}}")
        if not isinstance(key.type, inspect.StrType):
            raise GenerationError(path, "keys of a map are strings in JSON")
        value = self._node(mapping.value_type, f"{path}.*")
        schema: Schema = {"type": "object"}
        if value == {_PRESERVE: True}:
            # A map of anything: additionalProperties must have a type, which anything has not.
            schema[_PRESERVE] = True
        else:
            schema["additionalProperties"] = value
        if mapping.min_length:
            schema["minProperties"] = mapping.min_length
        if mapping.max_length is not None:
            schema["maxProperties"] = mapping.max_length
            # To the server keys are unbounded, so matching a pattern would exceed the cost limit: only lengths are checked.
            if key.type.max_length is not None and _PRESERVE not in schema:
                schema[_VALIDATIONS] = [_key_length(key.type)]
        return schema

    def _of_class(self, cls: type) -> str:
        return self._said(self._docs.of_class(cls))

    def _said(self, text: str) -> str:
        return shortened(text, self._descriptions)


_ENVELOPE = {
    "apiVersion": "Version of the schema of this object, with its group.",
    "kind": "Kind of this object.",
}


def _key_length(key: inspect.StrType) -> Schema:
    least = f"size(k) >= {key.min_length} && " if key.min_length else ""
    words = (
        f"{key.min_length} to {key.max_length}" if key.min_length else f"at most {key.max_length}"
    )
    return {
        "rule": f"self.all(k, {least}size(k) <= {key.max_length})",
        "message": f"keys have {words} characters",
    }


def _declared(type_: inspect.Type) -> str:
    if isinstance(type_, inspect.Metadata):
        return str((type_.extra_json_schema or {}).get("description", ""))
    return ""


def _check_key(key: str, item: Schema, path: str) -> None:
    field = item.get("properties", {}).get(key)
    if field is None:
        raise GenerationError(path, f"is unique by {key!r}, which is not a field of its items")
    if field.get("type") in ("object", "array"):
        raise GenerationError(path, f"is unique by {key!r}, which has parts")
    # The API server refuses a list whose key may be missing: two items without it would be one.
    if key not in item.get("required", ()) and "default" not in field:
        raise GenerationError(path, f"is unique by {key!r}, which may be absent")


def _int_or_string(members: list[Taken], path: str) -> Schema:
    schema: Schema = {}
    for member in members:
        part = _boolean_bounds(scalar(member, path) or {})
        schema |= {k: v for k, v in part.items() if k not in ("type", "format")}
    return {
        **schema,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
    }


def _boolean_bounds(schema: Schema) -> Schema:
    """Convert exclusive bounds to OpenAPI 3.0, which has a flag beside the bound."""
    for bound in ("minimum", "maximum"):
        key = f"exclusive{bound.capitalize()}"
        if key in schema:
            schema = {**schema, bound: schema[key], key: True}
    return schema


def _default(field: inspect.Field, schema: Schema, path: str) -> Schema:
    """Return the default of a field, except empty lists, maps and strings: they mean nothing and would rewrite stored objects.

    Raises:
        GenerationError: It cannot be written as JSON.
    """
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    elif field.default is not msgspec.NODEFAULT:
        value = field.default
    else:
        return {}
    if value is None or value is msgspec.UNSET:
        return {}
    if isinstance(value, msgspec.Struct):
        # An empty object, into which the server then puts the defaults of its fields.
        return {"default": {}} if _says_defaults(schema) else {}
    try:
        built = msgspec.json.decode(msgspec.json.encode(value))
    except TypeError:
        raise GenerationError(path, "its default cannot be written as JSON") from None
    return {} if built in ([], {}, "") else {"default": built}


def _says_defaults(schema: Schema) -> bool:
    fields = schema.get("properties", {}).values()
    return not schema.get("required") and any("default" in field for field in fields)


def _tidy(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if value not in ("", [])}
