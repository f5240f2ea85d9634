"""Killed at every port call and run again: every example, and 200 drawn configurations."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.killing import EXAMPLES, check_instant, drawn, undisturbed

DRAWN = 200
INSTANTS_OF_DRAWN = 15


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_that_was_killed_at_every_call_ends_in_the_same_machine(
    example: Path, after: bool, tmp_path: Path
) -> None:
    text = example.read_text()
    reference, calls = undisturbed(tmp_path / "reference", text)
    print(f"{example.stem}: {calls} instants")
    for at in range(1, calls + 1):
        check_instant(tmp_path / "killed", text, at, after=after, reference=reference)


def test_drawn_configurations_that_were_killed_end_in_the_same_machine(tmp_path: Path) -> None:
    instants = 0
    for number in range(DRAWN):
        text = drawn(number)
        reference, calls = undisturbed(tmp_path / "reference", text)
        chance = random.Random(number)  # noqa: S311 - reproducible by its seed
        for at in chance.sample(range(1, calls + 1), min(calls, INSTANTS_OF_DRAWN)):
            check_instant(tmp_path / "killed", text, at, after=bool(at % 2), reference=reference)
            instants += 1
    print(f"{DRAWN} configurations, {instants} instants")
