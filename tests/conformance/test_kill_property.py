"""Killed at every port call and run again: every example, the case of every concern, and 200 drawn configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killing import CASES, EXAMPLES, Walk, drawn

DRAWN = 200
PART = 20


@pytest.mark.parametrize("example", [*EXAMPLES, *CASES], ids=str)
def test_an_example_that_was_killed_at_every_call_ends_in_the_same_machine(
    example: Path, tmp_path: Path
) -> None:
    walk = Walk(tmp_path, example.read_text())
    print(f"{example}: {walk.instants} instants, {walk.machines} different machines")


@pytest.mark.parametrize("first", range(0, DRAWN, PART))
def test_drawn_configurations_that_were_killed_at_every_call_end_in_the_same_machine(
    first: int, tmp_path: Path
) -> None:
    instants = machines = 0
    for number in range(first, first + PART):
        walk = Walk(tmp_path / str(number), drawn(number))
        instants += walk.instants
        machines += walk.machines
    print(f"{PART} configurations, {instants} instants, {machines} different machines")
