"""The agent asks a metadata service where it really is: on the link-local address, in a network of its own, past every proxy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.real import missing
from tests.servers.metadata import AZURE, EC2, GCE, OPENSTACK

ROOT = Path(__file__).parents[2]
CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    instanceData: {timeout: 3s, sources: [{name: %s}]}
    files:
    - {path: /etc/instance, contentFrom: {instanceData: "$(v1.instance_id) $(v1.local_hostname) $(v1.availability_zone)"}}
"""
VALUES = {
    "EC2": (EC2["instance-id"], "ip-10-0-0-1", "eu-west-1a"),
    "OpenStack": (OPENSTACK["uuid"], "worker", "nova"),
    "GCE": (GCE["instance/id"], "worker", "europe-west1-b"),
    "Azure": (AZURE["compute"]["vmId"].lower(), "worker-0", "0"),
}
# The service is on the loopback of the new network; a proxy that nobody answers for is in every variable.
INSIDE = """\
set -e
ip link set lo up
ip addr add 169.254.169.254/32 dev lo
"$1" -m tests.servers.metadata "$2" "$3" &
service=$!
trap 'kill $service' EXIT
while ! grep -q ':0050 00000000:0000 0A' /proc/net/tcp; do sleep 0.05; done
"$1" -m machineadm facts --output json --path "$4"
"""


def asked(directory: Path, platform: str, fault: str = "") -> tuple[int, dict[str, Any], str]:
    """What the agent finds out within such a network: exit code, facts, errors."""
    if os.geteuid() != 0:
        missing("a network of its own needs root")
    if not shutil.which("ip") or not shutil.which("unshare"):
        missing("there is no ip or unshare: apt-get install iproute2 util-linux")
    file = directory / "a.yaml"
    file.write_text(CONFIGURATION % platform)
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy"), "http://192.0.2.1:3128")
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", INSIDE, "sh", sys.executable, platform, fault, str(file)],
        cwd=ROOT,
        env=os.environ | proxies,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.parametrize("platform", VALUES)
def test_a_machine_learns_its_name_from_its_platform(platform: str, tmp_path: Path) -> None:
    code, found, errors = asked(tmp_path, platform)

    facts = {one["name"]: one["value"] for one in found["facts"]}
    names = ("v1.instance_id", "v1.local_hostname", "v1.availability_zone")
    assert code == 0, errors
    assert tuple(facts[name] for name in names) == VALUES[platform]
    assert found["taken"][0]["value"] == f"{len(' '.join(VALUES[platform]))} bytes"


@pytest.mark.parametrize("platform", VALUES)
@pytest.mark.parametrize("fault", ["hang", "redirect"])
def test_a_service_that_fails_ends_the_run_in_time(
    platform: str, fault: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    code, _, errors = asked(tmp_path, platform, fault)

    assert code == 5
    assert "MA3520" in errors
    assert f"{platform}: " in errors
    assert "169.254.169.254" in errors
    assert time.monotonic() - began < 20
