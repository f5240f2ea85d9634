"""A released version goes on taking what it took."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crd_corpus.base import base
from crdlint import command
from crdlint.checking import check_file
from crdlint.model import Violation
from crdlint.released import Released

Edit = Callable[[dict[str, Any]], object]


def spec(crd: dict[str, Any]) -> dict[str, Any]:
    # The author's part, in which nearly all changes are made.
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][
        "spec"
    ]
    return found


def compared(edit: Edit) -> list[Violation]:
    """What is found when the released CRD becomes another."""
    crd = copy.deepcopy(base())
    edit(spec(crd))
    found = check_file(json.dumps(crd).encode(), "crd", Released([base()]))
    # Only of the comparison: an edit may break other rules as well.
    return [v for v in found if v.code.startswith("CRD4")]


@pytest.mark.parametrize(
    ("code", "edit"),
    [
        ("CRD403", lambda s: s["properties"].pop("data")),
        ("CRD404", lambda s: s["properties"]["name"].update(type="integer")),
        ("CRD404", lambda s: s["properties"]["maybe"].pop("nullable")),
        ("CRD404", lambda s: s["properties"]["tags"].update({"x-kubernetes-list-type": "atomic"})),
        ("CRD405", lambda s: s["properties"]["name"].update(maxLength=19)),
        ("CRD405", lambda s: s["properties"]["count"].update(minimum=1)),
        # There was none: a new bound is tighter than no bound.
        ("CRD405", lambda s: s["properties"]["data"].update(maxLength=3)),
        ("CRD405", lambda s: s["properties"]["name"].update(pattern="^[a-y]+$")),
        ("CRD405", lambda s: s["properties"]["a-b"].update(enum=["one"])),
        ("CRD405", lambda s: s["properties"]["labels"]["additionalProperties"].update(maxLength=9)),
        ("CRD407", lambda s: s["required"].append("data")),
    ],
)
def test_what_is_removed_or_tightened_is_an_error(code: str, edit: Edit) -> None:
    assert [(v.code, v.severity) for v in compared(edit)] == [(code, "error")]


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s["properties"].update(more={"type": "string"}),
        lambda s: s["properties"]["name"].update(maxLength=21),
        lambda s: s["properties"]["name"].pop("pattern"),
        lambda s: s["properties"]["a-b"]["enum"].append("three"),
        lambda s: s["properties"]["sub"]["properties"]["count"].update(type="number"),
        lambda s: s["required"].clear(),
        lambda s: s["properties"]["name"].update(description="other words"),
        # 0 lets everything pass.
        lambda s: s["properties"]["data"].update(minLength=0),
    ],
)
def test_what_is_added_or_loosened_is_not(edit: Edit) -> None:
    assert compared(edit) == []


def test_a_new_rule_and_another_default_are_warnings() -> None:
    def edit(s: dict[str, Any]) -> None:
        s["properties"]["name"]["x-kubernetes-validations"] = [{"rule": "self != 'x'"}]
        s["properties"]["count"]["default"] = 4

    assert {(v.code, v.severity) for v in compared(edit)} == {
        ("CRD406", "warning"),
        ("CRD408", "warning"),
    }


def test_a_version_that_is_missing_or_no_longer_served_is_an_error() -> None:
    old = base()
    for change in ({"name": "v2"}, {"served": False}):
        crd = base()
        crd["spec"]["versions"][0].update(change)
        found = check_file(json.dumps(crd).encode(), "crd", Released([old]))
        assert [v.code for v in found] == ["CRD402"]


def test_the_released_crds_are_found_in_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "released").mkdir()
    (tmp_path / "released" / "boxes.yaml").write_text(json.dumps(base()))
    crd = base()
    del spec(crd)["properties"]["data"]
    (tmp_path / "boxes.json").write_text(json.dumps(crd))
    arguments = [str(tmp_path / "boxes.json"), "--released", str(tmp_path / "released")]

    assert command.run(arguments) == 1
    assert "CRD403" in capsys.readouterr().out
