"""Killed at any port call and run again: the same machine. A seeded sample; `make conformance` tries every instant."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.steps.kubeadm import attempt
from tests.checkpoint import Checkpoint
from tests.fakes.host import FakeHost
from tests.fakes.kubeadm import Cluster
from tests.killing import EXAMPLES, Subject, Walk, check_instant, drawn, undisturbed

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


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "what is done is not recorded": lambda patch: patch.setattr(Journal, "done", _nothing),
    "what is begun counts as done": lambda patch: patch.setattr(Journal, "started", Journal.done),
    "what kubeadm did is not kept": (
        lambda patch: patch.setattr(attempt, "write_record", _nothing)
    ),
    "what is owned is not kept": lambda patch: patch.setattr(Ledger, "save", _nothing),
}


def _nothing(*_: object) -> None:
    """What the fault does instead."""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_that_is_stopped_at_every_call_shows_a_record_that_lies(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = next(text for text in map(drawn, range(50)) if "preKubeadm" in text and "append" in text)
    FAULTS[fault](monkeypatch)
    with pytest.raises(AssertionError, match="killed at instant"):
        Walk(tmp_path, text)


def test_two_runs_in_turn_that_are_killed_anywhere_end_in_the_same_machine(tmp_path: Path) -> None:
    print("MACHINEADM_SEED", SEED)
    text = drawn(SEED)
    once = Walk(tmp_path, text)
    chance = random.Random(SEED)  # noqa: S311 - reproducible by its seed

    twice = Walk(tmp_path, text, killed_twice={chance.randint(1, once.machines)})

    assert twice.instants > once.instants + 50
    assert twice.machines > once.machines


def test_a_stop_takes_place_at_every_call_that_a_run_makes(tmp_path: Path) -> None:
    text = drawn(SEED)
    _, calls = undisturbed(tmp_path / "reference", text)
    walk = Walk(tmp_path, text)
    assert walk.instants == calls
    assert 50 < walk.machines < walk.instants


CHANGES: dict[str, Callable[[FakeHost, Cluster], object]] = {
    "a file": lambda host, _: host.put("/etc/new", "x"),
    "a file's content": lambda host, _: host.put("/etc/machine-id", "x"),
    "a mode": lambda host, _: setattr(host.files.nodes["/etc/machine-id"], "mode", 0o600),
    "a file that goes": lambda host, _: host.files.remove("/etc/machine-id"),
    "state": lambda host, _: host.state.append("journal.jsonl", b"x"),
    "the run directory": lambda host, _: host.state.write("status.json", b"x", durable=False),
    "a module": lambda host, _: host.kernel.load("overlay"),
    "a parameter": lambda host, _: host.kernel.set_sysctl("vm.swappiness", "1"),
    "the name": lambda host, _: host.kernel.set_hostname("other"),
    "a unit": lambda host, _: host.services.enable("x.service"),
    "a command": lambda host, _: host.commands.run(["x"]),
    "time": lambda host, _: host.clock.sleep(1),
    "an account": lambda host, _: host.accounts.users.update(x=1000),
    "the cluster behind a command": (lambda _, cluster: cluster.create("x")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_checkpoint_sees_and_undoes_a_change(change: str, tmp_path: Path) -> None:
    subject = Subject(tmp_path, drawn(SEED))
    before, there = Checkpoint(subject), subject.as_it_is()
    CHANGES[change](subject.host, subject.cluster)
    assert Checkpoint(subject) != before
    before.restore()
    assert Checkpoint(subject) == before
    assert subject.as_it_is() == there


def test_a_checkpoint_refuses_what_it_cannot_keep() -> None:
    with pytest.raises(TypeError, match="does not know"):
        Checkpoint({"stream": io.BytesIO()})
