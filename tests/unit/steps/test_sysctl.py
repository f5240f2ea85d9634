"""Kernel parameters: set, read back, and compared as the kernel reads them."""

from __future__ import annotations

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.errors import HostError, StepError
from machineadm.plan.model import Change, Step
from machineadm.steps.sysctl import plan_sysctl
from tests.applying import apply
from tests.fakes.host import FakeHost

LINUX = LinuxConfiguration(sysctls={"net.ipv4.ip_forward": "1"})


def run(steps: tuple[Step, ...], host: FakeHost) -> None:
    for step in steps:
        apply(step, host)


@pytest.mark.requirement("R2")
def test_a_value_that_does_not_stick_is_an_error_with_the_kernels_own() -> None:
    host = FakeHost()
    host.kernel.stubborn = {"net.ipv4.ip_forward"}

    with pytest.raises(StepError, match=r"set to '1', but the kernel says '0'") as caught:
        run(plan_sysctl(LINUX), host)
    assert caught.value.code == "MA3307"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("4096 \t 87380  6291456", "4096\t87380\t6291456"), ("0x10", "16"), ("020", "16"), ("0", "0")],
)
def test_values_are_compared_as_the_kernel_reads_them(wanted: str, found: str) -> None:
    host = FakeHost()
    host.kernel.parameters["a.b"] = found
    _, apply_step = plan_sysctl(LinuxConfiguration(sysctls={"a.b": wanted}))

    assert apply_step.check(host).change is Change.ALREADY_IN_PLACE


def test_a_parameter_that_a_module_will_bring_is_no_error_in_a_plan() -> None:
    host = FakeHost()
    linux = LinuxConfiguration(sysctls={"net.bridge.bridge-nf-call-iptables": "1"})
    _, apply_step = plan_sysctl(linux)

    assert apply_step.check(host).change is Change.CHANGED
    with pytest.raises(HostError) as caught:
        apply(apply_step, host)
    assert caught.value.code == "MA3304"


def test_a_pattern_gives_way_to_a_name() -> None:
    host = FakeHost()
    names = ("all", "default", "eth0")
    host.kernel.parameters = {f"net.ipv4.conf.{name}.rp_filter": "0" for name in names}
    linux = LinuxConfiguration(
        sysctls={"net.ipv4.conf.eth0.rp_filter": "2", "net.ipv4.conf.*.rp_filter": "1"}
    )
    run(plan_sysctl(linux), host)

    assert list(host.kernel.parameters.values()) == ["1", "1", "2"]


@pytest.mark.parametrize(
    "named",
    [
        "net.ipv4.conf.eth0/100.rp_filter",
        "net/ipv4/conf/eth0.100/rp_filter",
    ],
)
@pytest.mark.parametrize("pattern", ["net.ipv4.conf.*.rp_filter", "net/ipv4/conf/*/rp_filter"])
def test_a_pattern_gives_way_to_a_named_parameter_in_either_spelling(
    named: str, pattern: str
) -> None:
    host = FakeHost()
    host.kernel.parameters = {
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.eth0/100.rp_filter": "0",
    }
    linux = LinuxConfiguration(sysctls={named: "2", pattern: "1"})
    _, step = plan_sysctl(linux)

    apply(step, host)

    assert host.kernel.parameters == {
        "net.ipv4.conf.all.rp_filter": "1",
        "net.ipv4.conf.eth0/100.rp_filter": "2",
    }
