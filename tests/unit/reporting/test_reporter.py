"""The report of a run: written from the first second, true to the end, and no success without it."""

from __future__ import annotations

import json

import msgspec
import pytest

from machineadm.api.v1alpha1.status import AgentIdentity, BootstrapStatus
from machineadm.errors import (
    HostError,
    InternalError,
    InterruptedRunError,
    KubeadmError,
    StepError,
)
from machineadm.execution.events import (
    Event,
    ProgramEnded,
    RunEnded,
    StepDeferred,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    StepWaiting,
    plan_ready,
)
from machineadm.plan.model import Change, Phase, ProgramRun
from machineadm.redaction import Redactor, Secret
from machineadm.reporting.conditions import ACCEPTED, PREPARED, REPORTED, RESUMABLE, SUCCEEDED
from machineadm.reporting.elsewhere import Elsewhere
from machineadm.reporting.reporter import TRACE, Reporter
from machineadm.reporting.sinks import (
    FAILURE_SENTINEL,
    STATUS,
    SUCCESS_SENTINEL,
    encode,
    read_status,
)
from tests.fakes.host import FakeHost

STEPS = (
    ("files/write", Phase.PREPARE),
    ("kubeadm/init", Phase.KUBEADM),
    ("commands/postKubeadm[0]", Phase.POST_KUBEADM),
)


class Stage:
    """A reporter on a fake machine."""

    def __init__(self) -> None:
        self.host = FakeHost()
        self.told: list[str] = []
        self.heard: list[Event] = []
        self.reporter = Reporter(
            self.host,
            agent=AgentIdentity(version="0.1.0"),
            redactor=Redactor([Secret("s3cr3t")]),
            announce=self.told.append,
            listen=self.heard.append,
        )

    def status(self, *, durable: bool = False) -> BootstrapStatus:
        content = self.host.state.read(STATUS, durable=durable)
        assert content is not None
        return msgspec.json.decode(content, type=BootstrapStatus)

    def plan(self) -> None:
        self.reporter.observe(plan_ready(1.0, STEPS))

    def start(self, number: int) -> None:
        name, phase = STEPS[number]
        self.reporter.observe(StepStarted(time=2.0, step=name, phase=phase))

    def done(self, number: int, message: str = "") -> None:
        self.start(number)
        name, _ = STEPS[number]
        done = StepDone(
            time=3.0, step=name, change=Change.CHANGED, duration=1.23456, message=message
        )
        self.reporter.observe(done)

    def condition(self, type_: str) -> str:
        return next(one.status for one in self.status().conditions if one.type == type_)


def test_a_report_lies_there_before_anything_is_known() -> None:
    stage = Stage()

    with stage.reporter.reported():
        assert stage.status().phase == "Pending"
        assert stage.status().started_at == "2027-01-15T08:00:00.000Z"
        assert stage.condition(ACCEPTED) == "Unknown"


def test_what_an_earlier_run_announced_goes_first() -> None:
    stage = Stage()
    stage.host.put(SUCCESS_SENTINEL, "success")
    stage.host.put(FAILURE_SENTINEL, "{}")

    stage.reporter.begin()

    assert stage.host.text(SUCCESS_SENTINEL) is None
    assert stage.host.text(FAILURE_SENTINEL) is None


def test_steps_are_followed_from_pending_to_done() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.plan()
    assert [step.state for step in stage.status().steps] == ["Pending"] * 3

    stage.start(0)
    assert (stage.status().steps[0].state, stage.status().phase) == ("Running", "Preparing")

    stage.done(0, "wrote 2 files with s3cr3t")
    step = stage.status().steps[0]
    assert (step.state, step.change, step.duration) == ("Done", "Changed", 1.235)
    assert step.message == "wrote 2 files with ***"
    assert step.started_at == "1970-01-01T00:00:02.000Z"

    stage.start(1)
    assert stage.status().phase == "Bootstrapping"
    assert stage.condition(PREPARED) == "True"


@pytest.mark.requirement("R1", "U12")
def test_success_is_announced_with_its_one_word() -> None:
    stage = Stage()
    stage.reporter.begin()

    stage.reporter.succeeded()

    assert stage.host.text(SUCCESS_SENTINEL) == "success"
    assert stage.status().phase == "Succeeded"
    assert stage.status().finished_at is not None
    assert stage.condition(SUCCEEDED) == "True"
    assert isinstance(stage.heard[-1], RunEnded)


def test_prepared_is_no_success() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.plan()
    stage.reporter.observe(StepDeferred(time=1.0, step="kubeadm/init", message="not here"))

    stage.reporter.prepared()

    assert stage.host.text(SUCCESS_SENTINEL) is None
    assert stage.status().phase == "Prepared"
    assert stage.status().steps[1].state == "Deferred"
    assert stage.condition(SUCCEEDED) == "False"


