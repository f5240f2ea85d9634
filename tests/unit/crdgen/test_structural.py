"""Each construct of the types, as the API server wants it; and each that it cannot have, refused by name."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field

from crdgen.generate.docstrings import Docs, shortened
from crdgen.generate.model import GenerationError
from crdgen.generate.scalars import BASE64
from crdgen.generate.structural import Rules, Structural
from machineadm.api.meta import OneOf
from machineadm.api.resources import Rule
from machineadm.redaction import Secret

PRESERVE = "x-kubernetes-preserve-unknown-fields"
LIST_TYPE = "x-kubernetes-list-type"
RULES = "x-kubernetes-validations"


def part(
    cls: type[Struct], rules: Rules | None = None, *, defaults: bool = False, **options: Any
) -> dict[str, Any]:
    return Structural(Docs(), rules or {}, defaults=defaults, **options).part(cls)


def counting(cls: type[Struct], rule: OneOf) -> type[Struct]:
    """The type, with a rule that counts its fields."""
    return type(cls.__name__, (cls,), {"one_of": (rule,), "__module__": __name__})


def of(annotation: Any, *, defaults: bool = False, **given: Any) -> dict[str, Any]:
    """The schema of the one field of a Struct with that annotation."""
    entry = ("f", annotation, given["default"]) if "default" in given else ("f", annotation)
    cls = msgspec.defstruct("Box", [entry], kw_only=True)
    schema: dict[str, Any] = part(cls, defaults=defaults)["properties"]["f"]
    return schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Leaf(Struct, kw_only=True):
    """A leaf."""

    name: str
    """Its name."""

    size: int | None = None


class Optional(Struct, kw_only=True):
    """All may be absent."""

    a: str | None = None
    b: str | None = None
    many: Annotated[tuple[str, ...], Meta(max_length=3)] = ()


class Cat(Struct, kw_only=True, tag_field="type", tag="Cat"):
    """A cat. It purrs."""

    lives: Annotated[int, Meta(ge=1, le=9)] = 9
    """How many lives."""

    shared: str | None = None
    """Of a cat."""


class Dog(Struct, kw_only=True, tag_field="type", tag="Dog"):
    """A dog."""

    tricks: str
    """What it can do."""

    shared: str | None = None
    """Of a dog."""


class OtherShared(Struct, kw_only=True, tag_field="type", tag="Other"):
    """Something else."""

    shared: int | None = None


class Recursive(Struct, kw_only=True):
    """Holds itself."""

    child: Recursive | None = None


class Escaped(Struct, kw_only=True):
    """Holds itself, but does not say how."""

    child: Annotated[Escaped | None, Meta(extra_json_schema={"type": "object", PRESERVE: True})] = (
        None
    )


class Array(Struct, array_like=True):
    """By position."""

    a: str


class Pair(NamedTuple):
    a: str


class Typed(TypedDict):
    a: str


ONE_LINE = "^[^\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]*$"
# Two: `kubectl explain` would take the type from a lone one.
IN_ONE_LINE = [{"pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$"}, {"pattern": "^[^\u2028\u2029]*$"}]

CONSTRUCTS: list[tuple[str, Any, dict[str, Any]]] = [
    ("a string", str, {"type": "string"}),
    (
        "lengths",
        Annotated[str, Meta(min_length=1, max_length=5)],
        {"type": "string", "minLength": 1, "maxLength": 5},
    ),
    (
        "a pattern of msgspec's",
        Annotated[str, Meta(pattern="^a$")],
        {"type": "string", "pattern": "^a$"},
    ),
    (
        "a declared pattern",
        Annotated[str, Meta(extra={"pattern": "^a$"})],
        {"type": "string", "pattern": "^a$"},
    ),
    (
        "one line",
        Annotated[str, Meta(extra={"oneLine": True})],
        {"type": "string", "pattern": ONE_LINE},
    ),
    (
        "one line of a pattern that names no control characters",
        Annotated[str, Meta(extra={"oneLine": True, "pattern": r"^[a-z.]+\.x$"})],
        {"type": "string", "pattern": r"^[a-z.]+\.x$"},
    ),
    (
        "one line of a pattern that lets them pass",
        Annotated[str, Meta(extra={"oneLine": True, "pattern": "^[^ ]+$"})],
        {"type": "string", "pattern": "^[^ ]+$", "allOf": IN_ONE_LINE},
    ),
    (
        "one line of a pattern with a dot",
        Annotated[str, Meta(extra={"oneLine": True, "pattern": "^a.$"})],
        {"type": "string", "pattern": "^a.$", "allOf": IN_ONE_LINE},
    ),
    (
        "a secret and its declared bounds",
        Annotated[Secret, Meta(extra={"minLength": 1, "maxLength": 4, "pattern": "^a+$"})],
        {"type": "string", "minLength": 1, "maxLength": 4, "pattern": "^a+$"},
    ),
    (
        "a format, beside which the server would let lists pass",
        Annotated[str, Meta(extra={"format": "duration"})],
        {"type": "string"},
    ),
    (
        "base64",
        Annotated[str, Meta(extra={"format": "base64"})],
        {"type": "string", "pattern": BASE64},
    ),
    (
        "a format that the server has not",
        Annotated[str, Meta(extra={"format": "pem"})],
        {"type": "string"},
    ),
    ("a boolean", bool, {"type": "boolean"}),
    ("an integer", int, {"type": "integer", "format": "int64"}),
    (
        "a narrow integer",
        Annotated[int, Meta(ge=0, le=10)],
        {"type": "integer", "format": "int32", "minimum": 0, "maximum": 10},
    ),
    (
        "a wide integer",
        Annotated[int, Meta(ge=0, le=2**40)],
        {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**40},
    ),
    (
        "a bound that says nothing, and that the server would read as another",
        Annotated[int, Meta(ge=0, le=2**63 - 1)],
        {"type": "integer", "format": "int64", "minimum": 0},
    ),
    (
        "bounds that exclude",
        Annotated[int, Meta(gt=0, lt=10)],
        {
            "type": "integer",
            "format": "int32",
            "minimum": 0,
            "exclusiveMinimum": True,
            "maximum": 10,
            "exclusiveMaximum": True,
        },
    ),
    (
        "multiples",
        Annotated[int, Meta(multiple_of=5)],
        {"type": "integer", "format": "int64", "multipleOf": 5},
    ),
    ("an allowed float", Annotated[float, Meta(extra={"float": True})], {"type": "number"}),
    ("a literal", Literal["b", "a"], {"type": "string", "enum": ["a", "b"]}),
    ("a literal number", Literal[1, 2], {"type": "integer", "format": "int64", "enum": [1, 2]}),
    ("an enum in its own order", Colour, {"type": "string", "enum": ["red", "blue"]}),
    (
        "a required value that may be null",
        str | None,
        {"type": "string", "nullable": True},
    ),
    (
        "an enumeration with null",
        Literal["a", None],
        {"type": "string", "enum": ["a", None], "nullable": True},
    ),
    (
        "bytes",
        Annotated[bytes, Meta(max_length=4)],
        {"type": "string", "format": "byte", "maxLength": 8},
    ),
    (
        "a time with its zone",
        Annotated[datetime.datetime, Meta(tz=True)],
        {"type": "string", "format": "date-time"},
    ),
    ("a date", datetime.date, {"type": "string", "format": "date"}),
    ("a UUID", uuid.UUID, {"type": "string", "format": "uuid"}),
    (
        "a list",
        Annotated[tuple[str, ...], Meta(min_length=1, max_length=2)],
        {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 2,
            LIST_TYPE: "atomic",
        },
    ),
    (
        "a list without repetition",
        Annotated[tuple[str, ...], Meta(extra={"unique": ""})],
        {"type": "array", "items": {"type": "string"}, LIST_TYPE: "set"},
    ),
    ("a set", frozenset[str], {"type": "array", "items": {"type": "string"}, LIST_TYPE: "set"}),
    ("a map", dict[str, bool], {"type": "object", "additionalProperties": {"type": "boolean"}}),
    (
        "a map with bounded keys",
        Annotated[dict[Annotated[str, Meta(min_length=1, max_length=9)], bool], Meta(max_length=3)],
        {
            "type": "object",
            "additionalProperties": {"type": "boolean"},
            "maxProperties": 3,
            RULES: [
                {
                    "rule": "self.all(k, size(k) >= 1 && size(k) <= 9)",
                    "message": "keys have 1 to 9 characters",
                }
            ],
        },
    ),
    ("anything", Any, {PRESERVE: True}),
    ("raw JSON", msgspec.Raw, {PRESERVE: True}),
    (
        "an object of others",
        Annotated[dict[str, Any], Meta(min_length=1)],
        {"type": "object", PRESERVE: True, "minProperties": 1},
    ),
    (
        "a list of anything",
        list[Any],
        {"type": "array", "items": {PRESERVE: True}, LIST_TYPE: "atomic"},
    ),
    (
        "an integer or a string",
        Annotated[int, Meta(ge=1)] | Annotated[str, Meta(max_length=3)],
        {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "minimum": 1,
            "maxLength": 3,
        },
    ),
    (
        "an escape from a union",
        Annotated[str | int | bool, Meta(extra_json_schema={PRESERVE: True})],
        {PRESERVE: True},
    ),
    (
        "keys of the author's own",
        Annotated[
            dict[str, Any],
            Meta(
                title="Pod",
                examples=[{"kind": "Pod"}],
                extra_json_schema={"x-kubernetes-embedded-resource": True},
            ),
        ],
        {
            "type": "object",
            PRESERVE: True,
            "title": "Pod",
            "example": {"kind": "Pod"},
            "x-kubernetes-embedded-resource": True,
        },
    ),
    (
        "a map that is taken as a whole",
        Annotated[dict[str, str], Meta(extra_json_schema={"x-kubernetes-map-type": "atomic"})],
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "x-kubernetes-map-type": "atomic",
        },
    ),
    (
        "a value that stays",
        Annotated[str, Meta(extra={"immutable": True})],
        {
            "type": "string",
            RULES: [
                {
                    "rule": "self == oldSelf",
                    "message": "cannot be changed",
                    "reason": "FieldValueForbidden",
                }
            ],
        },
    ),
]


@pytest.mark.parametrize(
    ("annotation", "schema"), [c[1:] for c in CONSTRUCTS], ids=[c[0] for c in CONSTRUCTS]
)
def test_construct(annotation: Any, schema: dict[str, Any]) -> None:
    assert of(annotation) == schema


REFUSED: list[tuple[str, Any, str]] = [
    ("recursion", Recursive, "holds itself"),
    ("a float", float, "floats differ"),
    ("a union of structures", list[str] | str, "such a union"),
    ("three scalars", str | int | bool, "such a union"),
    ("a fixed tuple", tuple[int, str], "use a Struct"),
    ("positions", Array, "array_like"),
    ("a named tuple", Pair, "use a Struct"),
    ("a typed dict", Typed, "use a Struct"),
    ("a time without its zone", datetime.datetime, "tz=True"),
    ("a time of day", datetime.time, "no format"),
    ("an ISO duration", datetime.timedelta, "Kubernetes does not accept"),
    ("a decimal", decimal.Decimal, "no format"),
    ("a mixed enumeration", Literal["a", 1], "one type"),
    ("keys that are numbers", dict[int, str], "keys of a map"),
    ("an unknown format", Annotated[str, Meta(extra={"format": "phone"})], "'phone'"),
    ("an unknown declaration", Annotated[str, Meta(extra={"oneline": True})], "oneline"),
    ("a foreign class", decimal.Context, "no schema"),
    ("a class of Unicode", Annotated[str, Meta(extra={"pattern": r"^\d$"})], r"\\d"),
    ("a look-ahead", Annotated[str, Meta(extra={"pattern": "^(?=a)a$"})], r"\(\?"),
    ("a back reference", Annotated[str, Meta(extra={"pattern": r"^(a)\1$"})], r"\\1"),
    ("a broken pattern", Annotated[str, Meta(extra={"pattern": "^(a$"})], "unterminated"),
    ("a bound that is not a float64", Annotated[int, Meta(le=2**60 + 1)], "rounded"),
    (
        "uniqueness by something that is not a field",
        Annotated[tuple[Leaf, ...], Meta(extra={"unique": "x"})],
        "not a field",
    ),
    (
        "uniqueness by what may be absent",
        Annotated[tuple[Leaf, ...], Meta(extra={"unique": "size"})],
        "may be absent",
    ),
    ("a set of objects", Annotated[tuple[Leaf, ...], Meta(extra={"unique": ""})], "without parts"),
    (
        "a set with null",
        Annotated[tuple[str | None, ...], Meta(extra={"unique": ""})],
        "cannot be null",
    ),
    (
        "a value that stays in a list without keys",
        tuple[Annotated[str, Meta(extra={"immutable": True})], ...],
        "as a whole",
    ),
    ("variants that disagree", Cat | OtherShared, "for different things"),
]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [r[1:] for r in REFUSED],
    ids=[r[0] for r in REFUSED],
)
def test_refusal_names_type_and_field(annotation: Any, words: str) -> None:
    with pytest.raises(GenerationError, match=words) as caught:
        of(annotation)
    assert caught.value.path.startswith("Box.f")


def test_what_has_a_default_is_optional_and_null_is_as_good_as_absent() -> None:
    schema = part(Leaf)

    assert schema["required"] == ["name"]
    assert schema["properties"]["size"] == {"type": "integer", "format": "int64"}


def test_what_may_be_unset_is_optional() -> None:
    cls = msgspec.defstruct("Box", [("f", str | UnsetType, UNSET)])

    assert part(cls) == {"type": "object", "properties": {"f": {"type": "string"}}}


def test_null_stays_where_the_default_is_another_value() -> None:
    assert of(str | None, default="x") == {"type": "string", "nullable": True}


def test_a_list_of_objects_told_apart_by_a_field_is_a_map() -> None:
    schema = of(Annotated[tuple[Leaf, ...], Meta(extra={"unique": "name"})])

    assert schema[LIST_TYPE] == "map"
    assert schema["x-kubernetes-list-map-keys"] == ["name"]


def test_names_on_the_wire_are_those_of_the_type() -> None:
    cls = msgspec.defstruct("Box", [("ca_url", str, field(name="caURL"))], rename="camel")

    assert list(part(cls)["properties"]) == ["caURL"]


def test_fields_are_described_by_the_strings_below_them() -> None:
    assert part(Leaf)["properties"]["name"]["description"] == "Its name."


def test_inherited_fields_are_described_by_their_base() -> None:
    class Branch(Leaf, kw_only=True):
        """A branch."""

    assert part(Branch)["properties"]["name"]["description"] == "Its name."


def test_descriptions_end_with_a_sentence_within_the_limit() -> None:
    text = "First sentence. Second sentence."

    assert shortened(text, None) == text
    assert shortened(text, 32) == text
    assert shortened(text, 31) == "First sentence."
    assert shortened("No sentence ends here", 12) == "No sentence"
    assert "description" not in part(Leaf, descriptions=0)["properties"]["name"]


def test_what_stands_everywhere_is_described_in_the_reference_alone() -> None:
    assert "description" not in part(Leaf, undescribed=(Leaf,))["properties"]["name"]
    assert "description" in part(Leaf, undescribed=(Inner,))["properties"]["name"]


class Inner(Struct, frozen=True, kw_only=True):
    size: int = 3


class Outer(Struct, kw_only=True):
    inner: Inner = Inner()
    words: tuple[str, ...] = ("a",)
    none: tuple[str, ...] = ()
    text: str = ""


def test_defaults_are_emitted_where_asked_for_and_say_something() -> None:
    properties = part(Outer, defaults=True)["properties"]

    assert properties["inner"]["default"] == {}
    assert properties["inner"]["properties"]["size"]["default"] == 3
    assert properties["words"]["default"] == ["a"]
    assert "default" not in properties["none"]
    assert "default" not in properties["text"]


def test_no_default_is_emitted_otherwise() -> None:
    assert "default" not in str(part(Outer))


def test_a_default_of_a_variant_is_not_applied_to_the_others() -> None:
    assert "default" not in of(Cat | Dog, defaults=True)["properties"]["lives"]


def test_a_union_is_one_object_with_rules_for_its_variants() -> None:
    schema = of(Cat | Dog)

    assert schema["required"] == ["type"]
    assert schema["properties"]["type"] == {
        "type": "string",
        "enum": ["Cat", "Dog"],
        "description": "`Cat`: A cat. It purrs.\n`Dog`: A dog.",
    }
    assert [rule["rule"] for rule in schema[RULES]] == [
        "!has(self.lives) || self.type == 'Cat'",
        "!has(self.tricks) || self.type == 'Dog'",
        "has(self.tricks) || !(self.type == 'Dog')",
    ]
    assert schema["properties"]["shared"]["description"] == "Of a cat.\nOf a dog."


def test_rules_of_a_variant_are_silent_for_the_others() -> None:
    rules: Rules = {Cat: (Rule(expression="self.lives > 1", message="too few"),)}
    walker = Structural(Docs(), rules)
    cls = msgspec.defstruct("Box", [("f", Cat | Dog)])

    (rule,) = [r for r in walker.part(cls)["properties"]["f"][RULES] if r["message"] == "too few"]

    assert rule["rule"] == "!(self.type == 'Cat') || (self.lives > 1)"


COUNTS: list[tuple[OneOf, str, str]] = [
    (
        OneOf(fields=("a", "b")),
        "(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) == 1",
        "exactly one of a, b must be set",
    ),
    (
        OneOf(fields=("a", "b"), least=0),
        "!(has(self.a) && has(self.b))",
        "at most one of a and b may be set",
    ),
    (
        OneOf(fields=("a", "b", "many"), least=0),
        "(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) + "
        "(has(self.many) && size(self.many) > 0 ? 1 : 0) <= 1",
        "at most one of a, b and many may be set",
    ),
    (
        OneOf(fields=("a", "b"), most=None),
        "has(self.a) || has(self.b)",
        "at least one of a and b is required",
    ),
]


@pytest.mark.parametrize(("rule", "expression", "message"), COUNTS)
def test_how_many_fields_may_be_set_is_a_rule(rule: OneOf, expression: str, message: str) -> None:
    assert part(counting(Optional, rule))[RULES] == [{"rule": expression, "message": message}]


def test_a_rule_is_written_with_reason_and_field() -> None:
    rule = Rule(expression="has(self.a)", message="a!", reason="FieldValueRequired", field="a")

    assert part(Optional, {Optional: (rule,)})[RULES] == [
        {
            "rule": "has(self.a)",
            "message": "a!",
            "reason": "FieldValueRequired",
            "fieldPath": ".a",
        }
    ]


BAD_RULES: list[tuple[Rules, type[Struct]]] = [
    ({}, counting(Optional, OneOf(fields=("a", "x")))),
    ({}, counting(Leaf, OneOf(fields=("name", "size")))),
    ({Optional: (Rule(expression="true", message="m", field="x"),)}, Optional),
]


@pytest.mark.parametrize(("rules", "cls"), BAD_RULES)
def test_a_rule_over_fields_that_it_cannot_judge_is_refused(
    rules: Rules, cls: type[Struct]
) -> None:
    with pytest.raises(GenerationError, match=cls.__name__):
        part(cls, rules)


def test_an_optional_value_that_stays_neither_comes_nor_goes() -> None:
    annotation = Annotated[str, Meta(extra={"immutable": True})] | None
    cls = msgspec.defstruct("Box", [("f", annotation, None)])

    (rule,) = part(cls)[RULES]

    assert rule["rule"] == "has(oldSelf.f) == has(self.f)"


def test_recursion_ends_where_the_author_says_so() -> None:
    assert part(Escaped)["properties"]["child"] == {"type": "object", PRESERVE: True}


def test_names_that_rules_cannot_write_are_escaped() -> None:
    cls = msgspec.defstruct(
        "Box",
        [
            ("a", str | None, field(name="in", default=None)),
            ("b", str | None, field(name="x-y", default=None)),
        ],
    )

    (rule,) = part(counting(cls, OneOf(fields=("in", "x-y"), least=0)))[RULES]

    assert rule["rule"] == "!(has(self.__in__) && has(self.x__dash__y))"


def test_a_variant_alone_is_known_without_its_tag() -> None:
    schema = of(Dog)

    assert schema["required"] == ["tricks"]
    assert RULES not in schema
