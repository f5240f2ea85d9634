"""Proxies on a real machine: what processes have in their environment, and what systemd tells everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.machine.machine import Machine

URL = "http://proxy.example.com:3128"
LOGIN = {"username": "user", "password": 'hun"ter$2 %h'}
QUOTED = "user:hun%22ter%242%20%25h@proxy.example.com"
AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")
TARGETS = ["host", "containerRuntime", "kubelet"]


@pytest.fixture
def machine(agent_file: Path) -> Iterator[Machine]:
    with Machine("proxy") as booted:
        booted.put(agent_file, "/root/agent.pyz")
        for unit in ("kubelet", "other"):
            text = "[Service]\nExecStart=/bin/sleep infinity\n"
            booted.write(f"/etc/systemd/system/{unit}.service", text)
        booted.exec("systemctl", "daemon-reload")
        booted.exec("systemctl", "start", "kubelet", "containerd")
        yield booted


def bootstrap(machine: Machine, *entries: dict[str, Any], **more: Any) -> str:
    document = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {"machine": {"systemProxies": entries, **more}},
    }
    machine.write("/root/a.json", json.dumps(document))
    done = machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def environment(machine: Machine, unit: str) -> dict[str, str]:
    pid = machine.exec("systemctl", "show", "-p", "MainPID", "--value", unit).stdout.strip()
    lines = machine.read(f"/proc/{pid}/environ").rstrip("\0").split("\0")
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.requirement("U10")
@pytest.mark.parametrize("login", [None, LOGIN], ids=["open", "login"])
def test_the_host_the_runtime_and_the_kubelet_have_it_and_systemd_tells_no_password(
    machine: Machine, login: dict[str, str] | None
) -> None:
    entry: dict[str, Any] = {"httpsProxy": URL, "noProxy": ["corp.example.com"]}
    if login:
        entry["credentials"] = login
    told = bootstrap(machine, {"targets": TARGETS, **entry})

    machine.exec("systemctl", "start", "other")
    wanted = URL.replace("proxy.example.com", QUOTED) if login else URL
    for unit in ("containerd", "kubelet", "other"):
        found = environment(machine, unit)
        assert (found["HTTPS_PROXY"], found["https_proxy"]) == (wanted, wanted)
        assert "corp.example.com,localhost" in found["NO_PROXY"]
    shell = machine.exec("bash", "-lc", "printenv https_proxy").stdout
    assert shell == f"{wanted}\n"
    shown = machine.exec("systemctl", "show", "kubelet", "containerd", "other").stdout
    shown += machine.exec("systemctl", "show").stdout
    shown += machine.exec("systemctl", "cat", "kubelet", "containerd").stdout
    assert "ter%242" not in shown + told
    readable = machine.exec("runuser", "-u", "nobody", "--", "cat", "/etc/machineadm/proxy/host.env", check=False)  # fmt: skip
    assert (readable.returncode == 0) is (login is None)

    pids = machine.exec("systemctl", "show", "-p", "MainPID", "kubelet", "containerd").stdout
    bootstrap(machine, {"targets": TARGETS, **entry})
    assert machine.exec("systemctl", "show", "-p", "MainPID", "kubelet", "containerd").stdout == pids  # fmt: skip


def test_commands_of_the_run_use_the_host_s_proxy_and_what_is_taken_back_is_used_no_more(
    machine: Machine,
) -> None:
    asking = {"argv": ["sh", "-c", "printenv https_proxy > /root/asked"]}
    bootstrap(machine, {"targets": TARGETS, "httpsProxy": URL}, commands={"preKubeadm": [asking]})
    assert machine.read("/root/asked") == f"{URL}\n"

    bootstrap(machine)

    machine.exec("systemctl", "start", "other")
    for unit in ("containerd", "kubelet", "other"):
        assert "https_proxy" not in environment(machine, unit)