@pytest.mark.requirement("U12")
def test_a_failure_is_reported_announced_and_told() -> None:
    stage = Stage()
    error = KubeadmError(
        "MA4007",
        "API server unreachable with s3cr3t",
        hint="look at s3cr3t",
        log_tail="x" * 70_000 + "token s3cr3t",
        command=("kubeadm", "join", "s3cr3t"),
        process_exit_code=1,
        phase="preflight",
    )

    def fail() -> None:
        failed = StepFailed(
            time=1, step=STEPS[1][0], duration=2, code=error.code, message=error.message
        )
        stage.reporter.observe(failed)
        raise error

    stage.plan()
    stage.start(1)
    with pytest.raises(KubeadmError), stage.reporter.reported():
        fail()

    status = stage.status()
    assert status.phase == "Failed"
    assert [step.state for step in status.steps] == ["Pending", "Failed", "Pending"]
    assert status.error is not None
    assert (status.error.code, status.error.exit_code) == ("MA4007", 6)
    assert status.error.message == "kubeadm/init: API server unreachable with ***"
    assert len(status.error.log_tail) == 65536
    assert status.kubeadm is not None
    assert (status.kubeadm.exit_code, status.kubeadm.phase) == (1, "preflight")
    assert "s3cr3t" not in encode(status).decode()
    assert json.loads(stage.host.text(FAILURE_SENTINEL) or "") == json.loads(encode(status))
    written = stage.host.files.stat(FAILURE_SENTINEL)
    assert written is not None
    assert written.mode == 0o600
    assert stage.told == [
        "machineadm: MA4007 kubeadm/init: API server unreachable with ***",
    ]
    assert stage.condition(SUCCEEDED) == "False"


def test_an_unexpected_exception_is_a_coded_failure_and_its_trace_is_kept_masked() -> None:
    stage = Stage()

    with pytest.raises(InternalError), stage.reporter.reported():
        raise ValueError("s3cr3t")

    assert stage.status().phase == "Failed"
    trace = stage.host.state.read(TRACE, durable=False) or b""
    assert b"ValueError: ***" in trace


def test_a_refused_configuration_leaves_nothing_that_outlives_a_reboot() -> None:
    stage = Stage()

    with pytest.raises(StepError), stage.reporter.reported():
        raise StepError("MA3201", "refused")

    assert stage.host.state.state_files == {}


def test_the_report_outlives_a_reboot_once_something_changes() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.reporter.keep()
    stage.plan()

    assert stage.status(durable=True).phase == "Preparing"
    stage.host.state.reboot()
    found = read_status(stage.host.state)
    assert found is not None
    assert found.phase == "Preparing"


def test_a_success_that_cannot_be_announced_is_none() -> None:
    stage = Stage()
    stage.host.files.failures[SUCCESS_SENTINEL] = HostError("MA3001", "disk full")

    with pytest.raises(HostError) as caught, stage.reporter.reported():
        stage.reporter.succeeded()

    assert caught.value.code == "MA6006"
    assert stage.status().phase == "Failed"


def _refuse_durable(stage: Stage, error: HostError) -> None:
    """Have the state directory take nothing, while the run directory does."""
    write = stage.host.state.write

    def refuse(name: str, content: bytes, *, durable: bool) -> None:
        if durable:
            raise error
        write(name, content, durable=durable)

    stage.host.state.write = refuse  # type: ignore[method-assign]


DISKS = [
    pytest.param(HostError("MA3001", "the file system is full"), id="full"),
    pytest.param(HostError("MA3002", "the file system is read-only"), id="read-only"),
    pytest.param(HostError("MA3006", "Input/output error"), id="broken"),
]


@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_takes_nothing_leaves_the_report_of_this_boot_true(disk: HostError) -> None:
    stage = Stage()
    _refuse_durable(stage, disk)

    def run() -> None:
        stage.reporter.keep()
        stage.plan()
        assert stage.status().phase == "Preparing"
        stage.start(1)
        assert stage.status().phase == "Bootstrapping"
        raise StepError("MA3204", "the command failed")

    with pytest.raises(StepError), stage.reporter.reported():
        run()

    assert stage.status().phase == "Failed"
    assert json.loads(stage.host.text(FAILURE_SENTINEL) or "") == json.loads(encode(stage.status()))


@pytest.mark.parametrize("disk", DISKS)
def test_a_success_that_does_not_last_is_never_shown(disk: HostError) -> None:
    stage = Stage()
    _refuse_durable(stage, disk)
    shown: list[str] = []
    show = stage.host.state.write

    def watch(name: str, content: bytes, *, durable: bool) -> None:
        show(name, content, durable=durable)
        shown.append(stage.status().phase)

    stage.host.state.write = watch  # type: ignore[method-assign]
    with pytest.raises(HostError, match="cannot be written"), stage.reporter.reported():
        stage.reporter.succeeded()

    assert shown == ["Pending", "Failed"]
    assert stage.host.text(SUCCESS_SENTINEL) is None


