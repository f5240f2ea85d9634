"""A short part of `make fuzz`: damaged inputs break no reader of what others write."""

from __future__ import annotations

import os

import pytest

from tests.fuzz.fuzzing import Judge, fuzz, known
from tests.fuzz.targets import Target, targets

SEED = int(os.environ.get("MACHINEADM_SEED", "0"))
INPUTS = 100
TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_break_no_reader(name: str) -> None:
    tried, found = fuzz(name, TARGETS[name], seed=SEED, inputs=INPUTS)

    assert [finding.why for finding in found] == []
    assert tried == INPUTS


@pytest.mark.parametrize("name", [name for name in TARGETS if known(name)])
def test_what_once_broke_a_reader_does_not_any_more(name: str) -> None:
    judge = Judge(TARGETS[name])

    assert [found.why for data in known(name) if (found := judge.finding(data))] == []


def test_a_reader_that_breaks_is_found() -> None:
    def breaks(data: bytes) -> object:
        return data.decode()

    def grows(data: bytes) -> object:
        return b"x" * (100 << 20) if data != b"a whole seed" else None

    earlier = b"x" * (200 << 20)
    del earlier  # and what was larger before hides nothing

    for reader, word in ((breaks, "UnicodeDecodeError"), (grows, "grows by")):
        _, found = fuzz("planted", Target(reader, [b"a whole seed"]), seed=1, inputs=40, most=1)
        assert any(word in finding.why for finding in found), word
