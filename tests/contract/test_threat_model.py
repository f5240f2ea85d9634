"""docs/threat-model.md names the tests of each threat, and none that is gone."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/threat-model.md").read_text()
HEADING = "\n## Tests\n"
ROW = re.compile(r"^\| ([TM]\d+) \| (.*) \|$", re.MULTILINE)


def threats(page: str) -> list[str]:
    """Numbers of the threats, in the order of the page."""
    return [match[1] for match in ROW.finditer(page.partition(HEADING)[0])]


def named(page: str) -> dict[str, list[str]]:
    """The tests of each threat: a file, or a file and a function of it."""
    return {
        match[1]: re.findall(r"`([^`]+)`", match[2])
        for match in ROW.finditer(page.partition(HEADING)[2])
    }


def is_there(test: str) -> bool:
    """Whether a test of that name is in the repository."""
    file, _, function = test.partition("::")
    path = TESTS / file
    if not path.is_file():
        return False
    nodes = ast.walk(ast.parse(path.read_text()))
    return not function or any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
        for node in nodes
    )


def test_every_threat_has_a_number_and_tests() -> None:
    numbered = threats(PAGE)
    rows = [
        line for line in PAGE.partition(HEADING)[0].splitlines() if re.match(r"\| [TM]\d", line)
    ]
    for letter in "TM":
        of_it = [number for number in numbered if number[0] == letter]
        assert of_it == [f"{letter}{place}" for place in range(1, len(of_it) + 1)]
    assert len(rows) == len(numbered) > 20
    assert list(named(PAGE)) == numbered
    assert all(named(PAGE).values())


@pytest.mark.parametrize("threat", threats(PAGE))
def test_the_tests_of_a_threat_are_there(threat: str) -> None:
    assert [test for test in named(PAGE)[threat] if not is_there(test)] == []


def test_a_test_that_is_gone_would_be_noticed() -> None:
    assert is_there("contract/test_threat_model.py")
    assert is_there("contract/test_threat_model.py::test_a_test_that_is_gone_would_be_noticed")
    assert not is_there("contract/test_threat_model.py::test_that_was_renamed")
    assert not is_there("contract/test_that_was_renamed.py")
