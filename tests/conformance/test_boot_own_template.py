"""The original proposal's own template boots a machine, and every byte of what its configuration holds arrives."""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine.machine import Machine
from tests.machine.site import TOKEN, Site

# As published, stray dot behind the content included: cloud-init's base64 passes over it.
TEMPLATE = """\
#cloud-config
write_files:
- encoding: gz+b64
  content:  {{machine_config | gzip | base64}}.
  owner: root:root
  path: /tmp/machineadm_config.yaml
  permissions: '0644'
runcmd:
  - /usr/bin/machineadm --bootstrap --path /tmp/machineadm_config.yaml
"""
CONTENTS = [
    b"",
    b"no newline",
    b"three\n\n\n",
    b"\n\n  indented\n\ttab\n",
    b"dos\r\nand mac\r",
    b"{{ ds.meta_data }} {% raw %} {# c #} ${#a[@]} {{ .X }}\n",
    b"## template: jinja\n#cloud-config\n",
    b"\0\1\2\xff\xfe and \x80",
    "\u2028 \u2029 \u0085 \ufeff ä 漢 \U0001f600".encode(),
    b"'\"\\ `id` $(id) $HOME %n %% END\n---\n...\n",
    bytes(range(256)) * 8,
]


def stream() -> str:
    """The MachineBootstrap, a Secret with the contents, and the template."""
    files = [
        {"path": f"/etc/exact/{n}", "contentFrom": {"secret": {"name": "contents", "key": f"c{n}"}}}
        for n in range(len(CONTENTS))
    ]
    discovery = {
        "type": "Token",
        "token": TOKEN,
        "endpoint": "192.0.2.1:6443",
        "unsafeSkipCAVerification": True,
    }
    main = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineBootstrap",
        "metadata": {"name": "boot"},
        "spec": {
            "machine": {
                "bootstrapperTemplateConfigMapName": "cloud-init-machineadm-bootstrap-template",
                "files": files,
            },
            "kubernetes": {
                "version": "v1.34.4",
                "role": {"type": "JoinWorker", "discovery": discovery},
            },
        },
    }
    contents = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "contents"},
        "data": {f"c{n}": base64.b64encode(one).decode() for n, one in enumerate(CONTENTS)},
    }
    template = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cloud-init-machineadm-bootstrap-template"},
        "data": {"template": TEMPLATE},
    }
    return "\n---\n".join(map(json.dumps, (main, contents, template)))


@pytest.mark.requirement("R5", "U1")
@pytest.mark.parametrize("flavour", ["bookworm-cloud", "trixie-cloud"])
def test_a_machine_boots_from_the_template_of_the_proposal(
    flavour: str, agent_file: Path, tmp_path: Path
) -> None:
    rendered = subprocess.run(
        [sys.executable, "-IS", agent_file, "render", "--path", "-"],
        input=stream().encode(),
        capture_output=True,
        check=True,
    )
    assert re.search(rb"warning: MA1634 .* /tmp/machineadm_config.yaml", rendered.stderr)
    site = Site(agent_file, tmp_path)
    mounts = {**site.seed(rendered.stdout), "/usr/bin/machineadm": agent_file}

    with Machine("own", flavour=flavour, mounts=mounts, may_fail=True) as machine:
        status = machine.exec("cloud-init", "status", "--long", check=False)
        assert status.returncode == 0, (
            status.stdout + machine.exec("journalctl", "-b").stdout[-6000:]
        )
        paths = [f"/etc/exact/{n}" for n in range(len(CONTENTS))]
        sums = machine.exec("sha256sum", *paths).stdout.split()[::2]

    assert sums == [hashlib.sha256(content).hexdigest() for content in CONTENTS]
