"""Bytes are read as kubectl reads them; what cannot be read is reported, never as a traceback."""

import json
import random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crd_corpus.base import base
from crd_corpus.mutations import mutate
from crdlint.checking import check_file
from crdlint.reading import ReadingError, read

# As many as a few seconds allow.
MUTATED_FILES = 2000


def values(text: str) -> object:
    return [d.value for d in read(text.encode())]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", True),
        ("a: n", False),
        # YAML 1.1's octal, as a file's mode is written.
        ("a: 0640", 416),
        ("a: 0o17", 15),
        ("a: 0x1F", 31),
        ("a: 1_000", 1000),
        # No octal number, so it is a float to go-yaml, and JSON writes it as 8.
        ("a: 08", 8),
        ("a: 1e3", 1000),
        ("a: 1.5", 1.5),
        # A timestamp to YAML 1.1, which go-yaml leaves as text.
        ("a: 2020-01-01", "2020-01-01"),
        ("a: 1:30", "1:30"),
        ("a: ~", None),
        ("a: '1'", "1"),
        ("a: !!str 1", "1"),
        ("a: 99999999999999999999", 1e20),
        ('{"a": "\\ud83d\\ude00"}', "\U0001f600"),
        ("a: &x 1\nb: *x", 1),
        ("x: &x {a: 1}\n<<: *x", 1),
    ],
)
def test_a_scalar_is_what_it_is_to_go(text: str, value: object) -> None:
    (document,) = read(text.encode())

    assert document.value["a"] == value
    assert type(document.value["a"]) is type(value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff\xfe", "UTF-8"),
        (b"a: [", "not YAML"),
        (b"a: .inf", "JSON cannot write"),
        (b"? [a]\n: 1", "not a string"),
        (b"a: *x", "alias without an anchor"),
        (b"a: &x [*x]", "alias to its own anchor"),
        # Deeper than Python's stack would go, so it must be noticed by counting.
        (b"[" * 500 + b"]" * 500, "nested"),
        (
            # A billion laughs: ten to the ninth values in a few hundred bytes.
            b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (98 + i, 98 + i, b",".join([b"*%c" % (97 + i)] * 10))
                for i in range(8)
            ),
            "too large",
        ),
    ],
)
def test_what_cannot_be_read_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ReadingError) as caught:
        read(data)

    assert words in caught.value.message


def test_a_key_that_appears_twice_is_told_with_its_line() -> None:
    (document,) = read(b"a: 1\nb: 2\na: 3\n")

    assert document.problems == [("CRD003", "the key 'a' appears more than once", 3)]


def test_a_violation_names_the_line_of_its_place() -> None:
    crd = base()
    crd["spec"]["scope"] = "Nowhere"
    text = yaml.safe_dump(crd, sort_keys=False)

    (violation,) = check_file(text.encode(), "crd.yaml")

    assert text.splitlines()[violation.line - 1] == "  scope: Nowhere"


def test_a_list_of_crds_is_checked_item_by_item() -> None:
    wrong = base()
    wrong["spec"]["scope"] = "Nowhere"
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": [base(), wrong]})

    assert [(v.code, v.document) for v in check_file(text.encode(), "crds")] == [("CRD104", 2)]


def test_a_file_without_a_crd_is_refused() -> None:
    found = check_file(b"apiVersion: v1\nkind: Namespace\n", "ns.yaml")

    assert [(v.code, v.severity) for v in found] == [("CRD500", "warning"), ("CRD002", "error")]


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_no_bytes_give_a_traceback(data: bytes) -> None:
    # No random bytes are a definition, so there is always something to tell.
    assert check_file(data, "file")


def test_no_mutated_file_gives_a_traceback() -> None:
    r = random.Random(7)  # noqa: S311 nothing is secret here
    text = yaml.safe_dump(base(), width=100)
    outcomes = set()
    for number in range(MUTATED_FILES):
        # Half of them torn as text, for the reader; half changed as values, for the checks.
        if number % 2:
            data = json.dumps(mutate(base(), r, r.choice([1, 2, 5, 20]))).encode()
        else:
            data = torn(text.encode(), r)
        outcomes.add(bool(check_file(data, "file")))
    # Both kinds, or the mutations would be too weak, or too strong, to try anything.
    assert outcomes == {True, False}


def torn(data: bytes, r: random.Random) -> bytes:
    """Bytes with a part lost, doubled or overwritten."""
    start = r.randrange(len(data))
    end = min(len(data), start + r.choice([1, 1, 2, 5, 40, 400]))
    noise = bytes(r.randrange(256) for _ in range(r.randrange(4)))
    middle = r.choice([b"", noise, data[start:end] * 2, b"\t", b"- ", b": ", b"{", b"&a ", b"*a"])
    return data[:start] + middle + data[end:]
