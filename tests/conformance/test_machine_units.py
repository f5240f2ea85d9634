"""Units on real machines: systemd's own words for what it does not understand, and its own word for what runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine

HEAD = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
"""
GOOD = """\
      swap: {enabled: false}
      systemdUnits:
      - name: tool.service
        contents: |
          [Service]
          ExecStart=/bin/sleep infinity
          [Install]
          WantedBy=multi-user.target
        dropIns: [{name: 10-nice.conf, contents: "[Service]\\nNice=5\\n"}]
        enabled: true
        state: Started
      - {name: later.service, contents: "[Service]\\nExecStart=/opt/not-there-yet\\n"}
      - {name: containerd.service, dropIns: [{name: 10-x.conf, contents: "[Service]\\nNice=1\\n"}], state: Restarted}
      - {name: masked.service, masked: true}
"""
BAD = {
    "a key": '{name: b.service, contents: "[Service]\\nExecStart=/bin/true\\nExecStrat=/bin/true\\n"}',
    "a section": '{name: b.service, contents: "[Service]\\nExecStart=/bin/true\\n[Servce]\\nNice=1\\n"}',
    "a value": '{name: b.service, contents: "[Service]\\nExecStart=/bin/true\\nRestart=maybe\\n"}',
    "no program": '{name: b.service, contents: "[Service]\\nNice=1\\n"}',
    "a key in a drop-in": '{name: containerd.service, dropIns: [{name: b.conf, contents: "[Service]\\nNcie=1\\n"}]}',
}
AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.yaml")


@pytest.fixture(scope="module", params=["bookworm", "trixie-cloud"])
def machine(request: pytest.FixtureRequest, agent_file: Path) -> Iterator[Machine]:
    # cloud-init has no seed here, and fails; nothing of it is needed.
    with Machine("units", flavour=request.param, may_fail=True) as booted:
        booted.put(agent_file, "/root/agent.pyz")
        yield booted


def test_units_are_what_the_configuration_says(machine: Machine) -> None:
    machine.write("/root/a.yaml", HEAD + GOOD)
    done = machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    for question, unit, answer in (
        ("is-enabled", "tool.service", "enabled"),
        ("is-active", "tool.service", "active"),
        ("is-enabled", "masked.service", "masked"),
        ("is-enabled", "swap.target", "masked"),
    ):
        assert machine.exec("systemctl", question, unit, check=False).stdout.strip() == answer
    for unit, nice in (("tool.service", "5"), ("containerd.service", "1")):
        assert machine.exec("systemctl", "show", "-p", "Nice", unit).stdout == f"Nice={nice}\n"
    assert " 0 to do, " in machine.exec(*AGENT, "plan", *OPTIONS).stdout


@pytest.mark.parametrize("fault", BAD)
def test_what_systemd_does_not_understand_is_not_written(machine: Machine, fault: str) -> None:
    machine.write("/root/a.yaml", f"{HEAD}      systemdUnits:\n      - {BAD[fault]}\n")
    done = machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)

    assert done.returncode == 5, done.stdout + done.stderr
    assert "MA3531" in done.stderr
    for path in ("b.service", "containerd.service.d/b.conf"):
        found = machine.exec("test", "-e", f"/etc/systemd/system/{path}", check=False)
        assert found.returncode == 1
