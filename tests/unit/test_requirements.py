"""The table of requirements would notice a mistyped id, and lists what carries a right one."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.requirements import TITLES, table

ROOT = Path(__file__).parents[2]


def collect(directory: Path, requirement: str) -> subprocess.CompletedProcess[str]:
    """Collect one planted test under the rules of all our tests."""
    planted = directory / "test_planted.py"
    planted.write_text(
        f"import pytest\n@pytest.mark.requirement({requirement!r})\ndef test_it() -> None: ...\n"
    )
    options = ["-p", "tests.conftest", "-c", str(ROOT / "pyproject.toml"), "--collect-only"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(planted)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_mistyped_id_stops_the_run(tmp_path: Path) -> None:
    assert collect(tmp_path, "R15").returncode == 0

    outcome = collect(tmp_path, "R16")

    assert outcome.returncode != 0
    assert "unknown requirement R16" in outcome.stdout + outcome.stderr


def test_the_table_names_tests_and_says_where_there_are_none() -> None:
    tests = {name: Counter[str]() for name in TITLES}
    tests["R2"].update(["tests/unit/test_x.py::test_y"] * 3)

    lines = table(tests).splitlines()

    assert "       tests/unit/test_x.py::test_y (3 cases)" in lines
    assert sum(line.endswith("no test yet") for line in lines) == len(TITLES) - 1
    assert lines[-1] == "1 of 27 ids carry tests"
