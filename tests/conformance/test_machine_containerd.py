"""containerd on real machines: 1.6 of Debian and 2.3, with our configuration, and with one that it cannot serve with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machineadm.config.rules.toml import read_toml
from tests.judges import judges
from tests.machine.machine import Machine

AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")
CONFIG = "/etc/containerd/config.toml"
CRI = "io.containerd.grpc.v1.cri"
IMAGES, RUNTIME = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
SECOND = ("containerd", "containerd-shim-runc-v2", "ctr")


@pytest.fixture(scope="module", params=[1, 2])
def machine(request: pytest.FixtureRequest, agent_file: Path) -> Iterator[tuple[int, Machine]]:
    programs = {name: judges.program(name) for name in SECOND} if request.param == 2 else {}
    with Machine("runtime") as booted:
        booted.put(agent_file, "/root/agent.pyz")
        if programs:
            booted.exec("systemctl", "stop", "containerd")
            for name, path in programs.items():
                booted.put(path, f"/usr/bin/{name}")
            booted.exec("systemctl", "start", "containerd")
        yield request.param, booted


def bootstrap(machine: Machine, **containerd: Any) -> tuple[int, str]:
    document = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {"machine": {"containerRuntime": {"containerd": containerd}}},
    }
    machine.write("/root/a.json", json.dumps(document))
    done = machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)
    return done.returncode, done.stdout + done.stderr


def dumped(machine: Machine) -> dict[str, Any]:
    return read_toml(machine.exec("containerd", "config", "dump").stdout)


def pid(machine: Machine) -> str:
    return machine.exec("systemctl", "show", "-p", "MainPID", "--value", "containerd").stdout


def has_cri(machine: Machine) -> bool:
    lines = machine.exec("ctr", "plugins", "ls").stdout.splitlines()
    found = [line.split() for line in lines if "cri" in line]
    return bool(found) and all(line[-1] == "ok" for line in found)


@pytest.mark.requirement("U10", "R14")
def test_it_runs_with_our_configuration_which_changes_once(machine: tuple[int, Machine]) -> None:
    major, one = machine
    before = one.read(CONFIG)
    given = {
        "maxConcurrentDownloads": 7,
        "sandboxImage": "registry.example.com/pause:9",
        "runtimes": {"crun": {"options": {"BinaryName": "/usr/bin/crun"}}, "gvisor": {"type": "io.containerd.runsc.v1"}},
        "registries": [{"host": "docker.io", "mirrors": [{"url": "https://mirror.example.com"}], "auth": {"username": "u", "password": "pw0rd-x"}}],
        "extraConfig": "[metrics]\naddress = '127.0.0.1:1338'\n",
    }  # fmt: skip
    code, told = bootstrap(one, **given)
    assert code == 0, told
    assert "pw0rd-x" not in told

    plugins = dumped(one)["plugins"]
    images = plugins[CRI if major == 1 else IMAGES]
    runtimes = plugins[CRI if major == 1 else RUNTIME]["containerd"]["runtimes"]
    assert read_toml(one.read(CONFIG))["version"] == (2 if major == 1 else 3)
    assert images["max_concurrent_downloads"] == 7
    assert images["registry"]["config_path"] == "/etc/containerd/certs.d"
    assert images["sandbox_image"] if major == 1 else images["pinned_images"]["sandbox"] == "registry.example.com/pause:9"  # fmt: skip
    assert runtimes["runc"]["options"]["SystemdCgroup"] is True
    assert runtimes["crun"]["options"]["BinaryName"] == "/usr/bin/crun"
    assert runtimes["gvisor"]["runtime_type"] == "io.containerd.runsc.v1"
    # Debian's own settings are kept.
    assert plugins[CRI if major == 1 else RUNTIME]["cni"]["conf_dir"] == "/etc/cni/net.d"
    assert has_cri(one)
    journal = one.exec("journalctl", "-u", "containerd", "-o", "cat").stdout
    assert "gnoring unknown key" not in journal
    assert one.exec("stat", "-c", "%a", CONFIG).stdout.strip() == "600"

    running = pid(one)
    assert bootstrap(one, **given)[0] == 0
    assert pid(one) == running
    assert bootstrap(one, **{**given, "maxConcurrentDownloads": 8})[0] == 0
    assert pid(one) != running

    one.write("/root/a.json", json.dumps({"apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1", "kind": "MachineConfiguration", "spec": {}}))  # fmt: skip
    one.exec(*AGENT, "bootstrap", *OPTIONS)
    assert one.read(CONFIG) == before
    assert has_cri(one)


@pytest.mark.parametrize("fault", ["unknown key", "serves nobody", "does not start"])
def test_what_it_cannot_serve_with_leaves_it_as_it_was(
    machine: tuple[int, Machine], fault: str
) -> None:
    major, one = machine
    before = one.read(CONFIG)
    plugin = CRI if major == 1 else RUNTIME
    extra, expected = {
        "unknown key": (f'[plugins."{plugin}"]\nenable_sellinux = true\n', "MA3574"),
        "serves nobody": (f'[plugins."{plugin}".containerd]\ndefault_runtime_name = "none"\n', "MA3411"),
        "does not start": ("[grpc]\naddress = '/proc/none/containerd.sock'\n", "MA3411"),
    }[fault]  # fmt: skip
    code, told = bootstrap(one, extraConfig=extra)

    assert code == 5, told
    assert expected in told
    assert one.read(CONFIG) == before
    assert has_cri(one)
