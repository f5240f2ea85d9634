"""Right before kubeadm runs the machine is judged once more: what no command has fixed keeps kubeadm from running."""

from __future__ import annotations

import msgspec
import pytest

from machineadm.api.v1alpha1.node import NodeConfig, NodeKubelet
from machineadm.errors import StepError
from tests.kubeadm_machine import ROLES, Machine

SWAPS = "Filename\tType\tSize\tUsed\tPriority\n/dev/vda2 partition 1 0 -2\n"


def told(machine: Machine, **kubelet: object) -> None:
    """Give the node's kubelet settings of its own."""
    node = machine.kubernetes.node or NodeConfig()
    settings = NodeKubelet(**kubelet)  # type: ignore[arg-type] # one field or the other
    machine.kubernetes = msgspec.structs.replace(
        machine.kubernetes, node=msgspec.structs.replace(node, kubelet=settings)
    )


def ran(machine: Machine) -> bool:
    return machine.host.files.stat("/etc/kubernetes/kubelet.conf") is not None


@pytest.mark.parametrize("role", ROLES)
def test_swap_that_is_still_on_is_refused_before_kubeadm_runs(role: str) -> None:
    machine = Machine(role)
    told(machine, fail_swap_on=True)
    machine.host.put("/proc/swaps", SWAPS)

    with pytest.raises(StepError) as error:
        machine.run()

    assert (error.value.code, error.value.exit_code) == ("MA4503", 5)
    assert "linuxConfiguration.swap" in error.value.hint()
    assert not ran(machine)


def test_a_machine_that_is_too_small_for_a_control_plane_is_refused_with_all_reasons() -> None:
    machine = Machine("init")
    machine.host.put("/proc/cpuinfo", "processor\t: 0\n")
    machine.host.put("/proc/meminfo", "MemTotal:        1000000 kB\n")

    with pytest.raises(StepError) as error:
        machine.run()

    assert (error.value.code, error.value.exit_code) == ("MA4509", 5)
    assert "MA4508: the machine has 976 MiB" in str(error.value)
    assert not ran(machine)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_command_has_fixed_refuses_nobody(role: str) -> None:
    machine = Machine(role)
    told(machine, fail_swap_on=True)
    machine.host.put("/proc/swaps", SWAPS.splitlines()[0] + "\n")
    machine.host.put("/proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n")

    machine.run()

    assert ran(machine)


def test_what_the_configuration_tells_to_ignore_refuses_nobody() -> None:
    machine = Machine("init")
    machine.host.put("/proc/swaps", SWAPS)
    node = machine.kubernetes.node or NodeConfig()
    machine.kubernetes = msgspec.structs.replace(
        machine.kubernetes, node=msgspec.structs.replace(node, ignore_preflight_errors=("MA4503",))
    )

    machine.run()

    assert ran(machine)


def test_a_run_that_is_refused_goes_on_once_the_flaw_is_gone() -> None:
    machine = Machine("init")
    told(machine, fail_swap_on=True)
    machine.host.put("/proc/swaps", SWAPS)
    with pytest.raises(StepError):
        machine.run()
    machine.host.files.remove("/proc/swaps")

    machine.run()

    assert ran(machine)
