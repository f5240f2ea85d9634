"""Waits: effects with a budget and a reason, which a plan names and does not wait for."""

from __future__ import annotations

import msgspec
import pytest

from machineadm.actions.perform import perform
from machineadm.actions.waits import is_met
from machineadm.errors import InterruptedRunError, StepError
from machineadm.host.effects import WaitFor
from machineadm.host.ports import Waiting
from machineadm.plan.render import describe
from tests.fakes.host import FakeHost

SOCKET = "socket /run/containerd/containerd.sock"


def wait(condition: str = SOCKET, budget: float = 30) -> WaitFor:
    return WaitFor(condition=condition, budget=budget, reason="images are pulled through it")


def test_it_ends_as_soon_as_it_is_met() -> None:
    host = FakeHost()
    looks: list[int] = []

    def appears(seconds: float) -> None:
        looks.append(1)
        host.clock.elapsed += seconds
        if len(looks) == 3:
            host.files.special("/run/containerd/containerd.sock")

    host.clock.sleep = appears  # type: ignore[method-assign]
    perform([wait()], host)

    assert len(looks) == 3


def test_a_spent_budget_says_what_it_was_for() -> None:
    host = FakeHost()

    with pytest.raises(StepError, match="images are pulled through it") as caught:
        perform([wait(budget=5)], host)
    assert caught.value.code == "MA3031"
    assert caught.value.passing
    assert sum(host.clock.slept) == 5


def test_whoever_follows_the_run_is_told_when_it_begins_and_every_ten_seconds() -> None:
    told: list[Waiting] = []
    host = msgspec.structs.replace(FakeHost(), waiting=told.append)

    with pytest.raises(StepError):
        perform([wait(budget=35)], host)

    assert [one.elapsed for one in told] == [0, 10, 20, 30]
    assert {(one.condition, one.reason, one.budget) for one in told} == {
        (SOCKET, "images are pulled through it", 35)
    }


@pytest.mark.parametrize("condition", ["clock", "unit there.service"])
def test_nobody_is_told_of_what_is_so_at_once(condition: str) -> None:
    told: list[Waiting] = []
    host = FakeHost(waiting=told.append)
    host.services.active_units.add("there.service")

    perform([wait(condition)], host)

    assert told == []


def test_the_end_of_the_run_ends_it() -> None:
    host = FakeHost()
    host.clock.deadline = 3

    with pytest.raises(InterruptedRunError):
        perform([wait(budget=600)], host)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("unit there.service", True),
        ("unit absent.service", False),
        ("socket /etc/file", False),
        ("socket /run/nothing", False),
        ("mount /etc", False),
        ("mount /nothing", False),
        ("clock", True),
        ("synchronization", False),
    ],
)
def test_each_condition_is_looked_at(condition: str, met: bool) -> None:
    host = FakeHost()
    host.put("/etc/file", "x")
    host.services.active_units.add("there.service")

    assert is_met(condition, host) is met


def test_a_clock_that_stands_at_the_epoch_is_not_set() -> None:
    host = FakeHost()
    host.clock.time = 1000.0

    assert not is_met("clock", host)


@pytest.mark.parametrize(("said", "met"), [("yes\n", True), ("no\n", False), ("", False)])
def test_the_clock_is_synchronized_when_systemd_says_so(said: str, met: bool) -> None:
    host = FakeHost()
    host.commands.on("timedatectl", "show", output=said)

    assert is_met("synchronization", host) is met


def test_an_unknown_condition_is_an_error() -> None:
    with pytest.raises(StepError) as caught:
        is_met("full moon", FakeHost())
    assert caught.value.code == "MA3030"


def test_a_plan_names_it() -> None:
    assert describe(wait()) == [f"wait up to 30 s for {SOCKET}: images are pulled through it"]
