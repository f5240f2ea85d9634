"""The other half of `test_kill_property.py`'s drawn configurations: a file is one worker's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.killing import DRAWN, PART, walk_drawn


@pytest.mark.parametrize("first", range(DRAWN // 2, DRAWN, PART))
def test_further_drawn_configurations_that_were_killed_at_every_call_end_in_the_same_machine(
    first: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    for what, count in walk_drawn(first, tmp_path).items():
        record_property(what, count)
