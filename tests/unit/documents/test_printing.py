"""Problems in print."""

from __future__ import annotations

import json
from typing import Any

from machineadm.api.finding import Finding
from machineadm.documents import printing
from machineadm.documents.decoding import decode
from machineadm.documents.model import Problem, problem_at

TEXT = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec:\n  machine: {}\n"


def problem(**changes: Any) -> Problem:
    parts: dict[str, Any] = {
        "file": "node.yaml",
        "document": 1,
        "line": 14,
        "column": 7,
        "code": "MA1203",
        "path": "spec.x",
        "message": "unknown field",
    }
    return Problem(**{**parts, **changes})


def test_each_problem_is_a_line_and_its_hint_another() -> None:
    shown = printing.as_text([problem(), problem(path="", hint="do it")])

    assert shown == (
        "machineadm: 2 problems in node.yaml\n"
        "node.yaml:14:7: MA1203 spec.x: unknown field\n"
        "node.yaml:14:7: MA1203 unknown field\n"
        "  hint: do it\n"
    )


def test_the_headline_counts_problems_and_files() -> None:
    assert printing.as_text([problem()]).startswith("machineadm: 1 problem in node.yaml\n")
    assert printing.as_text([problem(), problem(file="b")]).startswith(
        "machineadm: 2 problems in 2 files\n"
    )


def test_json_has_all_parts() -> None:
    assert json.loads(printing.as_json([problem(hint="do it")])) == {
        "problems": [
            {
                "file": "node.yaml",
                "document": 1,
                "line": 14,
                "column": 7,
                "code": "MA1203",
                "severity": "error",
                "path": "spec.x",
                "message": "unknown field",
                "hint": "do it",
            }
        ]
    }


def test_a_finding_gets_the_place_of_its_field_and_does_nothing_to_a_terminal() -> None:
    (document,) = decode(TEXT.encode(), file="node.yaml")
    finding = Finding(
        code="MA1301", path="spec.machine.files", message="a\x1b[2J\nb", hint="c\u2028"
    )

    found = problem_at(document, finding)

    assert (found.line, found.column, found.path) == (4, 3, "spec.machine.files")
    assert (found.message, found.hint) == ("a\\x1b[2J\\nb", "c\\u2028")
