"""What the kernel lacks is added to the boot loader's configuration once, and the machine reboots only where it may."""

from __future__ import annotations

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.errors import InterruptedRunError, StepError
from machineadm.execution.ledger import Ledger
from machineadm.plan.model import Plan
from machineadm.steps.kernel_arguments import plan_kernel_arguments
from tests.applying import carry_out, context_of
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost

GRUB = "/etc/default/grub.d/90-machineadm.cfg"


def machine(loader: str = "update-grub", running: str = "root=/dev/sda1 ro") -> FakeHost:
    host = FakeHost()
    host.put("/proc/cmdline", f"{running}\n")
    host.commands.missing |= {"update-grub", "grubby"} - {loader}
    return host


def plan(*arguments: str, boot: str = "b1", reboot: bool = False) -> Plan:
    linux = LinuxConfiguration(kernel_arguments=arguments)
    return Plan(steps=plan_kernel_arguments(linux, boot_id=boot), reboot=reboot)


def bootstrap(host: FakeHost, wanted: Plan, boot: str = "b1") -> None:
    carry_out(wanted, host, boot_id=boot)


def pending(host: FakeHost, boot: str = "b1") -> list[str]:
    return [one.follow.key for one in Ledger(host.state, machine_id="m1", boot_id=boot).pending]


@pytest.mark.parametrize("loader", ["update-grub", "grubby", "none"])
def test_what_the_kernel_has_is_in_place_whatever_the_boot_loader(loader: str) -> None:
    host = machine(loader, "ro audit=1 quiet")
    bootstrap(host, plan("quiet", "audit=1"))

    assert (host.files.written, pending(host)) == ([], [])


def test_a_whole_argument_counts_and_no_part_of_one() -> None:
    host = machine(running="audit=10 noaudit=1 xaudit=1")
    bootstrap(host, plan("audit=1"))

    assert host.text(GRUB) == 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1"\n'


def test_grub_is_told_once_and_a_reboot_stays_required_where_it_is_not_allowed() -> None:
    host = machine()
    for _ in range(2):
        bootstrap(host, plan("audit=1"))

    assert host.commands.argvs() == [("update-grub",)]
    assert pending(host) == ["reboot"]


def test_the_machine_reboots_where_it_may_and_the_next_boot_finds_nothing_to_do() -> None:
    host = machine()
    with pytest.raises(InterruptedRunError):
        bootstrap(host, plan("audit=1", reboot=True))

    host.put("/proc/cmdline", "ro audit=1\n")
    bootstrap(host, plan("audit=1", boot="b2", reboot=True), "b2")
    assert pending(host, "b2") == []
    assert host.commands.argvs().count(("update-grub",)) == 1


@pytest.mark.parametrize("loader", ["update-grub", "grubby"])
def test_a_boot_loader_that_does_not_listen_is_an_error_and_no_second_reboot(loader: str) -> None:
    host = machine(loader)
    told: list[str] = []

    def remember(call: Call) -> None:
        told.extend(call.argv[-1].removeprefix("--args=").split())

    host.commands.on("grubby", "--update-kernel=ALL", effect=remember)
    bootstrap(host, plan("audit=1"))
    before = host.commands.argvs()
    host.commands.on("grubby", "--info=DEFAULT", output=f'args="ro {" ".join(told)}"\n')
    with pytest.raises(StepError) as raised:
        bootstrap(host, plan("audit=1", boot="b2"), "b2")

    assert raised.value.code == "MA3622"
    assert host.commands.argvs() == before


def test_a_further_argument_is_added_beside_those_that_the_kernel_has() -> None:
    host = machine()
    bootstrap(host, plan("audit=1"))
    host.put("/proc/cmdline", "ro audit=1\n")
    bootstrap(host, plan("audit=1", "quiet", boot="b2"), "b2")

    assert host.text(GRUB) == 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX audit=1 quiet"\n'


def test_grubby_is_told_what_is_missing_alone() -> None:
    host = machine("grubby", "ro audit=1")
    host.commands.on("grubby", "--info=DEFAULT", output='args="ro audit=1"\n')
    bootstrap(host, plan("audit=1", "quiet", "a=b"))

    assert host.commands.argvs() == [("grubby", "--update-kernel=ALL", "--args=quiet a=b")]


def test_nobody_who_can_set_them_is_an_error_before_anything_is_touched() -> None:
    host = machine("none")
    with pytest.raises(StepError) as raised:
        bootstrap(host, plan("audit=1"))

    assert raised.value.code == "MA3621"
    assert "audit=1" in raised.value.message
    assert not host.mutations()


def test_grubby_that_fails_is_told_with_its_words() -> None:
    host = machine("grubby")
    host.commands.on("grubby", "--update-kernel=ALL", exit_code=1, output="no such kernel\n")
    with pytest.raises(StepError) as raised:
        bootstrap(host, plan("audit=1"))

    assert (raised.value.code, raised.value.log_tail) == ("MA3623", "no such kernel\n")


def test_what_is_no_longer_declared_goes_with_its_file_and_grub_is_told() -> None:
    host = machine()
    bootstrap(host, plan("audit=1"))
    bootstrap(host, Plan(steps=()))

    assert host.text(GRUB) is None
    assert host.commands.argvs() == [("update-grub",)] * 2


def test_a_kill_before_the_file_is_written_costs_no_argument() -> None:
    host = machine()
    wanted = plan("audit=1")
    context_of(wanted, host)
    host.state.write("kernel-arguments", b"b1", durable=True)
    bootstrap(host, wanted)

    assert host.text(GRUB) is not None
