"""Work that goes on while the steps behind it are carried out."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from machineadm.actions.perform import perform
from machineadm.errors import InternalError, InterruptedRunError, StepError
from machineadm.execution.events import Event, StepDone, StepFailed, StepRetried, StepWaiting
from machineadm.host.effects import WaitFor
from machineadm.host.ports import Host
from machineadm.plan.model import Background, Outcome, Phase, Plan, Work
from tests.applying import carry_out, context_of
from tests.fakes.host import FakeHost
from tests.unit.execution.toys import ToyJoin, ToyStep, failure, passing


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


@dataclass
class Pulling(Loading):
    """Is worth trying again."""

    delays: list[float] = field(default_factory=list)
    attempts: list[tuple[int, float]] = field(default_factory=list)

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        self.attempts.append((attempt, elapsed))
        return self.delays.pop(0) if self.delays else None


def pulling(*failures: Exception, delays: list[float]) -> Pulling:
    step = Pulling("images/pull", set(), failures=list(failures), delays=delays)
    step.go_on.set()
    return step


def test_a_failure_that_may_pass_is_tried_again_as_in_the_foreground() -> None:
    step = pulling(passing(), passing(), delays=[5.0, 7.0])
    host, events = FakeHost(), list[Event]()

    assert carry_out(Plan(steps=(step,)), host, events.append).complete

    assert step.deeds == ["apply"] * 3
    assert step.attempts == [(1, 0.0), (2, 5.0)]
    told = [(e.step, e.attempt, e.delay, e.code) for e in events if isinstance(e, StepRetried)]
    assert told == [("images/pull", 1, 5.0, "MA4007"), ("images/pull", 2, 7.0, "MA4007")]
    (ended,) = [event for event in events if isinstance(event, StepDone)]
    assert ended.message == "succeeded at attempt 3"


def test_what_is_tried_in_vain_says_how_often() -> None:
    step = pulling(passing(), passing(), delays=[5.0])

    with pytest.raises(StepError, match="tried 2 times"):
        carry_out(Plan(steps=(step,)), FakeHost())


@pytest.mark.parametrize("error", [failure(), ZeroDivisionError("1/0")])
def test_a_failure_that_does_not_pass_is_not_tried_again(error: Exception) -> None:
    step = pulling(error, delays=[5.0])

    with pytest.raises((StepError, InternalError)):
        carry_out(Plan(steps=(step,)), FakeHost())
    assert step.deeds == ["apply"]


def test_a_failure_that_is_tolerated_is_tolerated_in_the_background() -> None:
    error = failure("no such image")
    error.tolerated = True
    step, host, events = pulling(error, delays=[]), FakeHost(), list[Event]()

    assert carry_out(Plan(steps=(step,)), host, events.append).complete

    (ended,) = [event for event in events if isinstance(event, StepDone)]
    assert "no such image" in ended.message
    assert context_of(Plan(steps=()), host).journal.last_event("images/pull") == "done"


def test_between_two_attempts_it_is_ended_with_the_run() -> None:
    """On a clock that tells the time: a pause of minutes keeps nobody."""
    step = pulling(passing(), delays=[600.0])
    host = FakeHost()
    paused = threading.Event()

    def pause(seconds: float) -> None:
        paused.set() if seconds else None
        time.sleep(min(seconds, 0.01))

    host.clock.sleep = pause  # type: ignore[method-assign]

    def once_it_pauses() -> None:
        assert paused.wait(10)

    bad = ToyStep("files/write", set(), failures=[failure()], before_apply=once_it_pauses)
    began = time.monotonic()

    with pytest.raises(StepError, match="it broke"):
        carry_out(Plan(steps=(step, bad)), host)
    # The pause is ten minutes; a busy machine may take seconds.
    assert time.monotonic() - began < 60


class Rejoining(ToyJoin):
    joined_before = "nothing"


def test_what_has_to_be_cleaned_between_two_attempts_is_done_in_its_place() -> None:
    step = Rejoining("kubeadm/join", set(), failures=[passing()], delays=[1.0])
    assert isinstance(step, Background)
    later = ToyStep("files/write", set())

    carry_out(Plan(steps=(step, later)), FakeHost())

    assert step.deeds == ["apply", "clean", "apply"]


class WaitingHere(ToyStep):
    """Waits for a socket."""

    def apply(self, host: Host, work: Work) -> Outcome:
        wait = WaitFor(condition="socket /run/x.sock", budget=25, reason="it answers there")
        perform([wait], host)
        return super().apply(host, work)


class WaitingBehind(WaitingHere):
    joined_before = "nothing"


@pytest.mark.parametrize("kind", [WaitingHere, WaitingBehind])
def test_a_wait_is_told_with_the_step_that_waits(kind: type[ToyStep]) -> None:
    step = kind("images/pull", set())
    events: list[Event] = []

    with pytest.raises(StepError) as caught:
        carry_out(Plan(steps=(step,)), FakeHost(), events.append)

    assert caught.value.code == "MA3031"
    told = [event for event in events if isinstance(event, StepWaiting)]
    assert [(one.step, one.elapsed, one.budget) for one in told] == [
        ("images/pull", 0, 25),
        ("images/pull", 10, 25),
        ("images/pull", 20, 25),
    ]
