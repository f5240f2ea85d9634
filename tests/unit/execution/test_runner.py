"""The runner's rules, on toy steps."""

from __future__ import annotations

import pytest

from machineadm.errors import HostError, InternalError, InterruptedRunError, StepError
from machineadm.execution.events import (
    Event,
    ProgramEnded,
    StepDeferred,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
)
from machineadm.host.ports import Host
from machineadm.plan.model import Change, Phase, Plan
from tests.applying import carry_out
from tests.fakes.host import FakeHost, offline_host
from tests.unit.execution.toys import (
    ToyJoin,
    ToyStep,
    failure,
    journal_of,
    passing,
)


def run(host: Host, *steps: ToyStep, boot_id: str = "b1") -> list[Event]:
    events: list[Event] = []
    carry_out(Plan(steps=steps), host, events.append, boot_id=boot_id)
    return events


def done(events: list[Event]) -> dict[str, Change]:
    return {event.step: event.change for event in events if isinstance(event, StepDone)}


def test_steps_are_carried_out_in_order() -> None:
    machine: set[str] = set()
    order: list[str] = []
    first = ToyStep("files/write", machine, before_apply=lambda: order.append("first"))
    second = ToyStep("sysctl/apply", machine, before_apply=lambda: order.append("second"))

    events = run(FakeHost(), first, second)

    assert order == ["first", "second"]
    assert done(events) == {"files/write": Change.CHANGED, "sysctl/apply": Change.CHANGED}


def test_a_step_is_looked_at_once_and_once_more_only_behind_a_change() -> None:
    machine = {"first/in-place", "last/in-place"}
    names = ("first/in-place", "second/to-do", "third/to-do", "last/in-place")
    steps = [ToyStep(name, machine) for name in names]

    run(FakeHost(), *steps)

    assert [step.calls for step in steps] == [
        ["check"],
        ["check", "apply"],
        ["check", "check", "apply"],
        ["check", "check"],
    ]


def test_a_second_run_changes_nothing_and_writes_no_journal() -> None:
    host, machine = FakeHost(), set[str]()
    steps = (ToyStep("files/write", machine), ToyStep("commands/a", machine, once=True))
    run(host, *steps)
    writes = list(host.state.writes)

    events = run(host, *steps)

    assert set(done(events).values()) == {Change.ALREADY_IN_PLACE}
    assert host.state.writes == writes
    assert steps[1].calls.count("apply") == 1


def test_a_once_step_runs_again_when_its_content_changes() -> None:
    host, machine = FakeHost(), set[str]()
    run(host, ToyStep("commands/a", machine, once=True, content="echo 1"))
    fixed = ToyStep("commands/a", machine, once=True, content="echo 2")

    run(host, fixed)

    assert fixed.deeds == ["apply"]


def test_a_boot_command_runs_once_in_every_boot() -> None:
    host, machine = FakeHost(), set[str]()
    step = ToyStep("commands/boot[0]", machine, once=True, phase=Phase.BOOT)

    run(host, step)
    run(host, step)
    run(host, step, boot_id="b2")

    assert step.deeds == ["apply", "apply"]


def test_below_another_root_a_live_step_is_deferred_and_never_called() -> None:
    host, machine = offline_host(), set[str]()
    live = ToyJoin("kubeadm/join", machine, live=True)
    events: list[Event] = []

    verdict = carry_out(Plan(steps=(live,)), host, events.append)

    assert live.calls == []
    assert not verdict.complete
    assert [event.step for event in events if isinstance(event, StepDeferred)] == ["kubeadm/join"]
    assert journal_of(host).finished(live) is False


def test_the_first_failure_ends_the_run_and_names_its_step() -> None:
    host, machine = FakeHost(), set[str]()
    events: list[Event] = []
    bad = ToyStep("commands/preKubeadm[0]", machine, failures=[failure()])
    later = ToyStep("kubeadm/init", machine)

    with pytest.raises(StepError, match="it broke"):
        carry_out(Plan(steps=(bad, later)), host, events.append)

    assert later.deeds == []
    (failed,) = [event for event in events if isinstance(event, StepFailed)]
    assert (failed.step, failed.code) == ("commands/preKubeadm[0]", "MA3201")


def test_a_failed_step_is_done_by_the_next_run() -> None:
    host, machine = FakeHost(), set[str]()
    step = ToyStep("commands/a", machine, once=True, failures=[failure()])

    with pytest.raises(StepError):
        run(host, step)
    run(host, step)

    assert machine == {"commands/a"}


