"""What host name, kernel modules and kernel parameters have in common."""

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.plan.model import Change, Step
from machineadm.steps.hostname import plan_hostname
from machineadm.steps.modules import plan_modules
from machineadm.steps.sysctl import plan_sysctl
from tests.applying import apply
from tests.fakes.host import FakeHost


def apply_all(steps: tuple[Step, ...], host: FakeHost) -> list[Change]:
    return [apply(step, host).change for step in steps]


LINUX = LinuxConfiguration(
    hostname="node-1",
    kernel_modules=("overlay", "br_netfilter"),
    sysctls={"net.ipv4.ip_forward": "1"},
)
PLANS = {"hostname": plan_hostname, "modules": plan_modules, "sysctl": plan_sysctl}


@pytest.mark.parametrize("concern", PLANS)
def test_second_run_changes_nothing(concern: str) -> None:
    host = FakeHost()
    steps = PLANS[concern](LINUX)

    assert [step.check(host).change for step in steps] == [Change.CHANGED] * 2
    assert apply_all(steps, host) == [Change.CHANGED] * 2
    before = host.mutations()
    assert [step.check(host).change for step in steps] == [Change.ALREADY_IN_PLACE] * 2
    assert apply_all(steps, host) == [Change.ALREADY_IN_PLACE] * 2
    assert host.mutations() == before


@pytest.mark.parametrize("concern", PLANS)
def test_what_is_not_asked_for_makes_no_step(concern: str) -> None:
    assert PLANS[concern](LinuxConfiguration()) == ()


@pytest.mark.parametrize("concern", PLANS)
def test_the_file_is_for_every_machine_and_the_rest_for_a_running_one(concern: str) -> None:
    assert [step.live for step in PLANS[concern](LINUX)] == [False, True]


@pytest.mark.requirement("R2", "U2")
def test_all_survive_a_reboot() -> None:
    host = FakeHost()
    for plan in PLANS.values():
        apply_all(plan(LINUX), host)

    assert host.text("/etc/hostname") == "node-1\n"
    assert host.text("/etc/modules-load.d/90-machineadm.conf") == "overlay\nbr_netfilter\n"
    assert host.text("/etc/sysctl.d/90-machineadm.conf") == "net.ipv4.ip_forward = 1\n"
    assert host.kernel.name == "node-1"
    assert host.kernel.modules == {"overlay", "br_netfilter"}
    assert host.kernel.parameters["net.ipv4.ip_forward"] == "1"
