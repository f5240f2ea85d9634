"""Installed from its directory alone, crdlint is a working command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crd_corpus.base import base

HERE = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment that holds crdlint and what pip brings with it, and the directory is gone."""
    scratch = tmp_path_factory.mktemp("fresh")
    shutil.copytree(HERE, scratch / "crdlint", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, "-m", "venv", str(scratch / "venv")], check=True)
    subprocess.run(
        [str(scratch / "venv/bin/pip"), "install", "--quiet", str(scratch / "crdlint")], check=True
    )
    # Gone before the command runs: what it finds must have been installed.
    shutil.rmtree(scratch / "crdlint")
    return scratch / "venv/bin"


def run(program: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # PYTHONPATH would bring the checkout in again.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [str(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env=environment,
    )


@pytest.mark.parametrize(
    ("library", "planted", "code"),
    [
        ("google-re2", {"type": "string", "pattern": "(?!a)"}, "CRD220"),
        (
            "cel-expr-python",
            {"type": "string", "x-kubernetes-validations": [{"rule": "self.nope == 1"}]},
            "CRD222",
        ),
    ],
)
def test_the_command_finds_what_each_of_its_libraries_is_for(
    fresh: Path, tmp_path: Path, library: str, planted: dict[str, object], code: str
) -> None:
    crd = base()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    schema["properties"]["planted"] = planted
    (tmp_path / "bad.yaml").write_text(json.dumps(crd))

    outcome = run(fresh / "crdlint", "bad.yaml", "--output", "json", cwd=tmp_path)

    assert outcome.returncode == 1, f"{library}: {outcome.stderr}"
    assert [violation["code"] for violation in json.loads(outcome.stdout)["violations"]] == [code]


def test_a_good_definition_passes(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(json.dumps(base()))

    outcome = run(fresh / "crdlint", "good.yaml", cwd=tmp_path)

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_nothing_of_the_repository_around_it_comes_along(fresh: Path, tmp_path: Path) -> None:
    listed = run(fresh / "pip", "list", "--format", "json", cwd=tmp_path)

    names = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert "crdlint" in names
    # crdlint is a distribution of its own (ADR 0030).
    assert not {"machineadm", "msgspec", "crdgen"} & names
