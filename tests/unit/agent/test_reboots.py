"""A reboot that a step asks for: what the report says of one that is allowed, and of one that is not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from machineadm.agent.units import RESUME_UNIT
from machineadm.errors import InterruptedRunError, StepError
from machineadm.execution.events import RebootRequired, RunEnded
from machineadm.execution.ledger import Ledger, Pending
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp
from machineadm.reporting.sinks import FAILURE_SENTINEL, SUCCESS_SENTINEL
from tests.fakes.killing import Killed, Reaper
from tests.unit.agent.stage import Stage

MACHINE_ID = "0123456789abcdef0123456789abcdef"


def asked(stage: Stage, *, phase: str = "prepare") -> None:
    """A step has asked for a reboot in this boot, and the run was killed before it came to it."""
    ledger = Ledger(stage.host.state, machine_id=MACHINE_ID, boot_id="boot-1")
    follow = FollowUp(kind="reboot")
    ledger.put_pending(
        Pending(follow=follow, phase=phase, steps=("kernel/arguments",), boot_id="boot-1")
    )
    ledger.save()


def stage_of(directory: Path, *, allowed: bool, systemd: bool = True) -> Stage:
    directory.mkdir(exist_ok=True)
    stage = Stage(directory, systemd=systemd)
    if allowed:
        stage.replace("  machine:\n", "  machine:\n    reboot: Allowed\n")
    asked(stage)
    return stage


def conditions(stage: Stage) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in stage.status().conditions}


def test_the_report_of_an_allowed_reboot_says_that_the_run_goes_on(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, allowed=True)

    with pytest.raises(InterruptedRunError):
        stage.run()

    status = stage.status()
    assert status.phase == "Failed"
    assert status.error is not None
    assert (status.error.code, status.error.exit_code) == ("MA6021", 9)
    assert "kernel/arguments" in status.error.message
    assert conditions(stage)["Resumable"] == ("True", "UnitEnabled")
    assert "RebootRequired" not in conditions(stage)
    assert stage.host.services.actions[-1] == ("reboot",)
    assert RESUME_UNIT in stage.host.services.enabled_units
    # Whoever waits for a failure waits for the end at the next boot.
    assert stage.host.text(FAILURE_SENTINEL) is None
    assert stage.host.text(SUCCESS_SENTINEL) is None
    (ended,) = [event for event in stage.events if isinstance(event, RunEnded)]
    assert (ended.exit_code, ended.code) == (9, "MA6021")
    assert stage.ran("pre-command") == 0
    # The copy that outlasts the reboot says the same.
    stage.boot("boot-2")
    after = stage.status().error
    assert after is not None
    assert after.code == "MA6021"

    stage.run()

    assert stage.status().phase == "Succeeded"
    assert stage.status().error is None
    assert "RebootRequired" not in conditions(stage)
    assert conditions(stage)["Resumable"][0] == "False"
    assert stage.host.services.actions.count(("reboot",)) == 1
    assert stage.succeeded()


def test_a_reboot_that_is_not_allowed_is_a_condition_of_a_success(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, allowed=False)

    stage.run()

    assert stage.status().phase == "Succeeded"
    assert conditions(stage)["RebootRequired"] == ("True", "NotAllowed")
    (condition,) = [one for one in stage.status().conditions if one.type == "RebootRequired"]
    assert condition.message == "asked for by kernel/arguments"
    assert [e.steps for e in stage.events if isinstance(e, RebootRequired)] == [
        ("kernel/arguments",)
    ]
    assert ("reboot",) not in stage.host.services.actions
    # Said again by a run that has nothing to do, and not once somebody has rebooted the machine.
    stage.run()
    assert conditions(stage)["RebootRequired"][0] == "True"
    stage.boot("boot-2")
    stage.run()
    assert stage.status().phase == "Succeeded"
    assert "RebootRequired" not in conditions(stage)


def test_a_machine_that_would_not_resume_is_told_to_be_rebooted(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, allowed=True, systemd=False)

    stage.run()

    assert stage.status().phase == "Succeeded"
    assert conditions(stage)["RebootRequired"] == ("True", "NotAllowed")
    assert conditions(stage)["Resumable"] == ("False", "NoSystemd")


def test_a_machine_that_was_rebooted_three_times_fails_with_a_report(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, allowed=True)
    for _ in range(3):
        with pytest.raises(InterruptedRunError):
            stage.run()

    with pytest.raises(StepError):
        stage.run()

    error = stage.status().error
    assert error is not None
    assert error.code == "MA3412"
    assert stage.host.text(FAILURE_SENTINEL) is not None


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_before_a_reboot_the_machine_is_rebooted_and_succeeds(
    after: bool, tmp_path: Path
) -> None:
    reaper = Reaper()
    counted = stage_of(tmp_path / "counted", allowed=True)
    with pytest.raises(InterruptedRunError):
        watched(counted, reaper)
    for at in range(1, reaper.calls + 1, 3):
        stage = stage_of(tmp_path / "killed", allowed=True)
        with suppress(Killed, InterruptedRunError):
            watched(stage, Reaper(at, after=after))
        with pytest.raises(InterruptedRunError):
            stage.run()
        stage.boot("boot-2")
        stage.run()
        assert stage.status().phase == "Succeeded", at
        assert 1 <= stage.host.services.actions.count(("reboot",)) <= 2, at
        assert stage.ran("pre-command") == 1, at


def watched(stage: Stage, reaper: Reaper) -> None:
    real: Host = stage.host
    stage.host = reaper.over(real)  # type: ignore[assignment]
    try:
        stage.run()
    finally:
        stage.host = real  # type: ignore[assignment]
        stage.host.state.held = False