def test_where_there_is_no_room_for_two_reports_the_old_one_goes_first() -> None:
    stage = Stage()
    write = stage.host.state.write
    limit = 4096

    def tight(name: str, content: bytes, *, durable: bool) -> None:
        if stage.host.state.read(name, durable=durable) is not None or len(content) > limit:
            raise HostError("MA3001", "the file system is full")
        write(name, content, durable=durable)

    stage.host.state.write = tight  # type: ignore[method-assign]
    with pytest.raises(StepError), stage.reporter.reported():
        raise StepError("MA3204", "the command failed", log_tail="x" * limit)

    assert stage.status().phase == "Failed"
    assert stage.status().error is not None


def test_a_run_that_is_ended_from_without_is_reported_once() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.plan()
    overdue = InterruptedRunError("MA6003", "out of time")

    assert stage.reporter.overdue(overdue) == 9

    error = stage.status().error
    assert stage.status().phase == "Failed"
    assert error is not None
    assert error.code == "MA6003"
    assert stage.host.text(FAILURE_SENTINEL) is not None


def test_a_run_that_is_ended_while_it_reports_keeps_its_own_end() -> None:
    overdue = InterruptedRunError("MA6003", "out of time")
    failed, succeeded = Stage(), Stage()
    with pytest.raises(StepError), failed.reporter.reported():
        raise StepError("MA3204", "the command failed")
    succeeded.reporter.begin()
    succeeded.reporter.succeeded()

    assert failed.reporter.overdue(overdue) == 5
    assert succeeded.reporter.overdue(overdue) == 0
    assert failed.status().error != succeeded.status().error
    assert succeeded.status().phase == "Succeeded"


def test_a_success_in_the_middle_of_which_the_run_is_ended_is_withdrawn() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.reporter.keep()
    codes: list[int] = []

    def hang(name: str, content: bytes, *, durable: bool) -> None:
        del name, content, durable
        stage.host.state.write = write  # type: ignore[method-assign]
        codes.append(stage.reporter.overdue(InterruptedRunError("MA6003", "out of time")))
        raise SystemExit

    write = stage.host.state.write
    stage.host.state.write = hang  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        stage.reporter.succeeded()

    assert codes == [9]
    assert stage.status().phase == "Failed"
    assert stage.host.text(SUCCESS_SENTINEL) is None


PHASES = {"succeeded": "Succeeded", "prepared": "Prepared"}


@pytest.mark.parametrize("end", PHASES)
@pytest.mark.parametrize("code", ["MA6002", "MA6003"], ids=["a signal", "the deadline"])
def test_a_receiver_that_does_not_answer_turns_no_good_end_into_a_failure(
    end: str, code: str
) -> None:
    stage = Stage()
    seen: list[tuple[str, str, int]] = []

    def send(data: bytes) -> None:
        told = msgspec.json.decode(data, type=BootstrapStatus).phase
        if told == PHASES[end]:
            own = stage.status(durable=True).phase
            # The process is ended by force while the receiver still keeps it waiting.
            seen.append((told, own, stage.reporter.overdue(InterruptedRunError(code, "end"))))

    stage.reporter.begin()
    stage.reporter.keep()
    stage.reporter.also(Elsewhere(send, interval=0.001))
    getattr(stage.reporter, end)()

    assert seen == [(PHASES[end], PHASES[end], 0)]
    assert stage.status().phase == PHASES[end]
    assert (stage.host.text(SUCCESS_SENTINEL) is not None) == (end == "succeeded")
    assert stage.host.text(FAILURE_SENTINEL) is None
    assert stage.condition(REPORTED) == "True"


@pytest.mark.parametrize("full", ["the state", "the run directory", "the sentinel"])
def test_nobody_else_is_told_of_a_success_that_the_machine_could_not_keep(full: str) -> None:
    stage = Stage()
    told: list[str] = []
    stage.reporter.keep()
    stage.reporter.also(
        Elsewhere(
            lambda data: told.append(msgspec.json.decode(data, type=BootstrapStatus).phase),
            interval=0.001,
        )
    )

    def refuse(*_: object, **__: object) -> None:
        raise HostError("MA3002", "no space left on device")

    write = stage.host.state.write

    def succeeds_no_more(name: str, content: bytes, *, durable: bool) -> None:
        if b'"phase": "Succeeded"' in content and durable == (full == "the state"):
            refuse()
        write(name, content, durable=durable)

    if full == "the sentinel":
        stage.host.files.write = refuse  # type: ignore[method-assign]
    else:
        stage.host.state.write = succeeds_no_more  # type: ignore[method-assign]
    with pytest.raises(HostError), stage.reporter.reported():
        stage.reporter.succeeded()

    assert "Succeeded" not in told
    assert told[-1] == "Failed"


