"""Units that start the agent again, and the file that they start."""

from __future__ import annotations

import pytest

from machineadm.actions.perform import perform
from machineadm.agent.own_file import AgentFile, copies_of_agent, lasting_command
from machineadm.agent.units import (
    BootUnit,
    NoBootUnit,
    ResumeUnit,
    disable_resume_unit,
    resume_unit,
)
from machineadm.errors import HostError
from machineadm.plan.model import Change
from machineadm.redaction import Secret
from machineadm.sources.stream import Stream
from tests.applying import apply
from tests.fakes.host import FakeHost


def test_any_word_reaches_the_command_of_a_unit_as_it_is() -> None:
    """Specifiers, variables and quotes have a meaning in ExecStart= (systemd.service(5))."""
    unit = resume_unit(
        ("/usr/bin/python3", "/opt/100%/a b", 'say "$HOME"', "back\\slash"), condition="/var/100%"
    )

    assert r'ExecStart="/usr/bin/python3" "/opt/100%%/a b" "say \"$$HOME\"" "back\\slash"' in unit
    assert "ConditionPathExists=/var/100%%\n" in unit


def test_a_unit_unpacks_where_this_run_did() -> None:
    unit = resume_unit(("/a",), condition="/b", cache='/opt/$x/100% "c"')

    assert r'Environment="MACHINEADM_CACHE=/opt/$x/100%% \"c\""' + "\nExecStart=" in unit
    assert "Environment" not in resume_unit(("/a",), condition="/b")

    agent = AgentFile(python="/usr/bin/python3", path="/usr/bin/machineadm", cache="/opt/cache")
    host = FakeHost()
    host.put("/run/systemd/system/x")
    host.put("/usr/bin/machineadm", b"PK")
    apply(BootUnit(agent=agent, configuration=b"{}"), host)
    assert "MACHINEADM_CACHE=/opt/cache" in (
        host.text("/etc/systemd/system/machineadm-boot.service") or ""
    )


def test_a_resumed_run_has_the_proxies_of_the_first_and_nobody_reads_their_passwords() -> None:
    host = FakeHost()
    host.put("/run/systemd/system/x")
    host.put("/usr/bin/machineadm", b"PK")
    proxies = (
        ("https_proxy", Secret('http://me:p"$a\\s@proxy:3128')),
        ("no_proxy", Secret("a\nb")),
    )
    agent = AgentFile(python="/usr/bin/python3", path="/usr/bin/machineadm", proxies=proxies)

    apply(ResumeUnit(agent=agent, streams=(Stream(name="node.yaml", data=b"{}"),)), host)

    unit = host.text("/etc/systemd/system/machineadm-resume.service") or ""
    assert "EnvironmentFile=-/var/lib/machineadm/resume/environment\n" in unit
    assert "proxy:3128" not in unit
    kept = host.state.state_files["resume/environment"]
    assert kept == b'https_proxy="http://me:p\\"\\$a\\\\s@proxy:3128"\n'

    disable_resume_unit(host)
    assert "resume/environment" not in host.state.state_files


@pytest.mark.parametrize(
    ("path", "started"),
    [
        ("/usr/local/bin/machineadm", "/usr/local/bin/machineadm"),
        ("/run/machineadm.pyz", "/var/lib/machineadm/machineadm.pyz"),
        ("/tmp/x/machineadm.pyz", "/var/lib/machineadm/machineadm.pyz"),
        ("/var/lib/machineadm/machineadm.pyz", "/var/lib/machineadm/machineadm.pyz"),
    ],
)
def test_a_unit_starts_a_file_that_is_there_after_a_reboot(path: str, started: str) -> None:
    host = FakeHost()
    host.put(path, b"PK agent")
    agent = AgentFile(python="/usr/bin/python3", path=path)

    perform(copies_of_agent(agent, host), host)

    assert lasting_command(agent, host) == ("/usr/bin/python3", "-I", "-S", started)
    copied = host.state.state_files.get("machineadm.pyz")
    assert copied == (b"PK agent" if started != path else None)


def test_a_checkout_is_started_as_a_module() -> None:
    agent = AgentFile(python="/venv/bin/python", path=None)

    assert lasting_command(agent, FakeHost()) == ("/venv/bin/python", "-I", "-m", "machineadm")


def unit_of(configuration: bytes) -> BootUnit:
    agent = AgentFile(python="/usr/bin/python3", path="/usr/bin/machineadm")
    return BootUnit(agent=agent, configuration=configuration)


def test_the_boot_unit_is_checked_as_any_step() -> None:
    host = FakeHost()
    host.put("/run/systemd/system/x")
    host.put("/usr/bin/machineadm", b"PK")
    step = unit_of(b"{}")

    assert step.check(host).change is Change.CHANGED
    apply(step, host)
    assert step.check(host).change is Change.ALREADY_IN_PLACE
    assert unit_of(b"{ }").check(host).change is Change.CHANGED
    host.services.disable("machineadm-boot.service")
    assert step.check(host).change is Change.CHANGED


def test_the_boot_unit_goes_with_the_commands() -> None:
    host = FakeHost()
    host.put("/run/systemd/system/x")
    host.put("/usr/bin/machineadm", b"PK")
    apply(unit_of(b"{}"), host)
    step = NoBootUnit()

    assert step.check(host).change is Change.CHANGED
    apply(step, host)

    assert step.check(host).change is Change.ALREADY_IN_PLACE
    assert host.state.state_files == {}
    assert host.services.enabled_units == set()


def test_a_unit_that_would_start_a_file_that_is_gone_is_an_error() -> None:
    """Somebody removed the agent while it ran."""
    host = FakeHost()
    host.put("/run/systemd/system/x")
    agent = AgentFile(python="/usr/bin/python3", path="/usr/bin/machineadm")

    with pytest.raises(HostError, match="is gone") as caught:
        apply(BootUnit(agent=agent, configuration=b"{}"), host)
    assert caught.value.code == "MA3009"
    assert host.services.enabled_units == set()
