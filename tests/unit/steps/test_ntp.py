"""The clock: the service that the machine has asks the servers of the configuration, and kubeadm waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.ntp import Ntp, NtpSync
from machineadm.errors import HostError, StepError
from machineadm.plan.model import Plan
from machineadm.steps.ntp import plan_ntp
from tests.applying import carry_out
from tests.fakes.host import Call, FakeHost, FakeServices, offline_host

UNITS = "/usr/lib/systemd/system"
TIMESYNCD = "systemd-timesyncd.service"
DROP_IN = "/etc/systemd/timesyncd.conf.d/90-machineadm.conf"
OURS = {"servers": ("192.0.2.1",), "pools": ("pool.example.com",)}
IN_CHRONY = "server 192.0.2.1 iburst prefer\npool pool.example.com iburst prefer\n"


class Skipping(FakeServices):
    """systemd where a condition of the unit fails: it succeeds, and nothing runs."""

    def restart(self, unit: str) -> None:
        self.actions.append(("restart", unit))


class Refusing(FakeServices):
    """systemd with a service that does not come up with what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses: Callable[[], bool] = lambda: False

    def restart(self, unit: str) -> None:
        if self.refuses():
            raise HostError("MA3401", f"systemctl restart {unit} failed: Invalid directive")
        super().restart(unit)


def machine(*units: str, host: FakeHost | None = None) -> FakeHost:
    host = host or FakeHost()
    for unit in units:
        host.put(f"{UNITS}/{unit}", "[Service]\n")
    return host


def run(host: FakeHost, **fields: Any) -> bool:
    linux = LinuxConfiguration(ntp=Ntp(**fields))
    return carry_out(Plan(steps=plan_ntp(linux)), host).complete


def restarts(host: FakeHost) -> list[str]:
    return [action[1] for action in host.services.actions if action[0] == "restart"]


def test_timesyncd_asks_these_servers_alone_and_runs() -> None:
    host = machine(TIMESYNCD)

    assert run(host, **OURS)

    assert host.text(DROP_IN) == "[Time]\nNTP=\nNTP=192.0.2.1 pool.example.com\n"
    assert host.services.enabled_units == host.services.active_units == {TIMESYNCD}
    # Not once for the file, and once more because it did not run.
    assert restarts(host) == [TIMESYNCD]


@pytest.mark.parametrize(
    ("unit", "configuration", "reading", "written"),
    [
        ("chrony.service", "/etc/chrony/chrony.conf", "confdir /etc/chrony/conf.d", "/etc/chrony/conf.d"),
        ("chronyd.service", "/etc/chrony.conf", "include /etc/chrony.d/*.conf", "/etc/chrony.d"),
        ("chronyd.service", "/etc/chrony.conf", "ConfDir /run/chrony.d /etc/chrony.d/", "/etc/chrony.d"),
    ],
)  # fmt: skip
def test_chrony_reads_our_file_beside_its_own(
    unit: str, configuration: str, reading: str, written: str
) -> None:
    host = machine(unit)
    host.put(configuration, f"pool 2.debian.pool.ntp.org iburst\n{reading}\n")

    run(host, **OURS)

    assert host.text(f"{written}/90-machineadm.conf") == IN_CHRONY
    assert host.text(configuration) == f"pool 2.debian.pool.ntp.org iburst\n{reading}\n"
    assert restarts(host) == [unit]


@pytest.mark.parametrize(
    "before", ["sourcedir /run/chrony-dhcp\n", "#confdir /etc/chrony.d\n", "confdir /etc/other\n"]
)
def test_where_chrony_reads_no_directory_of_ours_a_line_has_it_do_so_once(before: str) -> None:
    host = machine("chronyd.service")
    host.put("/etc/chrony.conf", before)

    for _ in range(2):
        run(host, **OURS)

    assert host.text("/etc/chrony.conf") == f"{before}confdir /etc/chrony.d\n"
    assert restarts(host) == ["chronyd.service"]


def test_servers_that_the_configuration_no_longer_has_are_asked_no_more() -> None:
    host = machine("chronyd.service")
    host.put("/etc/chrony.conf", "makestep 1 3\n")
    run(host, **OURS)

    carry_out(Plan(steps=()), host)

    assert host.text("/etc/chrony.d/90-machineadm.conf") is None
    # As with all that is appended; chrony reads a directory that is missing as an empty one.
    assert host.text("/etc/chrony.conf") == "makestep 1 3\nconfdir /etc/chrony.d\n"
    assert restarts(host) == ["chronyd.service", "chronyd.service"]


def test_a_second_run_does_nothing() -> None:
    host = machine(TIMESYNCD)
    run(host, **OURS, require_sync=None)
    before = list(host.services.actions)

    run(host, **OURS)

    assert host.services.actions == before


