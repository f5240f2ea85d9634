"""What makes a run go on after a reboot, as a plan and a reset show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.request import Request
from machineadm.agent.reset import look_at_reset, reset
from machineadm.agent.units import RESUME_UNIT, UNITS
from machineadm.errors import KubeadmError, MachineadmError
from machineadm.host.effects import EnableUnit, RemoveFile, WriteFile
from machineadm.plan.look import Look, Standing
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor
from tests.unit.agent.stage import CONFIG_ON_DISK, Stage

PATH = f"{UNITS}/{RESUME_UNIT}"


def planned(stage: Stage) -> tuple[Look, ...]:
    return look_ahead(
        Request(paths=(str(stage.file),), options=("--mode", "provisioning")), stage.machine()
    )


def written(looks: tuple[Look, ...]) -> list[bytes]:
    effects = [effect for one in looks for effect in one.work.effects]
    return [
        effect.content
        for effect in effects
        if isinstance(effect, WriteFile)
        and effect.path == PATH
        and isinstance(effect.content, bytes)
    ]


def test_a_plan_shows_the_unit_that_the_run_writes_and_changes_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.host.commands.on("kubeadm", "join", exit_code=1)
    before = list(stage.host.mutations())

    looks = planned(stage)

    assert stage.host.mutations() == before
    assert (looks[0].step.name, looks[0].standing) == ("agent/resumeUnit", Standing.TO_DO)
    assert EnableUnit(unit=RESUME_UNIT) in looks[0].work.effects
    text = "".join(render_text(looks, Redactor()))
    assert f"unit {RESUME_UNIT}, until the bootstrap has succeeded" in text
    assert "abcdef.0123456789abcdef" not in text
    with pytest.raises(MachineadmError):
        stage.run()
    assert written(looks) == [(stage.host.text(PATH) or "").encode()]
    assert planned(stage)[0].standing is Standing.IN_PLACE


@pytest.mark.parametrize("kind", ["a-tree", "without-systemd", "in-place"])
def test_a_plan_shows_no_unit_where_the_run_writes_none(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, offline=kind == "a-tree", systemd=kind != "without-systemd")
    if kind == "in-place":
        stage.run()

    looks = planned(stage)

    assert "agent/resumeUnit" not in [one.step.name for one in looks]
    assert stage.host.text(PATH) is None


def test_a_reset_shows_that_it_takes_the_unit_and_takes_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.host.commands.on("kubeadm", "join", exit_code=1)
    with pytest.raises(MachineadmError):
        stage.run()
    assert stage.host.text(PATH) is not None

    effects = [
        effect for one in look_at_reset(stage.machine()).looks for effect in one.work.effects
    ]
    reset(stage.machine(), confirm=lambda _: True)

    assert PATH in [effect.path for effect in effects if isinstance(effect, RemoveFile)]
    assert stage.host.text(PATH) is None
    assert stage.host.state.list("resume") == ()


def test_the_reset_that_the_hint_advises_makes_a_lost_node_one_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.run()
    stage.host.files.remove(CONFIG_ON_DISK)
    with pytest.raises(KubeadmError) as caught:
        stage.run()
    assert caught.value.code == "MA4044"
    assert "`machineadm reset`" in caught.value.hint()

    reset(stage.machine(), confirm=lambda _: True)
    stage.run()

    assert stage.succeeded()
    assert stage.host.text(CONFIG_ON_DISK) is not None
