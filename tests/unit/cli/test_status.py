"""The last report, its exit code, and waiting for it."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from machineadm.api.v1alpha1.status import (
    AgentIdentity,
    BootstrapStatus,
    ErrorReport,
    Phase,
    StepReport,
    WarningReport,
)
from machineadm.cli.main import main
from machineadm.cli.status import SHOWN_LINES, _wait, exit_code, is_cut_off, render, render_log
from machineadm.errors import InterruptedRunError
from machineadm.reporting.sinks import STATUS, encode
from tests.fakes.host import FakeHost


def status(phase: Phase, *, code: int | None = None) -> BootstrapStatus:
    error = ErrorReport(code="MA4007", message="no\x1b", exit_code=code) if code else None
    return BootstrapStatus(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
        kind="BootstrapStatus",
        phase=phase,
        agent=AgentIdentity(version="0.1.0"),
        steps=(StepReport(name="files/write", phase="prepare", state="Done", duration=0.1),),
        error=error,
    )


@pytest.mark.parametrize(
    ("phase", "code", "exits"),
    [
        ("Pending", None, 9),
        ("Preparing", None, 9),
        ("Bootstrapping", None, 9),
        ("Prepared", None, 0),
        ("Succeeded", None, 0),
        ("Failed", 6, 6),
        ("Failed", 3, 3),
        ("Failed", 9, 9),
    ],
)
def test_the_exit_code_is_that_of_the_bootstrap(phase: Phase, code: int | None, exits: int) -> None:
    assert exit_code(status(phase, code=code)) == exits


def test_waiting_ends_with_the_run() -> None:
    host = FakeHost()
    host.state.write(STATUS, encode(status("Bootstrapping")), durable=False)
    pause = host.clock.sleep

    def sleep(seconds: float) -> None:
        pause(seconds)
        if host.clock.elapsed >= 5:
            host.state.write(STATUS, encode(status("Succeeded")), durable=False)

    host.clock.sleep = sleep  # type: ignore[method-assign]

    assert _wait(host).phase == "Succeeded"
    assert host.clock.elapsed >= 5


def test_waiting_ends_in_time() -> None:
    host = FakeHost()
    host.state.write(STATUS, encode(status("Bootstrapping")), durable=False)
    host.clock.deadline = 3

    with pytest.raises(InterruptedRunError, match="Bootstrapping") as caught:
        _wait(host)

    assert (caught.value.code, caught.value.exit_code) == ("MA6009", 9)


def test_a_run_that_was_killed_is_told_from_one_that_is_at_work() -> None:
    state = FakeHost().state

    assert is_cut_off(status("Bootstrapping"), state)
    assert not is_cut_off(status("Succeeded"), state)
    state.other_holds_lock = True
    assert not is_cut_off(status("Bootstrapping"), state)


def test_whoever_waits_for_a_killed_run_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    host = FakeHost()
    host.state.write(STATUS, encode(status("Bootstrapping")), durable=False)
    host.clock.deadline = 3

    with pytest.raises(InterruptedRunError):
        _wait(host)

    assert capsys.readouterr().err.count("MA6010") == 1


def test_a_person_sees_steps_and_error_without_control_characters() -> None:
    text = render(status("Failed", code=6))

    assert text.startswith("Failed : 1 step, 1 done, 0 changed, 0 deferred\n")
    assert "files/write  Done" in text
    assert "MA4007 no\\x1b\n" in text


def test_whoever_cannot_log_in_to_the_console_sees_the_last_output_of_what_failed() -> None:
    output = "".join(f"line {number}\n" for number in range(100)) + "the cause\x1b\n"
    failed = msgspec.structs.replace(
        status("Failed"), error=ErrorReport(code="MA4007", message="no", log_tail=output)
    )

    lines = render_log(failed).splitlines()

    assert lines[-1] == "    the cause\\x1b"
    assert len(lines) == SHOWN_LINES
    assert render_log(status("Succeeded")) == ""


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Preparing"])
def test_warnings_of_the_report_stand_before_its_error(phase: Phase) -> None:
    one = WarningReport(code="MA1411", path="spec.machine.files[0].content", message="a\x1b")
    two = WarningReport(code="MA1399", message="b", hint="do c")
    failed = status(phase, code=6 if phase == "Failed" else None)

    warned = msgspec.structs.replace(failed, warnings=(one, two))

    lines = render(warned, warnings=True).splitlines()
    assert lines[2:5] == [
        "warning: MA1411 spec.machine.files[0].content: a\\x1b",
        "warning: MA1399 b",
        "  hint: do c",
    ]
    assert lines[5:] == (["MA4007 no\\x1b"] if phase == "Failed" else [])
    # A run has shown them where it began.
    assert "warning" not in render(warned)


def test_status_prints_what_the_last_run_was_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files: [{path: /etc/motd, content: "{{ ds.meta_data.name }}"}]
"""
    (tmp_path / "root").mkdir()
    (tmp_path / "node.yaml").write_text(text)
    root = ("--root", str(tmp_path / "root"))
    path = str(tmp_path / "node.yaml")
    assert main(["bootstrap", "--mode", "preparation", "--path", path, *root]) == 0
    assert "warning: MA1411" not in capsys.readouterr().out

    assert main(["status", *root]) == 0
    assert "warning: MA1411 spec.machine.files[0].content: ds." in capsys.readouterr().out
    assert main(["status", *root, "--output", "json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["code"] == "MA1411"
