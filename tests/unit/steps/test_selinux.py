"""SELinux on a fake machine: this kind of kernel is not to be had where the tests run."""

from __future__ import annotations

from typing import Literal

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.selinux import Selinux
from machineadm.errors import HostError, StepError
from machineadm.execution.events import Event, RebootRequired, StepDone
from machineadm.plan.model import Plan
from machineadm.steps.selinux import ENFORCE, plan_selinux
from tests.applying import carry_out
from tests.fakes.host import Call, FakeHost, offline_host

Mode = Literal["Enforcing", "Permissive", "Disabled"]
CONFIG = "/etc/selinux/config"
TEXT = "# SELINUX= one of three\n  SELINUX = {}\nSELINUXTYPE=targeted\n"


class System:
    """A machine whose kernel obeys setenforce."""

    def __init__(self, running: str | None, configured: str | None) -> None:
        self.host = FakeHost()
        self.events: list[Event] = []
        if running is not None:
            self.host.put(ENFORCE, running)
        if configured is not None:
            self.host.put(CONFIG, TEXT.format(configured))
        self.host.commands.on("setenforce", effect=self._switch)

    def _switch(self, call: Call) -> None:
        self.host.put(ENFORCE, call.argv[1])

    def run(self, mode: Mode | None) -> None:
        steps = () if mode is None else plan_selinux(LinuxConfiguration(selinux=Selinux(mode=mode)))
        self.events.clear()
        carry_out(Plan(steps=steps), self.host, self.events.append)

    @property
    def asks_for_a_reboot(self) -> bool:
        return any(isinstance(one, RebootRequired) for one in self.events)

    @property
    def told(self) -> str:
        return " ".join(one.message for one in self.events if isinstance(one, StepDone))


@pytest.mark.parametrize(("running", "mode", "value"), [("0", "Enforcing", "1"), ("1", "Permissive", "0")])  # fmt: skip
def test_the_mode_changes_now_and_at_later_boots_and_the_rest_of_the_file_stays(
    running: str, mode: Mode, value: str
) -> None:
    system = System(running, "permissive" if running == "0" else "enforcing")

    system.run(mode)
    system.run(mode)

    assert system.host.text(CONFIG) == f"# SELINUX= one of three\nSELINUX={mode.lower()}\nSELINUXTYPE=targeted\n"  # fmt: skip
    assert system.host.commands.argvs() == [("setenforce", value)]
    assert not system.asks_for_a_reboot


@pytest.mark.parametrize(("running", "word"), [("1", "is refused"), ("0", "is only logged")])
def test_the_report_tells_enforcing_and_permissive_apart(running: str, word: str) -> None:
    system = System(running, "enforcing" if running == "1" else "permissive")

    system.run("Enforcing" if running == "1" else "Permissive")

    assert word in system.told


def test_a_machine_without_it_gets_its_labels_at_the_reboot_that_it_asks_for() -> None:
    system = System(None, "disabled")

    system.run("Enforcing")

    assert system.host.text("/.autorelabel") == ""
    assert system.asks_for_a_reboot
    assert system.host.commands.argvs() == []
    assert "runs without it" in system.told


def test_it_goes_with_a_reboot() -> None:
    system = System("1", "enforcing")

    system.run("Disabled")

    assert "SELINUX=disabled" in (system.host.text(CONFIG) or "")
    assert system.asks_for_a_reboot
    assert system.host.text(ENFORCE) == "1"


def test_what_is_not_installed_cannot_be_enforced_and_is_off_already() -> None:
    with pytest.raises(StepError) as caught:
        System(None, None).run("Enforcing")
    assert caught.value.code == "MA3601"

    system = System(None, None)
    system.run("Disabled")
    assert system.host.mutations() == []


def test_a_kernel_that_does_not_obey_is_told_of() -> None:
    system = System("1", "enforcing")
    system.host.commands.on("setenforce", exit_code=1, output="Permission denied\n")

    with pytest.raises(HostError) as caught:
        system.run("Permissive")

    assert caught.value.code == "MA3602"


def test_the_mode_that_was_there_comes_back() -> None:
    system = System("0", "permissive")
    system.run("Enforcing")

    system.run(None)

    assert system.host.text(CONFIG) == TEXT.format("permissive")


def test_below_another_root_the_file_is_written_alone() -> None:
    host = offline_host()
    host.put(CONFIG, TEXT.format("disabled"))

    carry_out(
        Plan(steps=plan_selinux(LinuxConfiguration(selinux=Selinux(mode="Permissive")))), host
    )

    assert "SELINUX=permissive" in (host.text(CONFIG) or "")
    assert host.files.stat("/.autorelabel") is None
