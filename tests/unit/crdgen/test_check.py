"""`crdgen check` is crdlint; generating needs neither it nor its libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What a checkout without crdlint and its libraries looks like to the interpreter.
WITHOUT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.modules.update(dict.fromkeys(("crdlint", "re2", "cel_expr_python", "yaml")))
from crdgen.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "crdgen/crdlint/src")},
    )


@pytest.mark.skipif(sys.version_info < (3, 11), reason="crdgen needs Python 3.11")
def test_what_is_checked_is_what_the_linter_checks(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: CustomResourceDefinition\n")

    asked = run("-m", "crdgen", "check", str(bad), "--output", "json")
    linter = run("-m", "crdlint", str(bad), "--output", "json")

    assert asked.returncode == linter.returncode == 1
    assert asked.stdout == linter.stdout
    assert "CRD002" in asked.stdout


@pytest.mark.skipif(sys.version_info < (3, 11), reason="crdgen needs Python 3.11")
def test_generating_works_where_the_linter_is_not_installed(tmp_path: Path) -> None:
    outcome = run("-c", WITHOUT, str(ROOT), str(tmp_path))

    assert outcome.returncode == 0, outcome.stderr
    assert list((tmp_path / "crds").glob("*.yaml"))


def test_checking_without_the_linter_says_how_to_get_it() -> None:
    outcome = run("-c", WITHOUT, str(ROOT), "check", "any.yaml")

    assert outcome.returncode == 2
    assert outcome.stderr.endswith("pip install ./crdgen/crdlint\n")
    assert "Traceback" not in outcome.stderr
