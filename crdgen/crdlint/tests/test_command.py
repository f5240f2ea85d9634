"""`crdlint`: what it prints and how it ends."""

import json
from pathlib import Path

import pytest

from crd_corpus.base import base
from crdlint import command


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(base()))
    return path


def run(*arguments: object) -> int:
    return command.run([str(argument) for argument in arguments])


def test_a_good_file_is_passed_in_silence(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(good) == 0
    assert capsys.readouterr().out == ""


def test_a_bad_file_ends_with_1_and_a_line_for_each_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crd = base()
    # An escape sequence: a file may come from anybody, and the report goes to a terminal.
    crd["spec"]["scope"] = "a\x1b[31m"
    del crd["spec"]["group"]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(crd))

    assert run(path) == 1

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"{path}: error CRD1") for line in lines)
    assert "\x1b" not in "".join(lines)


def test_json_holds_what_text_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(b"\xff")

    assert run(path, "--output", "json") == 1

    (violation,) = json.loads(capsys.readouterr().out)["violations"]
    assert violation["code"] == "CRD001"
    assert violation["file"] == str(path)
    assert violation["severity"] == "error"


def test_a_file_that_is_not_there_is_a_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "none.yaml") == 1
    assert "No such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["--nope", "a"], ["a", "--output", "xml"], ["a", "--released"]]
)
def test_a_wrong_command_line_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert "usage:" in capsys.readouterr().err


def test_a_crd_of_ours_that_is_too_large_to_apply_is_an_error_and_a_foreign_one_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crd = base()
    # Above the limit of annotations and far below etcd's.
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "x" * 270_000
    path = tmp_path / "large.json"
    path.write_text(json.dumps(crd))

    assert run(path) == 0
    assert run(path, "--ours") == 1
    assert capsys.readouterr().out.count("CRD301") == 2


@pytest.mark.parametrize(
    ("option", "said"),
    [("-h", "--released DIR"), ("--help", "--ours"), ("--version", "crdlint 0.")],
)
def test_help_and_version_are_answered_whatever_else_is_there(
    option: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("none.yaml", option) == 0
    assert said in capsys.readouterr().out
