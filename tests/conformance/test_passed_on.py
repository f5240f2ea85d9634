"""What the agent refuses of a document that is passed on, its reader refuses; what the reader takes, the agent takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from machineadm.config import upstream
from machineadm.config.passed_on import judged
from tests.judges import judges
from tests.passed_on_cases import RIGHT, Case, cases

MINOR = 34
"""That of the judge."""

HEAD = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
VALUES: tuple[Any, ...] = (
    "1s",
    "",
    5,
    0.5,
    True,
    [],
    {},
    ["a"],
    [{}],
    {"a": "b"},
    {"a": {}},
    {"a": ["b"]},
)
DECODING = (
    "unknown field",
    "cannot unmarshal",
    "json:",
    "strict decoding",
    "quantities must",
    "time: ",
    "parsing time",
)


def types() -> dict[str, dict[str, str]]:
    """The types of a KubeletConfiguration, and the kinds of their fields."""
    found: dict[str, dict[str, str]] = {}
    todo = ["kubelet.KubeletConfiguration"]
    while todo:
        name = todo.pop()
        if name in found or name not in upstream.fields()["types"]:
            continue
        kinds = {
            field: upstream.at(entry, MINOR)
            for field, entry in upstream.fields()["types"][name].items()
        }
        found[name] = {field: kind for field, kind in kinds.items() if kind is not None}
        todo += [kind.lstrip("[]{}") for kind in found[name].values()]
    return found


def around(type_: str, inner: dict[str, Any]) -> dict[str, Any] | None:
    """A whole document with a value of some type in it."""
    if type_ == "kubelet.KubeletConfiguration":
        return inner
    for outer, fields in types().items():
        for name, kind in fields.items():
            if kind in (type_, f"[]{type_}"):
                return around(outer, {name: [inner] if kind.startswith("[]") else inner})
    return None


def documents() -> Iterator[dict[str, Any]]:
    """Every field with every value, and every field mistyped."""
    for type_, fields in types().items():
        for name in fields.keys() - HEAD.keys():
            for inner in [*({name: value} for value in VALUES), {f"{name}s": 1}]:
                document = around(type_, inner)
                if document is not None:
                    yield HEAD | document


def refused(whole: list[dict[str, Any]]) -> dict[int, list[str]]:
    """What the real readers say against documents, by their places in the list."""
    found: dict[int, list[str]] = {}
    for problem in judges.component_validate("\n---\n".join(map(json.dumps, whole))):
        found.setdefault(problem.document, []).append(problem.message)
    return found


def test_what_is_refused_of_a_document_its_reader_refuses_too() -> None:
    asked: list[Case] = [case for case in cases() if case.known_to_judge]

    told = refused([case.document for case in asked])

    assert [case.name for index, case in enumerate(asked) if index not in told] == []


def test_right_documents_are_right_to_their_readers() -> None:
    assert refused(list(RIGHT.values())) == {}


def test_no_field_and_no_value_that_a_kubelet_reads_is_refused_and_no_mistyped_field_passes() -> (
    None
):
    whole = list(documents())
    assert len(whole) > 1500
    theirs = {
        index
        for index, messages in refused(whole).items()
        if any(word in message for message in messages for word in DECODING)
    }

    ours = {
        index
        for index, document in enumerate(whole)
        if any(
            each.code == "MA1324" for each in judged(document, "", "KubeletConfiguration", MINOR)
        )
    }

    assert [whole[index] for index in sorted(ours - theirs) if not is_enum(whole[index])] == []
    assert [whole[index] for index in sorted(theirs - ours)] == []


def is_enum(document: dict[str, Any]) -> bool:
    """A word that is none of an enumeration: a kubelet says so, though not when it decodes it."""
    said = [each.message for each in judged(document, "", "KubeletConfiguration", MINOR)]
    return any("is not one of its values" in each for each in said)
