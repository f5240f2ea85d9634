"""The .deb on a machine with systemd: dpkg installs it, the agent in it does its work from there, and nothing of it stays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine

ROOT = Path(__file__).parents[2]
CONFIGURATION = {
    "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
    "kind": "MachineConfiguration",
    "spec": {"machine": {"files": [{"path": "/etc/greeting", "content": "hello\n"}]}},
}
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")


@pytest.fixture(scope="module")
def machine(agent_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("deb")
    arch = agent_file.stem.rpartition("-")[2]
    script = str(ROOT / "build/system_package.py")
    argv = [sys.executable, script, "deb", "--agent", str(agent_file), "--arch", arch]
    done = subprocess.run([*argv, str(directory)], capture_output=True, text=True, check=True)
    with Machine("deb") as machine:
        machine.put(Path(done.stdout.strip()), "/root/machineadm.deb")
        machine.write("/root/a.json", json.dumps(CONFIGURATION))
        yield machine


def test_the_agent_of_a_deb_makes_the_machine_what_the_configuration_says(machine: Machine) -> None:
    # A small Debian like this one leaves out manual pages, and says so in dpkg's configuration.
    machine.exec("dpkg", "--path-include=/usr/share/*", "--install", "/root/machineadm.deb")

    assert machine.exec("sh", "-c", "command -v machineadm").stdout == "/usr/bin/machineadm\n"
    assert machine.exec("machineadm", "version").stdout.startswith("version")
    assert machine.exec("machineadm", "bootstrap", *OPTIONS).returncode == 0
    assert machine.exec("cat", "/etc/greeting").stdout == "hello\n"
    assert " 0 to do, " in machine.exec("machineadm", "plan", *OPTIONS).stdout
    bundle = "machineadm support-bundle --to - | tar tz"
    assert "machineadm-support/status.json" in machine.exec("sh", "-c", bundle).stdout
    # Nothing that dpkg brought was changed by the run.
    assert machine.exec("dpkg", "--verify", "machineadm").stdout == ""
    manual = machine.exec("sh", "-c", "zcat /usr/share/man/man8/machineadm.8.gz").stdout
    assert ".SS support\\-bundle" in manual


def test_what_dpkg_brought_goes_with_it(machine: Machine) -> None:
    machine.exec("dpkg", "--purge", "machineadm")

    assert machine.exec("sh", "-c", "command -v machineadm", check=False).returncode != 0
    found = machine.exec("sh", "-c", "find /usr/share -name '*machineadm*'").stdout
    assert found == ""
    assert machine.exec("cat", "/etc/greeting").stdout == "hello\n"
