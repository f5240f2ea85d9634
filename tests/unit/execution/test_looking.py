"""What a plan would do, and what may be said of it before anything has run."""

from __future__ import annotations

import pytest

from machineadm.errors import ConfigError, KubeadmError, MachineadmError, StepError
from machineadm.execution.events import Event, StepDeferred, StepDone
from machineadm.execution.looking import look, replay
from machineadm.host.ports import Host
from machineadm.plan.look import Standing, anything_to_do
from machineadm.plan.model import Phase, Plan, Work
from tests.applying import carry_out, context_of
from tests.fakes.host import FakeHost, offline_host
from tests.unit.execution.toys import ToyJoin, ToyStep, failure


class Blind(ToyStep):
    """Misses something."""

    error: MachineadmError = StepError("MA3011", "there is no user 'backup'")

    def check(self, host: Host) -> Work:
        del host
        raise self.error


def standings(host: Host, *steps: ToyStep) -> list[Standing]:
    return [one.standing for one in look(context_of(Plan(steps=steps), host))]


def test_each_step_says_how_it_stands() -> None:
    host, machine = FakeHost(), {"files/there"}
    done = ToyStep("commands/done", machine, once=True)
    carry_out(Plan(steps=(done,)), host)

    assert standings(
        host,
        done,
        ToyStep("files/there", machine),
        ToyStep("files/new", set()),
        ToyStep("commands/new", machine, once=True),
    ) == [Standing.IN_PLACE, Standing.IN_PLACE, Standing.TO_DO, Standing.TO_DO]


def test_what_is_deferred_is_nothing_to_do() -> None:
    host = offline_host()
    live = ToyStep("commands/a", set(), once=True, live=True)

    looks = look(context_of(Plan(steps=(live,)), host))

    assert not anything_to_do(looks)
    events: list[Event] = []
    assert replay(context_of(Plan(steps=()), host), looks, events.append).complete is False
    assert isinstance(events[-1], StepDeferred)


def test_nothing_to_do_is_told_as_a_run_would_tell_it() -> None:
    host = FakeHost()
    looks = look(context_of(Plan(steps=(ToyStep("a", {"a"}),)), host))
    events: list[Event] = []

    verdict = replay(context_of(Plan(steps=()), host), looks, events.append)

    assert verdict.complete
    assert isinstance(events[-1], StepDone)


def test_begun_and_unfinished_work_is_something_to_do_even_if_it_looks_done() -> None:
    host, machine = FakeHost(), set[str]()
    with pytest.raises(StepError):
        carry_out(Plan(steps=(ToyJoin("kubeadm/join", machine, failures=[failure()]),)), host)
    machine.add("kubeadm/join")

    assert standings(host, ToyJoin("kubeadm/join", machine)) == [Standing.TO_DO]


def test_what_is_missed_is_an_error_before_anything_has_changed() -> None:
    with pytest.raises(StepError):
        standings(FakeHost(), Blind("files/write", set()))


def test_what_is_missed_may_still_come_from_a_command_before() -> None:
    boot = ToyStep("commands/boot[0]", set(), once=True, phase=Phase.BOOT)

    assert standings(FakeHost(), boot, Blind("files/write", set()))[1] is Standing.TO_DO


@pytest.mark.parametrize(
    "error", [KubeadmError("MA4040", "a node already"), ConfigError("MA4102", "misfit")]
)
def test_what_no_command_can_mend_is_an_error_at_once(error: MachineadmError) -> None:
    boot = ToyStep("commands/boot[0]", set(), once=True, phase=Phase.BOOT)
    step = Blind("kubeadm/join", set(), phase=Phase.KUBEADM)
    step.error = error

    with pytest.raises(type(error)):
        standings(FakeHost(), boot, step)