def test_a_foreign_exception_becomes_an_internal_error_that_names_the_step() -> None:
    host = FakeHost()
    step = ToyStep("files/write", set(), failures=[ZeroDivisionError("1/0")])

    with pytest.raises(InternalError, match="files/write") as caught:
        run(host, step)

    assert caught.value.code == "MA9001"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_passing_failure_is_cleaned_and_tried_again_after_mending_what_cleaning_took() -> None:
    host, machine = FakeHost(), set[str]()
    manifests = ToyStep("staticPods/write", machine)
    command = ToyStep("commands/preKubeadm[0]", machine, once=True)
    join = ToyJoin(
        "kubeadm/join",
        machine,
        failures=[passing(), passing()],
        delays=[5.0, 10.0],
        takes="staticPods/write",
    )

    events = run(host, manifests, command, join)

    assert machine == {"staticPods/write", "commands/preKubeadm[0]", "kubeadm/join"}
    assert join.deeds == ["apply", "clean", "apply", "clean", "apply"]
    assert manifests.calls.count("apply") == 3
    assert command.deeds == ["apply"]
    assert host.clock.slept == [5.0, 10.0]
    assert [event.attempt for event in events if isinstance(event, StepRetried)] == [1, 2]
    assert [event.run.exit_code for event in events if isinstance(event, ProgramEnded)] == [
        1,
        1,
    ]


def test_a_spent_budget_ends_the_run() -> None:
    join = ToyJoin("kubeadm/join", set(), failures=[passing(), passing()], delays=[1.0])

    with pytest.raises(StepError, match="unreachable"):
        run(FakeHost(), join)

    assert join.calls.count("apply") == 2


def test_a_lasting_failure_is_not_tried_again() -> None:
    join = ToyJoin("kubeadm/join", set(), failures=[failure()], delays=[1.0])

    with pytest.raises(StepError):
        run(FakeHost(), join)

    assert join.calls == ["check", "apply"]


@pytest.mark.parametrize("done_after_all", [True, False])
def test_work_that_was_begun_and_not_ended_is_judged_before_any_step(done_after_all: bool) -> None:
    host, machine = FakeHost(), set[str]()
    join = ToyJoin("kubeadm/join", machine, before_apply=_killed)
    with pytest.raises(KeyboardInterrupt):
        run(host, join)
    order: list[str] = []
    files = ToyStep("files/write", machine, before_apply=lambda: order.append("files"))
    again = ToyJoin(
        "kubeadm/join",
        machine,
        content="fixed",
        done_after_all=done_after_all,
        before_apply=lambda: order.append("join"),
    )

    run(host, files, again)

    assert again.deeds[0] == "recover"
    assert order == (["files"] if done_after_all else ["files", "join"])
    assert journal_of(host).finished(again)
    assert not journal_of(host).unfinished(again)


def test_work_that_was_never_begun_is_not_judged() -> None:
    join = ToyJoin("kubeadm/join", set())

    run(FakeHost(), join)

    assert "recover" not in join.calls


def test_a_failing_judgement_ends_the_run_before_any_step() -> None:
    host, machine = FakeHost(), set[str]()
    with pytest.raises(StepError):
        run(host, ToyJoin("kubeadm/join", machine, failures=[failure()]))

    class Stuck(ToyJoin):
        def recover(self, _host: Host) -> bool:
            raise HostError("MA4020", "this kubelet.conf is not ours")

    files = ToyStep("files/write", machine)
    with pytest.raises(HostError):
        run(host, files, Stuck("kubeadm/join", machine))
    assert files.deeds == []


def test_out_of_time_the_run_ends_before_the_next_step() -> None:
    host, machine = FakeHost(), set[str]()
    host.clock.deadline = host.clock.elapsed + 10
    slow = ToyStep("commands/a", machine, before_apply=lambda: _pass(host, 11))
    later = ToyStep("files/write", machine)
    events: list[Event] = []

    with pytest.raises(InterruptedRunError):
        carry_out(Plan(steps=(slow, later)), host, events.append)

    assert machine == {"commands/a"}
    assert later.deeds == []
    assert [type(event) for event in events[-2:]] == [StepStarted, StepFailed]


def test_an_interrupted_step_counts_as_begun() -> None:
    host = FakeHost()
    error = InterruptedRunError("MA6002", "interrupted")
    join = ToyJoin("kubeadm/join", set(), failures=[error])

    with pytest.raises(InterruptedRunError):
        run(host, join)

    assert journal_of(host).unfinished(join)


def _killed() -> None:
    raise KeyboardInterrupt


def _pass(host: FakeHost, seconds: float) -> None:
    host.clock.elapsed += seconds