def test_without_servers_the_service_runs_with_those_that_it_has() -> None:
    host = machine(TIMESYNCD)

    run(host)

    assert host.text(DROP_IN) is None
    assert host.services.active_units == host.services.enabled_units == {TIMESYNCD}


@pytest.mark.parametrize("used", ["enabled_units", "active_units"])
@pytest.mark.parametrize("unit", ["chronyd.service", TIMESYNCD])
def test_of_two_services_the_one_in_use_is_taken(unit: str, used: str) -> None:
    host = machine("chronyd.service", TIMESYNCD)
    getattr(host.services, used).add(unit)

    run(host, **OURS)

    assert host.services.active_units == host.services.enabled_units == {unit}


def test_chrony_has_one_unit_under_two_names() -> None:
    host = machine("chrony.service", "chronyd.service")
    host.services.enabled_units |= {"chrony.service", "chronyd.service"}

    run(host, enabled=False)

    assert host.services.actions.count(("disable", "chrony.service")) == 1
    assert ("disable", "chronyd.service") not in host.services.actions


def test_a_masked_service_is_none() -> None:
    host = machine("chronyd.service", TIMESYNCD)
    host.files.link("/etc/systemd/system/chronyd.service", "/dev/null")

    run(host)

    assert host.services.active_units == {TIMESYNCD}


@pytest.mark.parametrize("fields", [{}, OURS, {"require_sync": NtpSync()}])
def test_a_machine_without_a_time_service_is_refused_before_anything_is_done(
    fields: dict[str, Any],
) -> None:
    host = FakeHost()

    with pytest.raises(StepError) as caught:
        run(host, **fields)

    assert caught.value.code == "MA3541"
    assert host.mutations() == []


def test_a_service_that_systemd_skips_ends_the_run() -> None:
    host = machine(TIMESYNCD, host=FakeHost(services=Skipping()))

    with pytest.raises(StepError) as caught:
        run(host)

    assert caught.value.code == "MA3543"


def test_off_is_off_now_and_at_later_boots() -> None:
    host = machine("chronyd.service", TIMESYNCD)
    host.services.enabled_units |= {"chronyd.service", "sshd.service"}
    host.services.active_units |= {TIMESYNCD}

    run(host, enabled=False)

    assert host.services.enabled_units == {"sshd.service"}
    assert host.services.active_units == set()


def test_off_needs_no_service() -> None:
    assert run(FakeHost(), enabled=False)


def test_the_run_waits_for_the_clock_after_the_restart() -> None:
    host = machine(TIMESYNCD)
    restarted_first: list[bool] = []

    def looked(_call: Call) -> None:
        restarted_first.append(bool(restarts(host)))

    host.commands.on("timedatectl", output="yes\n")
    host.commands.on("timedatectl", output="no\n", effect=looked, times=4)

    assert run(host, **OURS, require_sync=NtpSync())

    assert restarted_first[1:] == [True, True, True]
    assert sum(host.clock.slept) > 0


def test_a_clock_that_is_not_synchronized_in_time_ends_the_run() -> None:
    host = machine(TIMESYNCD)
    host.commands.on("timedatectl", output="no\n")

    with pytest.raises(StepError) as caught:
        run(host, require_sync=NtpSync(timeout="90s"))

    assert (caught.value.code, caught.value.passing) == ("MA3542", True)
    assert host.clock.elapsed == 90


def test_below_another_root_the_file_is_written_and_the_rest_is_left() -> None:
    host = machine("chronyd.service", TIMESYNCD, host=offline_host())
    host.files.link(f"/etc/systemd/system/sysinit.target.wants/{TIMESYNCD}", f"{UNITS}/{TIMESYNCD}")

    assert not run(host, **OURS, require_sync=NtpSync())
    assert host.text(DROP_IN)
    assert host.text("/etc/chrony.d/90-machineadm.conf") is None


def test_what_is_not_said_is_not_planned() -> None:
    assert plan_ntp(LinuxConfiguration()) == ()


def test_a_restart_that_fails_puts_chronys_own_file_back() -> None:
    services = Refusing()
    host = machine("chronyd.service", host=FakeHost(services=services))
    host.put("/etc/chrony.conf", "makestep 1 3\n")
    services.refuses = lambda: "confdir" in (host.text("/etc/chrony.conf") or "")

    with pytest.raises(StepError) as caught:
        run(host, **OURS)

    assert caught.value.code == "MA3411"
    assert host.text("/etc/chrony.conf") == "makestep 1 3\n"
    assert host.text("/etc/chrony.d/90-machineadm.conf") is None
