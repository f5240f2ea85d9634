"""The packed agent, alone with Debian's Python, on a machine with systemd: the whole road up to a real kubeadm.

kubeadm makes certificates, kubeconfigs and manifests; what needs a running cluster is left to `make e2e`.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges import judges
from tests.machine.machine import Machine

AGENT = "/usr/local/bin/machineadm.pyz"
CONFIG = "/etc/machineadm/config.yaml"
BOOTSTRAP = ("python3", AGENT, "bootstrap", "--path", CONFIG)
SUCCESS = "/run/cluster-api/bootstrap-success.complete"
FAILURE = "/run/cluster-api/bootstrap-failure.json"
STATUS = "/run/machineadm/status.json"
TOKEN = "abcdef.0123456789abcdef"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

CONFIGURATION = f"""\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - path: /etc/greeting
      content: "hello\\n"
      permissions: "0640"
    linuxConfiguration:
      kernelModules: [br_netfilter]
      sysctls:
        net.ipv4.ip_forward: "1"
    commands:
      preKubeadm:
      - script: echo first >> /var/lib/commands
      - script: |
          echo second >> /var/lib/commands
          if [ -e /var/lib/hold ]; then rm /var/lib/hold; sleep 600; fi
      postKubeadm:
      - argv: [sh, -c, "echo last >> /var/lib/commands"]
  kubernetes:
    version: v1.34.4
    role:
      type: Initialize
      bootstrapTokens:
      - token: {TOKEN}
    controlPlane:
      auditPolicy:
        policy:
          apiVersion: audit.k8s.io/v1
          kind: Policy
          rules:
          - level: Metadata
        log: {{}}
      encryptionAtRest:
        providers:
        - secretbox:
            keys:
            - name: one
              secret: {KEY}
      staticPods:
      - name: sidekick
        manifest:
          apiVersion: v1
          kind: Pod
          metadata: {{name: sidekick, namespace: kube-system}}
          spec:
            containers:
            - {{name: c, image: "registry.example/sidekick:1"}}
    node:
      criSocket: unix:///run/containerd/containerd.sock
    skipPhases: [preflight, etcd, kubelet-start, wait-control-plane, upload-config, upload-certs,
      mark-control-plane, bootstrap-token, kubelet-finalize, addon, show-join-command]
