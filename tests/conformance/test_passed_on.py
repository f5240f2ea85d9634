"""What the agent refuses of a document that is passed on, its reader refuses; what the reader takes, the agent takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from machineadm.api.finding import Finding
from machineadm.config import upstream
from machineadm.config.passed_on import judged
from tests.judges import judges
from tests.passed_on_cases import RIGHT, Case, cases

MINOR = 34
"""That of the judge."""

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
    "illegal base64",
)


def types(root: str) -> dict[str, dict[str, str]]:
    """The types of a document, and the kinds of their fields."""
    found: dict[str, dict[str, str]] = {}
    todo = [root]
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


def ways(root: str, kinds: dict[str, dict[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """The fields that lead to each type."""
    found: dict[str, list[tuple[str, str]]] = {root: []}
    todo = [root]
    while todo:
        name = todo.pop(0)
        for field, kind in kinds[name].items():
            bare = kind.lstrip("[]{}")
            if bare in kinds and bare not in found:
                found[bare] = [*found[name], (field, kind)]
                todo.append(bare)
    return found


def documents(kind: str) -> Iterator[dict[str, Any]]:
    """Every field with every value, and every field mistyped."""
    served = upstream.fields()["kinds"][kind]
    version, root = next(
        (name, type_) for name, (type_, where) in served.items() if upstream.holds(where, MINOR)
    )
    kinds = types(root)
    for type_, way in ways(root, kinds).items():
        for name in kinds[type_].keys() - {"apiVersion", "kind"}:
            for inner in [*({name: value} for value in VALUES), {f"{name}s": 1}]:
                for field, outer in reversed(way):
                    whole: Any = [inner] if outer.startswith("[]") else inner
                    inner = {field: {"a": inner} if outer.startswith("{}") else whole}
                yield {"apiVersion": version, "kind": kind, **inner}


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


@pytest.mark.parametrize("kind", sorted(RIGHT.keys() - {"AdmissionConfiguration"}))
def test_no_field_and_no_value_that_is_read_is_refused_and_no_mistyped_field_passes(
    kind: str,
) -> None:
    whole = list(documents(kind))
    assert len(whole) > 200
    theirs = {
        index
        for index, messages in refused(whole).items()
        if any(word in message for message in messages for word in DECODING)
    }

    ours = {
        index
        for index, document in enumerate(whole)
        if any(is_about_fields(each) for each in judged(document, "", kind, MINOR))
    }

    assert [whole[index] for index in sorted(ours - theirs)] == []
    assert [whole[index] for index in sorted(theirs - ours)] == []


def is_about_fields(problem: Finding) -> bool:
    """What a decoder says, too; of a word that is none of an enumeration only validation speaks."""
    return problem.code == "MA1324" and "is not one of its values" not in problem.message
