"""`check machine`: what it prints, and how it exits."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from machineadm.cli.main import main
from tests.configurations import EXAMPLES

LOG: Any = importlib.import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema


def test_this_machine_is_judged_without_being_touched(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is wrong with the machine that runs the tests: the exit code says whether there is an error."""
    code = main(
        ["check", "machine", "--path", str(EXAMPLES / "control-plane.yaml"), "--output", "json"]
    )

    problems = json.loads(capsys.readouterr().out)["problems"]
    assert code == (10 if any(one["severity"] == "error" for one in problems) else 0)
    assert all(one["code"].startswith("MA45") and one["message"] for one in problems)


def test_text_and_sarif_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", "machine"])
    text = capsys.readouterr().out
    assert main(["check", "machine", "--output", "sarif"]) == code

    (run,) = LOG.model_validate_json(capsys.readouterr().out).runs
    lines = [line for line in text.splitlines() if line.startswith(("error: ", "warning: "))]
    assert [line.split()[1] for line in lines] == [one.ruleId for one in run.results]
    assert lines or "nothing is wrong" in text


def test_a_configuration_with_problems_is_refused_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("kind: MachineConfiguration\n")

    assert main(["check", "machine", "--path", str(path)]) == 3
    assert "MA" in capsys.readouterr().err


def test_nothing_else_can_be_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "weather"]) == 2
    assert "machine" in capsys.readouterr().err