@pytest.mark.parametrize("end", ["succeeded", "prepared"])
def test_what_has_ended_well_is_not_resumable(end: str) -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.reporter.resumable("True", "UnitEnabled")

    getattr(stage.reporter, end)()

    assert stage.condition(RESUMABLE) == "False"


def test_what_has_failed_goes_on_after_a_reboot() -> None:
    stage = Stage()
    stage.reporter.resumable("True", "UnitEnabled")

    with pytest.raises(StepError), stage.reporter.reported():
        raise StepError("MA3204", "the command failed")

    assert stage.condition(RESUMABLE) == "True"


def test_a_run_that_cannot_report_does_not_begin() -> None:
    stage = Stage()
    stage.host.put(SUCCESS_SENTINEL, "success")
    stage.host.files.failures[STATUS] = HostError("MA3001", "disk full")
    began = False

    def full(name: str, content: bytes, *, durable: bool) -> None:
        del name, content, durable
        raise HostError("MA3001", "disk full")

    stage.host.state.write = full  # type: ignore[method-assign]
    with pytest.raises(HostError) as caught, stage.reporter.reported():
        began = True

    assert caught.value.code == "MA6006"
    assert not began


def test_a_report_that_cannot_be_written_on_the_way_does_not_stop_the_run() -> None:
    stage = Stage()
    stage.reporter.begin()

    def full(name: str, content: bytes, *, durable: bool) -> None:
        del name, content, durable
        raise HostError("MA3001", "disk full")

    stage.host.state.write = full  # type: ignore[method-assign]
    stage.plan()

    assert "disk full" in stage.told[0]


def test_the_sentinel_may_come_right_after_kubeadm() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.reporter.succeed_early()
    stage.plan()

    stage.done(0)
    assert stage.host.text(SUCCESS_SENTINEL) is None
    stage.done(1)
    assert stage.host.text(SUCCESS_SENTINEL) == "success"


def test_a_retry_is_seen_in_the_report() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.plan()
    stage.start(1)

    run = ProgramRun(program="kubeadm", command=("kubeadm", "join"), exit_code=1, phase="preflight")
    stage.reporter.observe(ProgramEnded(time=1, run=run))
    stage.reporter.observe(
        StepRetried(time=1, step=STEPS[1][0], attempt=1, delay=5, code="MA4007", message="no")
    )

    step = stage.status().steps[1]
    assert (step.state, step.code) == ("Running", "MA4007")
    assert step.message == "attempt 1 failed, next in 5 s: no"
    kubeadm = stage.status().kubeadm
    assert kubeadm is not None
    assert kubeadm.exit_code == 1


def test_a_wait_is_seen_in_the_report_until_the_step_is_done() -> None:
    stage = Stage()
    stage.reporter.begin()
    stage.plan()
    stage.start(0)
    for elapsed in (0.0, 10.2):
        stage.reporter.observe(
            StepWaiting(
                time=1,
                step=STEPS[0][0],
                condition="mount /data",
                reason="etcd keeps its data there",
                elapsed=elapsed,
                budget=90.0,
            )
        )
        step = stage.status().steps[0]
        assert step.state == "Running"
        assert step.message == (
            f"waits for mount /data, {elapsed:.0f} s of 90 s: etcd keeps its data there"
        )

    stage.done(0)
    assert "waits" not in stage.status().steps[0].message


def test_a_condition_keeps_its_time_while_it_says_the_same() -> None:
    stage = Stage()
    stage.reporter.begin()
    since = stage.status().conditions[0].last_transition_time
    stage.host.clock.sleep(60)
    stage.reporter.resumable("True", "UnitEnabled")
    stage.plan()

    times = {one.type: one.last_transition_time for one in stage.status().conditions}
    assert times[SUCCEEDED] == since
    assert times[ACCEPTED] != since
    assert stage.condition(RESUMABLE) == "True"


def test_a_report_can_be_read_again_whatever_a_failure_says() -> None:
    stage = Stage()
    stage.plan()
    stage.start(1)
    error = KubeadmError(
        "MA4007",
        "\udcff" + "m" * 40_000,
        hint="h" * 40_000,
        log_tail="\udcff",
        command=("kubeadm", "x" * 9_000, *(["y"] * 100)),
        process_exit_code=1,
        phase="p" * 600,
    )

    def fail() -> None:
        failed = StepFailed(
            time=1, step=STEPS[1][0], duration=2, code=error.code, message=error.message
        )
        stage.reporter.observe(failed)
        raise error

    with pytest.raises(KubeadmError), stage.reporter.reported():
        fail()

    assert stage.status().phase == "Failed"
    assert read_status(stage.host.state) == stage.status()
