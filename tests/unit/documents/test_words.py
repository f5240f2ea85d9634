"""What types declare is understood: every pattern has its words, every key its check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from machineadm.api.scheme import KINDS
from machineadm.documents.formats import FORMATS
from machineadm.documents.patterns import in_words, known

KEYS = {"expected", "oneLine", "minLength", "maxLength", "pattern", "unique", "format"}


def declared(type_: inspect.Type, seen: set[type]) -> Iterator[dict[str, Any]]:
    """All that the fields of a type declare."""
    if isinstance(type_, inspect.Metadata):
        yield type_.extra or {}
        yield from declared(type_.type, seen)
    elif isinstance(type_, inspect.UnionType):
        for member in type_.types:
            yield from declared(member, seen)
    elif isinstance(type_, inspect.VarTupleType):
        yield from declared(type_.item_type, seen)
    elif isinstance(type_, inspect.DictType):
        yield from declared(type_.key_type, seen)
        yield from declared(type_.value_type, seen)
    elif isinstance(type_, inspect.StructType) and type_.cls not in seen:
        seen.add(type_.cls)
        for field in type_.fields:
            yield from declared(field.type, seen)


DECLARED = [each for cls in KINDS.values() for each in declared(inspect.type_info(cls), set())]


def test_every_pattern_of_the_types_has_words() -> None:
    patterns = {
        each["pattern"] for each in DECLARED if "pattern" in each and "expected" not in each
    }

    assert patterns - known() == set()
    assert len(patterns) > 20


def test_every_key_and_format_of_the_types_is_known() -> None:
    assert {key for each in DECLARED for key in each} <= KEYS
    assert {each["format"] for each in DECLARED if "format" in each} <= set(FORMATS)


def test_a_pattern_without_words_is_shown_itself() -> None:
    assert in_words("^x+$") == "does not match ^x+$"


PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

GOOD = {
    "base64": ["", "QQ==", "QUI=", "QUJD", "QU\nJD\n"],
    "cidr": ["10.0.0.0/8", "fd00::/8", "10.0.0.1/8"],
    "duration": ["90s", "1h30m", "1.5s"],
    "ip": ["10.0.0.1", "fd00::1"],
    "pem": [PEM, PEM * 2, "text around\n" + PEM, PEM.replace("\n", "\r\n")],
    "quantity": ["1", "100Mi", "500m", ".5", "1e3"],
    "semver": ["v1.34.4", "1.2.3-rc.1+build"],
    "url": ["https://example.com", "http://[fd00::1]:80/a?b#c", "unix:///run/a.sock", "file:///a"],
}
BAD = {
    "base64": ["QQ", "QQ=", "Q Q=*", "QUJD=", "QU-_"],
    "cidr": ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/8/8"],
    "duration": ["90", "1s1", "s", "999999999h"],
    "ip": ["10.0.0.256", "10.0.0", "x"],
    "pem": [
        "",
        "AAAA",
        PEM.replace("END", "BEGIN"),
        PEM.replace("AAAA", "A"),
        PEM.replace("END CERTIFICATE", "END KEY"),
        PEM[:-20],
        PEM + PEM[:30],
    ],
    "quantity": ["", "1 Mi", "Mi", "1mi"],
    "semver": ["v1", "v1.2", "v01.2.3", "v1.2.3-01"],
    "url": ["example.com", "https://", "http://a:99999", "http://a b", "https:///path"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in GOOD for text in GOOD[name]])
def test_a_text_of_the_format_is_accepted(name: str, text: str) -> None:
    assert FORMATS[name](text) == ""


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in BAD for text in BAD[name]])
def test_a_text_of_another_form_is_told_what_is_wanted(name: str, text: str) -> None:
    assert FORMATS[name](text)


def test_every_format_is_tried() -> None:
    assert set(GOOD) == set(BAD) == set(FORMATS)
