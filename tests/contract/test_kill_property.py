"""Killed at any port call and run again: the same machine. A seeded sample; `make conformance` tries every instant."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from machineadm.execution.journal import Journal
from tests.killing import EXAMPLES, check_instant, drawn, undisturbed

SEED = int(os.environ.get("MACHINEADM_SEED", "20261130"))
INSTANTS = 8
DRAWN = 15
RUNTIME = Path("tests/cases/images/behind-a-proxy/in.yaml")
"""Proxy, trust, containerd and images at once: restarts that wait, and work in a thread."""


def sample(calls: int, key: str) -> list[tuple[int, bool]]:
    chance = random.Random(f"{SEED} {key}")  # noqa: S311 - reproducible by its seed
    return [(chance.randint(1, calls), chance.random() < 0.5) for _ in range(INSTANTS)]


@pytest.mark.parametrize("example", [*EXAMPLES, RUNTIME], ids=lambda path: path.stem)
def test_an_example_that_was_killed_anywhere_ends_in_the_same_machine(
    example: Path, tmp_path: Path
) -> None:
    print("MACHINEADM_SEED", SEED)
    text = example.read_text()
    reference, calls = undisturbed(tmp_path / "reference", text)
    for at, after in sample(calls, example.stem):
        check_instant(tmp_path / f"{at}{after}", text, at, after=after, reference=reference)


@pytest.mark.parametrize("number", range(DRAWN))
def test_a_drawn_configuration_that_was_killed_anywhere_ends_in_the_same_machine(
    number: int, tmp_path: Path
) -> None:
    print("MACHINEADM_SEED", SEED)
    text = drawn(SEED + number)
    reference, calls = undisturbed(tmp_path / "reference", text)
    for at, after in sample(calls, str(number)):
        check_instant(tmp_path / f"{at}{after}", text, at, after=after, reference=reference)


def test_the_property_finds_a_journal_that_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: what is done is not recorded, so commands run twice."""
    text = next(text for text in map(drawn, range(50)) if "preKubeadm" in text)
    reference, calls = undisturbed(tmp_path / "reference", text)
    monkeypatch.setattr(Journal, "done", lambda *_: None)

    def all_instants() -> None:
        for at in range(1, calls + 1):
            check_instant(tmp_path / str(at), text, at, after=True, reference=reference)

    with pytest.raises(AssertionError):
        all_instants()
