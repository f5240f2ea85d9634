"""Every class of fault is reported with its code and place; a near miss is not."""

import json

import pytest

from crd_corpus import planted
from crd_corpus.planted import Change
from crdlint.checking import check_file
from crdlint.model import Violation

CLASSES = [
    pytest.param(number, change, id=f"{number}-{index}-{change.where}")
    for number, changes in planted.PLANTED.items()
    for index, change in enumerate(changes)
]


def check(change: Change) -> list[Violation]:
    return check_file(json.dumps(planted.changed(change)).encode(), "crd.yaml")


def errors(change: Change) -> list[Violation]:
    return [v for v in check(change) if v.severity == "error"]


@pytest.mark.parametrize(("number", "change"), CLASSES)
def test_a_planted_fault_has_the_code_of_its_class_and_a_place(number: int, change: Change) -> None:
    found = errors(change)

    # An unknown key of the envelope has the code of the envelope.
    wanted = {f"CRD2{number:02d}"} | ({"CRD004"} if change.where == "crd.spec" else set())
    assert wanted & {v.code for v in found}, found
    assert all(v.path.startswith(("spec.", "metadata.")) for v in found)


@pytest.mark.parametrize("change", planted.ENVELOPE, ids=str)
def test_a_fault_of_the_envelope_is_told(change: Change) -> None:
    assert {v.code[:4] for v in errors(change)} & {"CRD1", "CRD2"}


@pytest.mark.parametrize("change", planted.ACCEPTED, ids=str)
def test_a_near_miss_is_not_refused(change: Change) -> None:
    assert errors(change) == []


def test_a_place_is_written_as_the_api_server_writes_it() -> None:
    (violation,) = errors(Change("tags.[]", {"pattern": "("}))

    assert violation.code == "CRD220"
    assert violation.path == (
        "spec.validation.openAPIV3Schema.properties[spec].properties[tags].items.pattern"
    )


def test_what_does_not_decode_is_told_once() -> None:
    found = errors(Change("count", {"type": ["integer", "null"]}))

    assert [v.code for v in found] == ["CRD205"]


def test_a_key_that_the_api_server_drops_without_a_word_is_a_warning() -> None:
    found = check(Change("tags.[]", {"maxlength": 3}))

    assert [(v.code, v.severity) for v in found] == [("CRD006", "warning")]
    assert "did you mean maxLength?" in found[0].message


def test_all_faults_of_a_crd_are_told_at_once() -> None:
    crd = planted.changed(Change("name", {"pattern": "(", "uniqueItems": True, "const": "x"}))
    crd["spec"]["group"] = "example"

    codes = {v.code for v in check_file(json.dumps(crd).encode(), "crd") if v.severity == "error"}

    assert {"CRD202", "CRD220", "CRD209", "CRD102", "CRD101"} <= codes


def test_a_rule_beyond_the_parser_is_not_judged_and_not_refused() -> None:
    # Deeper than the parser goes (its limit is its own), and well below the server's.
    deep = "(" * 60 + "true" + ")" * 60

    found = check(Change("name", {"x-kubernetes-validations": [{"rule": deep}]}))

    assert [(v.code, v.severity) for v in found] == [("CRD501", "warning")]
