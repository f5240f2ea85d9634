"""A provider's inputs are judged by what its descriptor says; no message holds a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from machineadm.plugins.inspection import describing
from machineadm.plugins.inspection.conformance import scafctl
from machineadm.plugins.kinds.schema import problems, schema_of
from machineadm.plugins.proto import scafctl_pb2 as pb

OBJECT = {
    "type": "object",
    "required": ["path"],
    "properties": {
        "path": {"type": "string", "minLength": 2, "maxLength": 9, "pattern": "^[a-z]+$"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "mode": {"enum": ["fast", "slow"]},
        "tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        "deep": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "either": {"type": ["string", "null"]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "path is required"),
        ({"path": 1}, "path expects string, got integer"),
        ({"path": "a"}, "path must have at least 2 characters"),
        ({"path": "a" * 10}, "path must have at most 9 characters"),
        ({"path": "aB"}, "path does not match ^[a-z]+$"),
        ({"path": "ab", "count": 0}, "count must be at least 1"),
        ({"path": "ab", "count": 10}, "count must be at most 9"),
        ({"path": "ab", "count": 1.5}, "count expects integer, got number"),
        ({"path": "ab", "count": True}, "count expects integer, got boolean"),
        ({"path": "ab", "share": 0}, "share must be more than 0"),
        ({"path": "ab", "share": 1.0}, "share must be less than 1"),
        ({"path": "ab", "mode": "s3cret"}, 'mode must be one of "fast", "slow"'),
        ({"path": "ab", "tags": []}, "tags must have at least 1 items"),
        ({"path": "ab", "tags": ["a", "b", "c"]}, "tags must have at most 2 items"),
        ({"path": "ab", "tags": ["a", {}]}, "tags[1] expects string, got object"),
        ({"path": "ab", "deep": {"x": 1}}, "deep.x expects boolean, got integer"),
        ({"path": "ab", "either": 1}, "either expects string or null, got integer"),
        ({"path": "ab", "more": 1}, "more is not known"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(inputs: dict[str, Any], told: str) -> None:
    assert list(problems(inputs, OBJECT)) == [told]


@pytest.mark.parametrize(
    "inputs",
    [
        {"path": "ab"},
        {
            "path": "ab",
            "count": 9.0,
            "share": 0.5,
            "mode": "fast",
            "tags": ["a"],
            "deep": {"x": True},
        },
        {"path": "ab", "either": None},
    ],
)
def test_what_is_right_passes(inputs: dict[str, Any]) -> None:
    assert list(problems(inputs, OBJECT)) == []


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"type": "mystery"},
        {"pattern": "(?<x"},
        {"properties": []},
        {"required": 3},
        {"minLength": "a"},
        {"enum": 5},
        {"enum": "text"},
        {"enum": {"text": 1}},
        {"enum": None},
        {"required": [["x"], {"x": 1}, 3]},
        {"pattern": "a{99999999999}"},
        {"pattern": "(" * 5000 + ")" * 5000},
        {"pattern": r"(x)\\1"},
        {"pattern": "(?<=x)x"},
    ],
)
def test_a_schema_that_says_nothing_that_is_known_lets_all_pass(schema: Any) -> None:
    assert list(problems("text", schema)) == []
    assert list(problems({"a": "b"}, schema)) == []


def test_a_schema_that_refers_to_itself_in_depth_ends() -> None:
    schema: dict[str, Any] = {"items": {}}
    schema["items"] = schema
    value: list[Any] = []
    for _ in range(200):
        value = [value]

    assert list(problems(value, schema)) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "^(x+)+$",
        "^(x|x)*$",
        "^(x*)*y",
        "^(a|x){9,}$",
        "^(.*)*(.*)*$",
        "x*x*x*x*x*x*y",
        "x?x?x?x?x?xxxxxy",
    ],
)
def test_a_pattern_that_would_take_for_ever_is_the_provider_s_alone(pattern: str) -> None:
    value = "x" * 200 + "!"

    assert list(problems(value, {"pattern": pattern})) == []


def test_a_text_that_is_too_long_for_its_pattern_is_the_provider_s_alone() -> None:
    schema = {"pattern": "^x*x*x*y$"}

    assert list(problems("x" * 40, schema)) == ["it does not match ^x*x*x*y$"]
    assert list(problems("x" * 100_000, schema)) == []


@pytest.mark.parametrize(
    "pattern", [r"^v?[0-9]+\.[0-9]+\.[0-9]+$", "^[a-z]([a-z0-9-]*[a-z0-9])?$", "^(?:a|b)x{1,3}$"]
)
def test_a_pattern_as_they_are_written_is_judged(pattern: str) -> None:
    assert list(problems("no such Text", {"pattern": pattern})) == [f"it does not match {pattern}"]


@pytest.mark.parametrize("digits", [2, 400, 4000])
def test_a_bound_of_many_digits_is_told(digits: int) -> None:
    bound = 10**digits

    assert list(problems(5, {"minimum": bound})) == [f"it must be at least {bound}"]


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "9" * 5000, '"\\ud800'])
def test_a_schema_that_cannot_be_read_is_none(text: str) -> None:
    parameters = {"a": pb.Parameter(type="string", enum_values=[text.encode()])}

    assert schema_of(pb.ProviderDescriptor(raw_schema=text.encode())) == {}
    assert schema_of(pb.ProviderDescriptor(schema=pb.Schema(parameters=parameters))) == {
        "type": "object",
        "required": [],
        "properties": {"a": {"type": "string"}},
    }


def test_the_schema_as_written_comes_before_the_parameters() -> None:
    parameters = {"path": pb.Parameter(type="string", required=True, min_length=2)}
    structured = pb.ProviderDescriptor(schema=pb.Schema(parameters=parameters))
    written = pb.ProviderDescriptor(
        schema=pb.Schema(parameters=parameters), raw_schema=json.dumps(OBJECT).encode()
    )

    assert schema_of(written) == OBJECT
    assert schema_of(structured) == {
        "type": "object",
        "required": ["path"],
        "properties": {"path": {"type": "string", "minLength": 2}},
    }
    assert schema_of(pb.ProviderDescriptor(raw_schema=b"no JSON")) == {}


def test_bounds_of_a_parameter_count_only_where_they_are_said() -> None:
    parameter = pb.Parameter(
        type="number",
        has_minimum=True,
        minimum=0,
        maximum=0,
        has_exclusive_maximum=True,
        exclusive_maximum=5,
        enum_values=[b"1", b"no JSON", b'"a"'],
        pattern="x",
        max_items=3,
    )
    descriptor = pb.ProviderDescriptor(schema=pb.Schema(parameters={"a": parameter}))

    assert schema_of(descriptor)["properties"]["a"] == {
        "type": "number",
        "minimum": 0,
        "exclusiveMaximum": 5,
        "enum": [1, "a"],
        "pattern": "x",
        "maxItems": 3,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": 5},
        {"enum": None},
        {"enum": "abc"},
        {"required": [["a"]]},
        {"required": [{"a": 1}, None]},
        {"pattern": "(" * 3000 + ")" * 3000},
        {"pattern": "x{99999999999}"},
        {"pattern": "^[[:alpha:]]+$"},
        {"pattern": "[^[:digit:]]{2}"},
    ],
)
@pytest.mark.parametrize("value", ["text", 1, {"a": "b"}])
def test_a_keyword_in_a_form_that_is_not_judged_lets_all_pass(schema: Any, value: Any) -> None:
    assert list(problems(value, schema)) == []


@pytest.mark.parametrize(
    ("bound", "shown"),
    [
        (1048577, "1048577"),
        (1048577.0, "1048577"),
        (2**40 + 0.0, "1099511627776"),
        (0.25, "0.25"),
        (1e300, "1e+300"),
        (10**400, "1" + "0" * 400),
    ],
)
def test_a_bound_is_told_with_all_its_digits(bound: float, shown: str) -> None:
    assert list(problems(-1, {"minimum": bound})) == [f"it must be at least {shown}"]


@pytest.mark.parametrize("depth", [5_000, 200_000])
def test_json_that_is_nested_too_deep_says_nothing(depth: int) -> None:
    deep = b"[" * depth

    assert schema_of(pb.ProviderDescriptor(raw_schema=deep)) == {}
    assert describing._json(deep) is None
    assert scafctl._json(deep) is None
    parameter = pb.Parameter(type="string", enum_values=[deep, b'"a"'])
    described = pb.ProviderDescriptor(schema=pb.Schema(parameters={"x": parameter}))
    assert schema_of(described)["properties"]["x"]["enum"] == ["a"]
