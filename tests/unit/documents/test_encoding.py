"""What we write for others reads back the same, whoever reads it."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from machineadm.documents.encoding import encode_json, encode_yaml, encode_yaml_stream
from machineadm.redaction import Secret

TRICKY = [
    "y", "n", "yes", "no", "on", "off", "null", "~", "", "true", "1e3", "0o17", "012", "0x1f",
    "1:30", "2001-01-01", "1_000", ".inf", "<<", "=", "a: b", "# no", "- x", "tab\there",
    "two\nlines", "trailing ", " leading", "\u2028", "\x85", "\ufeff", "\x7f", "é", "😀", "%a", "@",
    "`", "|", ">", "{}", "[]", "'", '"', "\\", "\x00\x1f",
]  # fmt: skip

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
    | st.sampled_from(TRICKY)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(TRICKY) | st.text(st.characters(codec="utf-8")), inner)
    ),
    max_leaves=20,
)


class Login(msgspec.Struct, rename="camel"):
    user_name: str
    password: Secret | None = None


@given(values)
def test_a_yaml_reader_gets_back_what_was_written(value: Any) -> None:
    assert yaml.load(encode_yaml(value), yaml.CSafeLoader) == value


@pytest.mark.parametrize("text", TRICKY)
def test_a_string_is_written_in_double_quotes_whatever_it_looks_like(text: str) -> None:
    written = encode_yaml({"value": text}).decode()

    assert written.startswith('value: "')
    assert written.endswith('"\n')


@pytest.mark.parametrize("text", TRICKY)
def test_a_map_key_is_never_taken_for_anything_but_a_string(text: str) -> None:
    assert yaml.load(encode_yaml({text: 1}), yaml.SafeLoader) == {text: 1}


def test_yaml_is_written_in_block_style_with_names_as_on_the_wire() -> None:
    value = {"files": [{"path": "/a", "tags": ["x", []]}, {}], "login": Login("me"), "count": 3}

    assert encode_yaml(value).decode() == (
        'files:\n  - path: "/a"\n    tags:\n      - "x"\n      - []\n  - {}\n'
        'login:\n  userName: "me"\n  password: null\ncount: 3\n'
    )


def test_a_stream_is_separated_so_that_a_reader_sees_each_document() -> None:
    stream = encode_yaml_stream([{"a": 1}, {"b": [1]}])

    assert list(yaml.load_all(stream, yaml.CSafeLoader)) == [{"a": 1}, {"b": [1]}]


def test_secrets_are_masked_unless_they_are_asked_for() -> None:
    login = Login("me", Secret("hunter22"))

    assert b"hunter22" not in encode_yaml(login) + encode_json(login)
    assert b'"hunter22"' in encode_yaml(login, reveal=True)
    assert json.loads(encode_json(login, reveal=True)) == {"userName": "me", "password": "hunter22"}


@pytest.mark.parametrize("number", [1e300, 5e-324, 1e16, -0.0, 1.5])
def test_a_number_is_written_so_that_yaml_1_1_takes_it_for_one(number: float) -> None:
    assert yaml.load(encode_yaml([number]), yaml.SafeLoader) == [number]


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        encode_yaml([number])


def test_an_object_of_an_unknown_class_is_not_written() -> None:
    with pytest.raises(NotImplementedError):
        encode_json(object())
