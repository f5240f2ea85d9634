"""Bytes that are not a document of ours: limits, encodings, broken syntax, streams of several documents."""

from __future__ import annotations

import codecs
import json

import pytest

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.decoding import decode
from machineadm.documents.limits import MAX_NODES
from machineadm.documents.source import MAX_BYTES

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"
GOOD = HEAD + "spec: {}\n"
GOOD_JSON = json.dumps(
    {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {},
    }
)
DEEP = 1_000_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

REFUSED: dict[str, tuple[bytes, str, int, int]] = {
    "an empty file": (b"", "MA1001", 1, 1),
    "blanks alone": (b" \n\n", "MA1001", 1, 1),
    "comments alone": (b"# nothing\n---\n# here\n", "MA1001", 1, 1),
    "a byte order mark alone": (codecs.BOM_UTF8, "MA1001", 1, 1),
    "too many bytes": (b"#" * (MAX_BYTES + 1), "MA1002", 1, 1),
    "UTF-16": (GOOD.encode("utf-16"), "MA1003", 1, 1),
    "UTF-16 of the other end": (codecs.BOM_UTF16_BE + GOOD.encode("utf-16-be"), "MA1003", 1, 1),
    "UTF-32": (GOOD.encode("utf-32"), "MA1003", 1, 1),
    "Latin-1": (b"a: 1\nk\xc3\xb6: \xe9\n", "MA1003", 2, 5),
    "NUL": (b"a: 1\nb: \x00\n", "MA1004", 2, 4),
    "an escape": (b"a: \x1b[0m\n", "MA1004", 1, 4),
    "a line separator": ("ö: \u2028\n".encode(), "MA1004", 1, 4),
    "a tab that indents": (b"a:\n\tb: 1\n", "MA1014", 2, 1),
    "a bracket that does not close": (b"a: [1, 2\nb: 3\n", "MA1005", 2, 2),
    "a colon in a value": (b"a: b: c\n", "MA1005", 1, 5),
    "a quote that does not close": (b'a: "x\n', "MA1005", 2, 1),
    "an unknown alias": (b"a: *nobody\n", "MA1009", 1, 4),
    "an alias of what it stands in": (b"a: &a [*a]\n", "MA1009", 1, 8),
    "an alias bomb": (BOMB.encode(), "MA1009", 6, 11),
    "a long text often repeated": (
        b"a: &a " + b"x" * 100_000 + b"\nb: [" + b"*a, " * 999 + b"]\n",
        "MA1009",
        2,
        673,
    ),
    "too many values": (b"a: [" + b"1," * MAX_NODES + b"]", "MA1008", 1, 399_999),
    "too many documents": (b"---\n" * 1001, "MA1015", 1001, 1),
    "too many documents of JSON": (b"[]\n" + b"---\n{}" + b"{}\n" * 1000, "MA1015", 1001, 1),
    "a tagged document": (b"--- !secret\na: 1\n", "MA1010", 1, 5),
    "brackets, 1,000,000 deep": (b"[" * DEEP, "MA1007", 1, 101),
    "braces, 1,000,000 deep": (b"x: " + b"{a: " * DEEP, "MA1007", 1, 400),
    "dashes, 1,000,000 deep": (b"- " * DEEP, "MA1007", 1, 201),
    "question marks, 1,000,000 deep": (b"? " * DEEP, "MA1007", 1, 201),
    "indentation, 101 deep": (
        "".join(f"{' ' * level}a:\n" for level in range(101)).encode(),
        "MA1007",
        101,
        101,
    ),
    "JSON, 1,000,000 deep": (b'{"a":' * DEEP, "MA1007", 1, 501),
    "JSON lists, 1,000,000 deep": (b'{"a":' + b"[" * DEEP, "MA1007", 1, 105),
    "JSON that ends too soon": (b'{"a": {"b": 1', "MA1006", 1, 14),
    "JSON with a comma too many": (b'{"a": 1,\n}', "MA1006", 2, 1),
    "JSON with a bare key": (b"{a: 1}", "MA1006", 1, 2),
    "JSON with a bare word": (b'{"a": yes}', "MA1006", 1, 7),
    "JSON with an octal number": (b'{"a": 0644}', "MA1006", 1, 7),
    "JSON with a line break in a text": (b'{"a": "x\ny"}', "MA1006", 1, 7),
    "JSON with half a surrogate pair": (rb'{"a": "\ud83d"}', "MA1006", 1, 7),
    "JSON with a number beyond all range": (b'{"a": 1e999}', "MA1006", 1, 7),
    "JSON with a comment behind": (GOOD_JSON.encode() + b" # done", "MA1006", 1, 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_a_coded_problem_with_a_place(name: str) -> None:
    data, code, line, column = REFUSED[name]

    document = decode(data, file="node.yaml")[-1]

    assert document.value is None
    problem = document.problems[0]
    assert (problem.code, problem.line) == (code, line)
    assert problem.column == (column or len(GOOD_JSON) + 2)


def test_four_mebibytes_of_files_are_fine() -> None:
    content = "".join(f"        line {number:040}\n" for number in range(80_000))
    text = HEAD + f"spec:\n  machine:\n    files:\n    - path: /a\n      content: |\n{content}"
    assert len(text) > 4 * 1024 * 1024

    # More than one file may hold, so it is the content's own limit that speaks, not the stream's.
    (problem,) = decode(text.encode(), file="big.yaml")[0].problems
    assert problem.code == "MA1105"


def test_json_may_hold_what_yaml_may_not() -> None:
    text = GOOD_JSON.replace(
        '"spec"', '"metadata": {"annotations": {"a": "\u2028\x7f\x85"}}, "spec"'
    )

    (document,) = decode(text.encode(), file="node.json")

    assert document.problems == ()
    assert document.value.metadata.annotations == {"a": "\u2028\x7f\x85"}


STREAMS = {
    "two documents": (GOOD + "---\n" + GOOD, 2),
    "markers all around": (f"---\n{GOOD}---\n{GOOD}---\n", 2),
    "an end marker": (f"{GOOD}...\n---\n{GOOD}...\n", 2),
    "a directive for each": (f"%YAML 1.2\n---\n{GOOD}...\n%YAML 1.1\n---\n{GOOD}", 2),
    "comments between": (f"# one\n{GOOD}--- # two\n{GOOD}# end\n", 2),
    "JSON lines": (f"{GOOD_JSON}\n{GOOD_JSON}\n", 2),
    "JSON without anything between": (GOOD_JSON + GOOD_JSON, 2),
    "JSON between markers": (f"---\n{GOOD_JSON}\n---\n{GOOD_JSON}", 2),
    "JSON behind a marker": (f"--- {GOOD_JSON}\n", 1),
    "YAML and JSON": (f"{GOOD}---\n{GOOD_JSON}\n---\n{GOOD}", 3),
    "carriage returns": (f"{GOOD}---\n{GOOD}".replace("\n", "\r\n"), 2),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_has_its_documents(name: str) -> None:
    text, count = STREAMS[name]

    documents = decode(text.encode(), file="node.yaml")

    assert [document.problems for document in documents] == [()] * count
    assert [document.index for document in documents] == list(range(1, count + 1))
    assert all(isinstance(document.value, MachineConfiguration) for document in documents)


def test_a_tag_handle_is_refused_though_nothing_uses_it() -> None:
    (document,) = decode(f"%TAG ! tag:example.com,2026:\n---\n{GOOD}".encode(), file="node.yaml")

    assert [(each.code, each.line) for each in document.problems] == [("MA1012", 1)]


def test_a_marker_in_a_block_scalar_is_text() -> None:
    body = (
        "spec:\n  machine:\n    files:\n    - path: /a\n      content: |\n        ---\n        a\n"
    )

    (document,) = decode((HEAD + body).encode(), file="node.yaml")

    assert document.value.spec.machine.files[0].content == "---\na\n"


def test_one_bad_document_does_not_hide_the_others() -> None:
    text = f"a: [\n---\n{GOOD}---\n{{\n---\n{HEAD}spec: {{wrong: 1}}\n"

    documents = decode(text.encode(), file="node.yaml")

    found = [[(each.code, each.line) for each in document.problems] for document in documents]
    assert found == [[("MA1005", 2)], [], [("MA1006", 8)], [("MA1203", 11)]]
    assert [document.index for document in documents] == [1, 2, 3, 4]


def test_lines_count_over_the_whole_stream_and_columns_in_code_points() -> None:
    text = f"{GOOD}---\r\n{HEAD}spec: {{'ö😀': 1, \"a\\u00e9\": 2}}\n"

    first, second = decode(text.encode(), file="node.yaml")[1].problems

    assert (first.line, first.column) == (7, 8)
    assert (second.line, second.column) == (7, 17)


def test_a_stream_that_spends_the_limits_is_read_no_further() -> None:
    half = "a: [" + "1," * (MAX_NODES // 2) + "]\n---\n"

    documents = decode((half * 5).encode(), file="node.yaml")

    assert [document.problems[-1].code for document in documents] == ["MA1201", "MA1008"]
