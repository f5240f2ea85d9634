"""Commands of every boot, on a machine with systemd: at the first boot by the run itself, at later ones by a unit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine

# It goes at every boot, so the unit must start a copy.
AGENT = "/run/machineadm.pyz"
CONFIG = "/run/config.yaml"
CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    commands:
      boot:
      - script: echo "$WORD" >> /var/lib/boots
        env: [{name: WORD, value: every-boot}]
      preKubeadm:
      - argv: [/bin/sh, -c, "echo once >> /var/lib/boots"]
"""


@pytest.fixture
def machine(agent_file: Path) -> Iterator[Machine]:
    with Machine("boots") as booted:
        booted.put(agent_file, AGENT)
        booted.write(CONFIG, CONFIGURATION)
        yield booted


def wait_for_unit(machine: Machine) -> None:
    loop = (
        "for i in $(seq 600); do "
        '[ -n "$(systemctl show -p ExecMainExitTimestamp --value machineadm-boot)" ] && exit; '
        "sleep 0.1; done; systemctl status machineadm-boot; exit 1"
    )
    run = machine.exec("sh", "-c", loop, check=False)
    assert run.returncode == 0, run.stdout


def test_boot_commands_run_once_in_every_boot(machine: Machine) -> None:
    run = machine.exec(
        "python3", AGENT, "bootstrap", "--mode", "preparation", "--path", CONFIG, check=False
    )
    assert run.returncode == 0, run.stderr
    assert machine.read("/var/lib/boots").split() == ["every-boot", "once"]

    for boots in (2, 3):
        machine.reboot()
        wait_for_unit(machine)
        assert machine.read("/var/lib/boots").split().count("every-boot") == boots
    assert machine.read("/var/lib/boots").split().count("once") == 1
    assert "every-boot" not in machine.exec("journalctl", "--no-pager").stdout
