"""Accounts on real machines: the distribution's own programs make them, and a second run finds nothing to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.machine.machine import Machine

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      groups:
      - {name: app, gid: 2000, system: true}
      users:
      - name: ops
        gecos: Op Erator
        groups: [adm, docker]
        shell: /bin/sh
        expireDate: "2030-12-31"
        lockPassword: false
        passwordHash: $6$salt$hash
        sshAuthorizedKeys: [ssh-ed25519 AAAAC3Nz ops@example.com]
      - {name: app, system: true, homeDir: /srv/app}
      - {name: gone, inactive: true, passwordHash: $6$salt$hash}
      - {name: root, primaryGroup: root, sshAuthorizedKeys: [ssh-ed25519 AAAAC3Nz root@example.com]}
"""
INSIDE = """\
set -e
agent="python3 /root/agent.pyz"
options="--mode preparation --path /root/a.yaml"
$agent bootstrap $options >/dev/null
getent passwd ops app gone
getent group app docker adm
getent shadow ops app gone
stat -c '%a %U:%G %n' /home/ops/.ssh /home/ops/.ssh/authorized_keys /root/.ssh/authorized_keys /srv/app
$agent plan $options | head -1
"""


@pytest.mark.parametrize("flavour", ["bookworm", "trixie-cloud"])
def test_accounts_are_what_the_configuration_says(flavour: str, agent_file: Path) -> None:
    # cloud-init has no seed here, and fails; nothing of it is needed.
    with Machine("users", flavour=flavour, may_fail=True) as machine:
        machine.put(agent_file, "/root/agent.pyz")
        machine.write("/root/a.yaml", CONFIGURATION)
        done = machine.exec("sh", "-c", INSIDE, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert ":Op Erator:/home/ops:/bin/sh\n" in told
    assert ":2000::/srv/app:" in told
    assert "app:x:2000:\n" in told
    assert "docker:x:" in told
    assert ":ops\n" in told.partition("docker:x:")[2]
    assert "ops:$6$salt$hash:" in told
    assert ":22279:\n" in told
    assert "gone:!$6$salt$hash:" in told
    assert ":1:\n" in told
    assert "700 ops:ops /home/ops/.ssh\n" in told
    assert "600 ops:ops /home/ops/.ssh/authorized_keys\n" in told
    assert "600 root:root /root/.ssh/authorized_keys\n" in told
    assert "app:app /srv/app\n" in told
    assert " 0 to do, " in told
