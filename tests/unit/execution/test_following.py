"""What has to follow a change: once, killed or not, and taken back with the change that it failed for."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.masking import MaskUnit
from machineadm.errors import HostError, InterruptedRunError, StepError
from machineadm.execution.events import Event, RebootRequired
from machineadm.execution.looking import look
from machineadm.execution.runner import execute
from machineadm.host.ports import Host
from machineadm.plan.look import Standing, anything_to_do
from machineadm.plan.model import FollowUp, Outcome, Phase, Plan, Step, Work
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor
from tests.applying import carry_out, context_of
from tests.fakes.host import FakeHost, offline_host
from tests.fakes.killing import Killed, Reaper
from tests.unit.execution.toys import ToyJoin, ToyStep, passing

RESTART = FollowUp(kind="restart", target="containerd.service")
REBUILD = FollowUp(kind="run", target="trust store", argv=("update-ca-certificates",))
REBOOT = FollowUp(kind="reboot")


def writing(
    *follow: FollowUp, path: str = "/etc/containerd/config.toml", content: bytes = b"new\n"
) -> WriteFiles:
    file = PlannedFile(path=path, content=content)
    return WriteFiles(name=f"files{path}", phase=Phase.PREPARE, files=(file,), follow=follow)


class NeedsRuntime(ToyStep):
    needs = (RESTART.key,)


def plan(*steps: Step, reboot: bool = False) -> Plan:
    return Plan(steps=steps, reboot=reboot)


def restarts(host: FakeHost) -> int:
    return host.services.actions.count(("restart", "containerd.service"))


def test_two_that_ask_for_the_same_restart_get_one_at_the_end_of_their_phase() -> None:
    host = FakeHost()
    order: list[str] = []
    later = ToyStep("x", set(), before_apply=lambda: order.append(f"x after {restarts(host)}"))
    command = ToyStep(
        "commands/a",
        set(),
        phase=Phase.PRE_KUBEADM,
        once=True,
        before_apply=lambda: order.append(f"command after {restarts(host)}"),
    )

    ending = carry_out(
        plan(writing(RESTART), writing(RESTART, path="/etc/other"), later, command), host
    )

    assert restarts(host) == 1
    assert order == ["x after 0", "command after 1"]
    assert ending.complete


def test_a_step_that_needs_it_has_it_done_before() -> None:
    host = FakeHost()
    seen: list[int] = []
    step = NeedsRuntime("images/pull", set(), before_apply=lambda: seen.append(restarts(host)))

    carry_out(plan(writing(RESTART), step), host)

    assert seen == [1]
    assert restarts(host) == 1


def test_what_did_not_change_restarts_nothing() -> None:
    host = FakeHost()
    carry_out(plan(writing(RESTART)), host)

    carry_out(plan(writing(RESTART)), host)

    assert restarts(host) == 1


def calls_of(steps: Plan) -> int:
    reaper = Reaper()
    carry_out(steps, reaper.over(FakeHost()))
    return reaper.calls


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_the_next_run_does_what_is_left_and_twice_only_in_one_instant(
    after: bool,
) -> None:
    steps = plan(writing(RESTART), writing(path="/etc/x"))
    twice = 0
    for at in range(1, calls_of(steps) + 1):
        host = FakeHost()
        with pytest.raises(Killed):
            carry_out(steps, Reaper(at, after=after).over(host))
        written = host.text("/etc/containerd/config.toml") is not None
        done = restarts(host)
        pending = context_of(steps, host).ledger.pending
        if written and not done:
            assert pending, at
            assert anything_to_do(look(context_of(steps, host))), at

        ending = carry_out(steps, host)

        assert ending.complete, at
        assert restarts(host) in (1, 2), at
        twice += restarts(host) == 2
        assert context_of(steps, host).ledger.pending == ()
    # Between the restart and its record nobody can know.
    assert twice <= 3


def test_a_plan_names_what_an_earlier_run_left() -> None:
    host = FakeHost()
    host.services.restart = _refuses("interrupted", InterruptedRunError)  # type: ignore[assignment,method-assign]
    with pytest.raises(InterruptedRunError):
        carry_out(plan(writing(RESTART)), host)
    looks = look(context_of(plan(writing(RESTART)), host))

    text = "".join(render_text(looks, Redactor()))

    assert looks[0].standing is Standing.TO_DO
    assert "restart containerd.service, left by an earlier run of files/etc" in text


def _refuses(
    message: str, kind: type[HostError] | type[InterruptedRunError]
) -> Callable[[str], None]:
    def restart(unit: str) -> None:
        raise kind("MA3401", f"{unit}: {message}")

    return restart


@pytest.mark.parametrize("before", [b"old\n", None])
def test_a_restart_that_fails_puts_back_what_asked_for_it_and_says_so(before: bytes | None) -> None:
    host = FakeHost()
    if before is not None:
        host.files.put("/etc/containerd/config.toml", before, mode=0o600, uid=5)
    tries: list[bytes | None] = []

    def restart(unit: str) -> None:
        tries.append(host.files.read("/etc/containerd/config.toml"))
        if tries[-1] == b"new\n":
            raise HostError("MA3401", f"{unit} does not start")

    host.services.restart = restart  # type: ignore[method-assign]
    with pytest.raises(StepError) as caught:
        carry_out(plan(writing(RESTART)), host)

    assert caught.value.code == "MA3411"
    assert "restored: /etc/containerd/config.toml" in caught.value.message
    assert host.files.read("/etc/containerd/config.toml") == before
    assert tries == [b"new\n", before]
    stat = host.files.stat("/etc/containerd/config.toml")
    assert before is None or (stat is not None and (stat.mode, stat.uid) == (0o600, 5))
    assert context_of(plan(), host).ledger.pending == ()

    # A fixed configuration is written and restarted as if nothing had been.
    carry_out(plan(writing(RESTART, content=b"fixed\n")), host)
    assert tries[-1] == b"fixed\n"


def test_a_kill_while_it_is_put_back_is_made_good_by_the_next_run() -> None:
    def broken(host: FakeHost) -> None:
        def restart(unit: str) -> None:
            if host.files.read("/etc/containerd/config.toml") == b"new\n":
                raise HostError("MA3401", f"{unit} does not start")

        host.services.restart = restart  # type: ignore[method-assign]

    steps = plan(writing(RESTART))
    probe, reaper = FakeHost(), Reaper()
    probe.put("/etc/containerd/config.toml", "old\n")
    broken(probe)
    with pytest.raises(StepError):
        carry_out(steps, reaper.over(probe))
    for at in range(1, reaper.calls + 1):
        host = FakeHost()
        host.put("/etc/containerd/config.toml", "old\n")
        broken(host)
        with pytest.raises((Killed, StepError)):
            carry_out(steps, Reaper(at).over(host))
        with pytest.raises(StepError):
            carry_out(steps, host)
        assert host.text("/etc/containerd/config.toml") == "old\n", at


def test_a_program_that_has_to_follow_is_run_and_its_failure_is_told() -> None:
    host = FakeHost()
    carry_out(plan(writing(REBUILD, path="/usr/local/share/ca-certificates/a.crt")), host)
    assert host.commands.argvs() == [REBUILD.argv]

    broken = FakeHost()
    broken.commands.on("update-ca-certificates", exit_code=1, output="no space\n")
    with pytest.raises(StepError, match="no space"):
        carry_out(plan(writing(REBUILD)), broken)


def test_below_another_root_nothing_follows() -> None:
    host = offline_host()

    assert carry_out(plan(writing(RESTART)), host).complete
    assert context_of(plan(), host).ledger.pending == ()


def test_a_reboot_that_is_not_allowed_is_a_condition_and_keeps_no_run_from_being_complete() -> None:
    host = FakeHost()
    events: list[Event] = []

    ending = carry_out(plan(writing(REBOOT)), host, events.append)

    assert ending.complete
    assert ("reboot",) not in host.services.actions
    (told,) = [event for event in events if isinstance(event, RebootRequired)]
    assert told.steps == ("files/etc/containerd/config.toml",)
    assert not anything_to_do(look(context_of(plan(writing(REBOOT)), host)))


def test_a_reboot_that_is_allowed_is_done_once_and_the_run_goes_on_after_it() -> None:
    host, machine = FakeHost(), set[str]()
    later = ToyStep("commands/a", machine, phase=Phase.PRE_KUBEADM, once=True)
    steps = plan(writing(REBOOT), later, reboot=True)

    with pytest.raises(InterruptedRunError) as caught:
        carry_out(steps, host, boot_id="b1")
    assert caught.value.code == "MA6021"
    assert host.services.actions == [("reboot",)]
    assert machine == set()

    assert carry_out(steps, host, boot_id="b2").complete
    assert host.services.actions == [("reboot",)]
    assert machine == {"commands/a"}


def test_a_machine_is_rebooted_three_times_at_most() -> None:
    host = FakeHost()
    for number in range(3):
        with pytest.raises(InterruptedRunError):
            carry_out(
                plan(writing(REBOOT, content=b"%d" % number), reboot=True),
                host,
                boot_id=f"b{number}",
            )

    with pytest.raises(StepError) as caught:
        carry_out(plan(writing(REBOOT, content=b"9"), reboot=True), host, boot_id="b9")
    assert caught.value.code == "MA3412"


def test_a_reboot_that_somebody_else_did_counts() -> None:
    host = FakeHost()
    carry_out(plan(writing(REBOOT)), host, boot_id="b1")

    events: list[Event] = []
    carry_out(plan(writing(REBOOT), ToyStep("x", set())), host, events.append, boot_id="b2")

    assert not [event for event in events if isinstance(event, RebootRequired)]


class Pulling(ToyStep):
    """Works in the background, and asks for a restart."""

    joined_before = "kubeadm"

    def check(self, host: Host) -> Work:
        return msgspec.structs.replace(super().check(host), follow=(RESTART,))


def test_a_restart_waits_for_the_background_work_that_asks_for_it() -> None:
    host = FakeHost()
    order: list[str] = []
    real = host.services.restart

    def restart(unit: str) -> None:
        order.append("restart")
        real(unit)

    host.services.restart = restart  # type: ignore[method-assign]

    def slowly() -> None:
        time.sleep(0.1)
        order.append("written")

    pulling = Pulling("images/pull", set(), before_apply=slowly)
    later = ToyStep("commands/a", set(), phase=Phase.PRE_KUBEADM, once=True)
    carry_out(plan(pulling, later), host)

    assert order == ["written", "restart"]


def test_what_is_put_back_between_two_attempts_is_restarted_before_the_next() -> None:
    host = FakeHost()
    path = "/etc/kubernetes/manifests/a.yaml"
    seen: list[int] = []

    class Join(ToyJoin):
        def apply(self, host: Host, work: Work) -> Outcome:
            seen.append(restarts(machine))
            return super().apply(host, work)

        def clean(self, host: Host) -> None:
            host.files.remove(path)

    machine = host
    join = Join("kubeadm/join", set(), failures=[passing()], delays=[1.0], phase=Phase.KUBEADM)
    carry_out(plan(writing(RESTART, path=path), join), host)

    assert seen == [1, 2]


def test_a_later_plan_without_that_phase_does_what_an_earlier_run_left() -> None:
    host = FakeHost()
    with pytest.raises(Killed):
        carry_out(plan(writing(RESTART)), Reaper(_before_restart()).over(host))
    assert context_of(plan(), host).ledger.pending

    first = ToyStep("commands/boot[0]", set(), phase=Phase.BOOT, once=True)
    assert carry_out(plan(first), host).complete
    assert restarts(host) == 1


def _before_restart() -> int:
    """The call before the restart of `plan(writing(RESTART))`."""
    for at in range(1, 200):
        host = FakeHost()
        with suppress(Killed):
            carry_out(plan(writing(RESTART)), Reaper(at).over(host))
        if host.text("/etc/containerd/config.toml") and not restarts(host):
            return at
    raise AssertionError


def test_a_program_asked_for_below_a_root_is_run_by_the_first_run_on_the_machine() -> None:
    tree = offline_host()
    carry_out(plan(writing(REBUILD)), tree)
    host = FakeHost(files=tree.files, state=tree.state)

    assert carry_out(plan(writing(REBUILD)), host).complete
    assert host.commands.argvs() == [REBUILD.argv]


@pytest.mark.parametrize("by_hand", ["fixed by hand\n", None], ids=["content", "absence"])
def test_a_fix_that_somebody_made_since_is_not_undone_by_a_restart_that_fails(
    by_hand: str | None,
) -> None:
    host = FakeHost()
    host.put("/etc/containerd/config.toml", "old\n")
    with pytest.raises(Killed):
        carry_out(plan(writing(RESTART)), Reaper(_before_restart()).over(host))
    if by_hand is None:
        host.files.remove("/etc/containerd/config.toml")
    else:
        host.put("/etc/containerd/config.toml", by_hand)
    host.services.restart = _refuses("does not start", HostError)  # type: ignore[assignment,method-assign]

    with pytest.raises(StepError, match="changed since, so not restored"):
        carry_out(plan(), host)
    assert host.text("/etc/containerd/config.toml") == by_hand


def test_what_the_work_itself_removed_comes_back_when_what_follows_fails() -> None:
    host = FakeHost()
    host.files.put_link("/etc/systemd/system/a.service", "/dev/null")
    unmasks = MaskUnit(path="/etc/systemd/system/a.service", name="units/a", masked=False)
    host.services.reload = lambda: _refuses("cannot reload", HostError)("a")  # type: ignore[method-assign]

    with pytest.raises(HostError):
        carry_out(plan(unmasks), host)

    assert host.files.readlink("/etc/systemd/system/a.service") == "/dev/null"


def test_a_machine_that_would_not_resume_is_not_rebooted() -> None:
    host = FakeHost()
    context = context_of(plan(writing(REBOOT), reboot=True), host)
    context.resumes = False
    events: list[Event] = []

    assert execute(context, look(context), events.append).complete
    assert host.services.actions == []
    assert [event for event in events if isinstance(event, RebootRequired)]
