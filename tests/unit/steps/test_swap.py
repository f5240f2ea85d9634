"""Swap: off now and at later boots, or left as it is."""

from __future__ import annotations

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.swap import Swap
from machineadm.errors import StepError
from machineadm.plan.model import Plan
from machineadm.steps.swap import plan_swap
from tests.applying import carry_out
from tests.fakes.host import Call, FakeHost, offline_host

OFF = LinuxConfiguration(swap=Swap(enabled=False))
HEAD = "Filename\tType\tSize\tUsed\tPriority\n"
TARGET = "/etc/systemd/system/swap.target"


def machine(*, stays: bool = False) -> FakeHost:
    host = FakeHost()
    host.put("/proc/swaps", f"{HEAD}/dev/sda2 partition 1048572 0 -2\n")

    def off(_call: Call) -> None:
        if not stays:
            host.put("/proc/swaps", HEAD)

    host.commands.on("swapoff", effect=off)
    return host


def test_swap_is_off_now_and_at_later_boots() -> None:
    host = machine()

    carry_out(Plan(steps=plan_swap(OFF)), host)

    assert host.files.readlink(TARGET) == "/dev/null"
    assert host.commands.argvs() == [("swapoff", "--all")]
    carry_out(Plan(steps=plan_swap(OFF)), host)
    assert host.commands.argvs() == [("swapoff", "--all")]


def test_a_machine_without_swap_runs_nothing() -> None:
    host = FakeHost()

    carry_out(Plan(steps=plan_swap(OFF)), host)

    assert host.commands.argvs() == []
    assert host.files.readlink(TARGET) == "/dev/null"


def test_swap_that_stays_ends_the_run() -> None:
    host = machine(stays=True)
    host.commands.on("swapoff", exit_code=2, output="swapoff: Cannot allocate memory\n")

    with pytest.raises(StepError) as caught:
        carry_out(Plan(steps=plan_swap(OFF)), host)

    assert (caught.value.code, caught.value.passing) == ("MA3511", True)
    assert "/dev/sda2" in caught.value.message
    assert "Cannot allocate" in caught.value.log_tail


def test_below_another_root_the_target_is_masked_and_nothing_is_run() -> None:
    host = offline_host()

    ending = carry_out(Plan(steps=plan_swap(OFF)), host)

    assert host.files.readlink(TARGET) == "/dev/null"
    assert not ending.complete


@pytest.mark.parametrize(
    "linux", [LinuxConfiguration(), LinuxConfiguration(swap=Swap(enabled=True))]
)
def test_what_stays_as_it_is_is_not_planned(linux: LinuxConfiguration) -> None:
    assert plan_swap(linux) == ()
