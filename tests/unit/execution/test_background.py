"""Work that goes on while the steps behind it are carried out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from machineadm.errors import InternalError, InterruptedRunError, StepError
from machineadm.execution.events import Event, StepDone, StepFailed
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Plan, Work
from tests.applying import carry_out, context_of
from tests.fakes.host import FakeHost
from tests.unit.execution.toys import ToyStep, failure


@dataclass
class Loading(ToyStep):
    """Takes until it is told to go on."""

    joined_before: str = "kubeadm"
    go_on: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False

    def apply(self, host: Host, work: Work) -> Outcome:
        while not self.go_on.wait(0.01):
            try:
                host.clock.sleep(0)
            except InterruptedRunError:
                self.cancelled = True
                raise
        return super().apply(host, work)


def done(events: list[Event]) -> list[str]:
    return [event.step for event in events if isinstance(event, StepDone)]


def test_it_goes_on_while_later_steps_are_carried_out_and_has_ended_before_the_named_one() -> None:
    machine: set[str] = set()
    loading = Loading("images/load", machine)
    files = ToyStep("files/write", machine, before_apply=loading.go_on.set)
    seen: list[bool] = []
    kubeadm = ToyStep(
        "kubeadm/init",
        machine,
        phase=Phase.KUBEADM,
        once=True,
        before_apply=lambda: seen.append("images/load" in machine),
    )
    events: list[Event] = []

    ending = carry_out(Plan(steps=(loading, files, kubeadm)), FakeHost(), events.append)

    assert ending.complete
    assert seen == [True]
    assert done(events) == ["files/write", "images/load", "kubeadm/init"]


def test_nobody_waits_for_it_longer_than_to_the_end_of_the_run() -> None:
    machine: set[str] = set()
    loading = Loading("images/load", machine, joined_before="nothing")
    files = ToyStep("files/write", machine, before_apply=loading.go_on.set)

    carry_out(Plan(steps=(loading, files)), FakeHost())

    assert machine == {"images/load", "files/write"}


def test_its_failure_is_the_runs_and_names_it() -> None:
    loading = Loading("images/load", set(), failures=[failure("no such image")])
    loading.go_on.set()
    events: list[Event] = []

    with pytest.raises(StepError, match="no such image"):
        carry_out(Plan(steps=(loading,)), FakeHost(), events.append)

    (failed,) = [event for event in events if isinstance(event, StepFailed)]
    assert failed.step == "images/load"


def test_a_foreign_exception_in_it_is_a_fault_of_ours() -> None:
    loading = Loading("images/load", set(), failures=[ZeroDivisionError("1/0")])
    loading.go_on.set()

    with pytest.raises(InternalError, match="images/load"):
        carry_out(Plan(steps=(loading,)), FakeHost())


def test_a_run_that_fails_ends_it_and_the_next_run_does_it() -> None:
    machine: set[str] = set()
    loading = Loading("images/load", machine)
    bad = ToyStep("files/write", machine, failures=[failure()])
    host = FakeHost()

    with pytest.raises(StepError):
        carry_out(Plan(steps=(loading, bad)), host)
    assert loading.cancelled
    assert context_of(Plan(steps=()), host).journal.last_event("images/load") == "started"

    loading.go_on.set()
    assert carry_out(Plan(steps=(loading, bad)), host).complete
    assert machine == {"images/load", "files/write"}


def test_out_of_time_while_it_is_waited_for_it_is_ended_too() -> None:
    host = FakeHost()
    loading = Loading("images/load", set())

    def late() -> None:
        host.clock.deadline = 0.0

    slow = ToyStep("files/write", set(), before_apply=late)
    with pytest.raises(InterruptedRunError):
        carry_out(Plan(steps=(loading, slow)), host)
    assert loading.cancelled
