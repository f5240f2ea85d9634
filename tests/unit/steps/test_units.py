"""systemd units: files that systemd understands, started and enabled as the configuration says."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.units import SystemdUnit, UnitDropIn
from machineadm.errors import StepError
from machineadm.plan.model import Plan
from machineadm.steps.units import plan_units
from tests.applying import carry_out
from tests.fakes.host import FakeHost, offline_host

TEXT = "[Service]\nExecStart=/bin/true\n"
PATH = "/etc/systemd/system/a.service"


def run(host: FakeHost, **fields: Any) -> bool:
    linux = LinuxConfiguration(systemd_units=(SystemdUnit(name="a.service", **fields),))
    return carry_out(Plan(steps=plan_units(linux)), host).complete


def test_a_unit_is_written_enabled_and_started_with_its_files_read() -> None:
    host = FakeHost()
    drop_ins = (UnitDropIn(name="10-x.conf", contents="[Service]\nNice=1\n"),)

    run(host, contents=TEXT, drop_ins=drop_ins, enabled=True, state="Started")

    assert host.text(PATH) == TEXT
    assert host.text(f"{PATH}.d/10-x.conf") == "[Service]\nNice=1\n"
    assert host.services.enabled_units == {"a.service"}
    assert host.services.active_units == {"a.service"}
    actions = host.services.actions
    assert actions.index(("reload",)) < actions.index(("restart", "a.service"))


def test_a_second_run_does_nothing() -> None:
    host = FakeHost()
    fields = {"contents": TEXT, "enabled": True, "state": "Started"}
    run(host, **fields)
    before = list(host.services.actions)

    run(host, **fields)

    assert host.services.actions == before


def test_a_unit_is_restarted_only_where_its_files_have_changed() -> None:
    host = FakeHost()
    run(host, contents=TEXT, state="Restarted")
    run(host, contents=TEXT, state="Restarted")
    assert host.services.actions.count(("restart", "a.service")) == 1

    run(host, contents=f"{TEXT}Nice=1\n", state="Restarted")

    assert host.services.actions.count(("restart", "a.service")) == 2


def test_a_unit_is_stopped_and_disabled() -> None:
    host = FakeHost()
    host.services.enabled_units.add("a.service")
    host.services.active_units.add("a.service")

    run(host, enabled=False, state="Stopped")

    assert host.services.enabled_units == host.services.active_units == set()


def test_a_unit_is_masked_and_unmasked() -> None:
    host = FakeHost()
    run(host, masked=True)
    assert host.files.readlink(PATH) == "/dev/null"

    run(host, masked=False)

    assert host.files.stat(PATH) is None


@pytest.mark.parametrize(
    "said",
    [
        "{}:2: Unknown key name 'ExecStrat' in section 'Service', ignoring.",
        "{}:2: Unknown key 'ExecStrat' in section [Service], ignoring.",
        "{}:1: Unknown section 'Servce'. Ignoring.",
        "{}:3: Failed to parse boolean value, ignoring: maybe",
        "{}:1: Assignment outside of section. Ignoring.",
        "a.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.",
    ],
)
def test_a_text_that_systemd_does_not_understand_is_not_written(said: str) -> None:
    host = FakeHost()
    candidate = "/run/machineadm/units/a.service"
    host.commands.on("systemd-analyze", exit_code=1, output=said.format(candidate) + "\n")

    with pytest.raises(StepError) as caught:
        run(host, contents=TEXT)

    assert caught.value.code == "MA3531"
    assert candidate not in caught.value.message
    assert host.text(PATH) is None
    assert not any(name.startswith("units/") for name in host.state.run_files)


@pytest.mark.parametrize(
    "said",
    [
        "a.service: Command /opt/tool is not executable: No such file or directory",
        "/lib/systemd/system/other.service:5: Unknown key name 'X' in section 'Unit', ignoring.",
    ],
)
def test_a_program_that_comes_later_and_a_fault_of_others_are_none_of_the_texts(said: str) -> None:
    host = FakeHost()
    host.commands.on("systemd-analyze", exit_code=1, output=f"{said}\n")

    run(host, contents=TEXT)

    assert host.text(PATH) == TEXT


def test_below_another_root_files_are_written_and_the_rest_is_left() -> None:
    host = offline_host()

    assert not run(host, contents=TEXT, enabled=True, state="Started")
    assert host.text(PATH) == TEXT