"""
EVERYTHING = ["first", "second", "last"]


def set_up(machine: Machine, agent_file: Path) -> None:
    machine.put(agent_file, AGENT)
    machine.put(judges.kubeadm("1.34.4"), "/usr/bin/kubeadm")
    machine.exec("mkdir", "-p", "/etc/machineadm")
    machine.write(CONFIG, CONFIGURATION, mode="0600")


@pytest.fixture
def machine(agent_file: Path) -> Iterator[Machine]:
    with Machine("road") as booted:
        set_up(booted, agent_file)
        yield booted


def commands_that_ran(machine: Machine) -> list[str]:
    return machine.exec("cat", "/var/lib/commands", check=False).stdout.split()


def report(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.read(STATUS))
    return found


def exists(machine: Machine, path: str) -> bool:
    return machine.exec("test", "-e", path, check=False).returncode == 0


def wait_for(machine: Machine, condition: str, seconds: int = 60) -> None:
    """Until a shell command succeeds on the machine."""
    loop = f"for i in $(seq {seconds * 10}); do {condition} && exit; sleep 0.1; done; exit 1"
    run = machine.exec("sh", "-c", loop, check=False, timeout=seconds + 60)
    assert run.returncode == 0, (
        f"never so: {condition}\n{machine.exec('journalctl', '-n', '50').stdout}"
    )


def start_and_hold(machine: Machine) -> str:
    """Start the agent and wait until it is in its second command; its pid."""
    machine.exec("touch", "/var/lib/hold")
    machine.exec(
        "systemd-run",
        "--unit=first-boot",
        "--property=Type=exec",
        "--",
        "/usr/bin/python3",
        *BOOTSTRAP[1:],
    )
    wait_for(machine, "grep -qs second /var/lib/commands && [ ! -e /var/lib/hold ]")
    return machine.exec(
        "systemctl", "show", "-p", "MainPID", "--value", "first-boot"
    ).stdout.strip()


def written_by(machine: Machine, *argv: str) -> tuple[int, str]:
    """Exit code of a command, and the files that it wrote outside /run and /var/log.

    The agent's own code, which a first start unpacks into its cache, is not the machine's.
    """
    machine.exec("sh", "-c", "touch /dev/shm/stamp; sleep 0.1")
    run = machine.exec(*argv, check=False)
    found = machine.exec(
        "find", "/", "-xdev", "-cnewer", "/dev/shm/stamp", "-not", "-type", "d",
        "-not", "-path", "/var/log/*", "-not", "-path", "/var/cache/machineadm/*", "-not", "-name", "*lock",
    )  # fmt: skip
    return run.returncode, found.stdout


def assert_complete(machine: Machine) -> None:
    assert machine.read(SUCCESS).strip() == "success"
    assert not exists(machine, FAILURE)
    assert report(machine)["phase"] == "Succeeded"
    manifest = machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml")
    assert "--audit-policy-file=" in manifest
    assert "--encryption-provider-config=" in manifest
    for path in ("pki/ca.key", "admin.conf", "manifests/sidekick.yaml"):
        assert exists(machine, f"/etc/kubernetes/{path}"), path
    assert machine.exec("stat", "-c", "%a %U:%G", "/etc/greeting").stdout == "640 root:root\n"
    assert machine.read("/proc/sys/net/ipv4/ip_forward") == "1\n"


@pytest.mark.requirement("R1", "R2", "R3", "R7", "R11", "U1", "U9")
def test_a_file_and_a_configuration_make_a_control_plane(machine: Machine) -> None:
    run = machine.exec(*BOOTSTRAP, check=False)

    assert run.returncode == 0, run.stderr
    assert_complete(machine)
    assert commands_that_ran(machine) == EVERYTHING


def test_a_second_run_writes_nothing(machine: Machine) -> None:
    machine.exec(*BOOTSTRAP)

    code, written = written_by(machine, *BOOTSTRAP)

    assert (code, written) == (0, "")
    assert commands_that_ran(machine) == EVERYTHING
    assert_complete(machine)


def test_a_plan_runs_nothing_and_writes_nothing(machine: Machine) -> None:
    code, written = written_by(machine, "python3", AGENT, "plan", "--path", CONFIG)

    assert (code, written) == (10, "")
    assert commands_that_ran(machine) == []


def test_a_refused_configuration_leaves_the_machine_as_it_was(machine: Machine) -> None:
    machine.write(CONFIG, CONFIGURATION.replace("linuxConfiguration", "linuxConfigurations"))

    code, written = written_by(machine, *BOOTSTRAP)

    assert (code, written) == (3, "")
    assert exists(machine, FAILURE)
    assert not exists(machine, SUCCESS)


def test_what_was_killed_is_resumed_by_the_next_run(machine: Machine) -> None:
    pid = start_and_hold(machine)

    machine.exec("kill", "-9", pid)
    wait_for(machine, "! pgrep -x sleep >/dev/null")
    run = machine.exec(*BOOTSTRAP, check=False)

    assert run.returncode == 0, run.stderr
    assert commands_that_ran(machine) == ["first", "second", "second", "last"]
    assert_complete(machine)


def test_a_run_that_is_told_to_stop_says_that_it_can_be_resumed(machine: Machine) -> None:
    pid = start_and_hold(machine)

    machine.exec("kill", "-TERM", pid)
    wait_for(machine, "! systemctl is-active -q first-boot")

    assert not exists(machine, SUCCESS)
    ended = machine.exec("systemctl", "show", "-p", "ExecMainStatus", "--value", "first-boot")
    assert ended.stdout.strip() == "9"
    assert machine.exec(*BOOTSTRAP, check=False).returncode == 0
    assert_complete(machine)


def tree(machine: Machine) -> str:
    """What the agent and kubeadm made, but for the content of keys and certificates."""
    listed = machine.exec(
        "find", "/etc/kubernetes", "/etc/greeting", "/etc/sysctl.d", "/etc/modules-load.d",
        "/etc/systemd/system", "/var/lib/machineadm", "-not", "-path", "/var/lib/machineadm/*",
        "-printf", "%y %m %u:%g %p %l\n",
    )  # fmt: skip
    sums = machine.exec(
        "sh",
        "-c",
        "sha256sum /etc/greeting /etc/sysctl.d/* /etc/kubernetes/manifests/sidekick.yaml",
    )
    return "\n".join(sorted(listed.stdout.splitlines())) + sums.stdout


def test_kills_at_any_instant_end_in_the_same_machine(agent_file: Path, machine: Machine) -> None:
    machine.exec(*BOOTSTRAP)
    wanted = tree(machine)
    with Machine("killed") as killed:
        set_up(killed, agent_file)

        ends = []
        for hundredths in range(10, 200, 12):
            limit = ("timeout", "-s", "KILL", str(hundredths / 100))
            ends.append(killed.exec(*limit, *BOOTSTRAP, check=False).returncode)
            if ends[-1] == 0:
                break
        run = killed.exec(*BOOTSTRAP, check=False)

        assert ends.count(137) >= 3, ends
        assert run.returncode == 0, run.stderr
        assert_complete(killed)
        assert tree(killed) == wanted
        assert list(dict.fromkeys(commands_that_ran(killed))) == EVERYTHING


@pytest.mark.parametrize("how", ["reboot", "crash"])
def test_a_machine_that_goes_down_completes_itself_when_it_is_back(
    machine: Machine, how: str
) -> None:
    start_and_hold(machine)

    if how == "reboot":
        machine.reboot()
    else:
        time.sleep(1)
        machine.crash()
    wait_for(machine, f"test -e {SUCCESS}", seconds=90)

    assert commands_that_ran(machine) == ["first", "second", "second", "last"]
    assert_complete(machine)
    left = machine.exec(
        "sh",
        "-c",
        f"grep -rl {TOKEN} /var/lib/machineadm /run/machineadm /etc/systemd",
        check=False,
    )
    assert left.stdout == ""


# Every process that lives for more than some milliseconds is seen.
WATCH = """
import os, time
seen = set()
while not os.path.exists("/dev/shm/enough"):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    seen.add(file.read())
        except OSError:
            pass
    time.sleep(0.005)
print(b"\\n".join(seen).replace(b"\\0", b" ").decode(errors="replace"))
"""


def test_no_secret_is_told(machine: Machine) -> None:
    watcher = machine.popen("python3", "-c", WATCH)
    run = machine.exec(*BOOTSTRAP, "--output", "json")
    planned = machine.exec("python3", AGENT, "plan", "--path", CONFIG, check=False)
    told = run.stdout + run.stderr + planned.stdout + planned.stderr + machine.read(STATUS)
    told += machine.exec("journalctl", "--no-pager").stdout
    machine.exec("touch", "/dev/shm/enough")
    processes = watcher.communicate(timeout=60)[0]
    assert "kubeadm init" in processes
    told += processes

    assert TOKEN not in told
    assert TOKEN.split(".")[1] not in told
    assert KEY not in told
    found = machine.exec(
        "grep", "-rl", KEY, "/run/machineadm", "/var/lib/machineadm", "/var/log", check=False
    )
    assert found.stdout == ""
