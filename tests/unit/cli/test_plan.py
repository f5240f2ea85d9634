"""`plan` on a machine that `bootstrap` refuses: the plan is what was asked for, and the reasons come behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from machineadm.agent.request import Request
from machineadm.cli.plan import show
from machineadm.errors import HostError
from tests.unit.agent.stage import Stage

SWAP = "Filename\n/dev/sda2 partition 1 0 -2\n"
KUBERNETES = "  kubernetes: {version: v1.35.0, role: {type: Initialize}}\n"
V1 = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n"


@pytest.fixture
def unsuited(tmp_path: Path) -> Stage:
    """A machine with cgroup v1 and swap, and a kubelet that takes neither."""
    stage = Stage(tmp_path)
    stage.host.commands.on("kubeadm", "version", output="v1.35.0\n")
    # Commands might change the machine, so with them less is refused.
    text = stage.file.read_text().partition("    commands:\n")[0]
    stage.file.write_text(f"{text}{KUBERNETES}")
    stage.host.put("/proc/self/mounts", V1)
    stage.host.put("/proc/swaps", SWAP)
    return stage


def shown(stage: Stage, *, as_json: bool = False) -> int:
    return show(Request(paths=(str(stage.file),)), stage.machine(), as_json=as_json)


def test_the_plan_is_shown_and_then_every_reason(
    unsuited: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shown(unsuited) == 5

    told = capfd.readouterr()
    assert "/etc/motd" in told.out
    assert "MA45" not in told.out
    lines = [line.split()[1] for line in told.err.splitlines() if "MA45" in line]
    assert lines == ["MA4501", "MA4503"]
    assert "bootstrap would refuse this machine; nothing was changed" in told.err
    assert unsuited.host.commands.argvs() == []


def test_json_has_the_reasons_beside_the_steps(
    unsuited: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shown(unsuited, as_json=True) == 5

    plan = json.loads(capfd.readouterr().out)
    assert [one["code"] for one in plan["refused"]] == ["MA4501", "MA4503"]
    assert all(one["message"] and one["hint"] for one in plan["refused"])
    assert plan["toDo"] > 0


def test_a_suitable_machine_is_refused_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert shown(Stage(tmp_path), as_json=True) == 10

    assert json.loads(capfd.readouterr().out)["refused"] == []


def test_bootstrap_still_refuses_before_anything_is_touched(unsuited: Stage) -> None:
    with pytest.raises(HostError) as caught:
        unsuited.run()

    assert (caught.value.code, caught.value.exit_code) == ("MA4501", 5)
    assert unsuited.host.commands.argvs() == []
    assert unsuited.host.text("/etc/motd") is None
