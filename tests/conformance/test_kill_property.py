"""Killed at every port call and run again: every example, the case of every concern, and drawn configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.killing import CASES, DRAWN, EXAMPLES, PART, Walk, walk_drawn


@pytest.mark.parametrize("example", [*EXAMPLES, *CASES], ids=str)
def test_an_example_that_was_killed_at_every_call_ends_in_the_same_machine(
    example: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    walk = Walk(tmp_path, example.read_text())
    record_property("examples", 1)
    record_property("instants", walk.instants)
    record_property("different machines", walk.machines)


@pytest.mark.parametrize("first", range(0, DRAWN // 2, PART))
def test_drawn_configurations_that_were_killed_at_every_call_end_in_the_same_machine(
    first: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    for what, count in walk_drawn(first, tmp_path).items():
        record_property(what, count)
