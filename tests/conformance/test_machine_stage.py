"""The stage itself: what the tests that boot a machine rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.judges import judges
from tests.machine.machine import BootError, Machine

BROKEN_UNIT = """\
[Service]
ExecStart=/bin/false
[Install]
WantedBy=multi-user.target
"""
INIT = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
skipPhases: [preflight, etcd, kubelet-start, wait-control-plane, upload-config, upload-certs,
  mark-control-plane, bootstrap-token, kubelet-finalize, addon, show-join-command]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.34.4
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine("stage") as booted:
        yield booted


def test_systemd_is_in_charge(machine: Machine) -> None:
    assert machine.exec("systemctl", "is-system-running").stdout.strip() == "running"
    assert machine.read("/proc/1/comm").strip() == "systemd"
    assert machine.exec("hostname").stdout.strip() == machine.name
    assert machine.exec("systemctl", "is-active", "containerd").stdout.strip() == "active"


def test_exit_codes_and_both_outputs_come_back(machine: Machine) -> None:
    run = machine.exec("sh", "-c", "cat; echo err >&2; exit 7", check=False, input="in")

    assert (run.returncode, run.stdout, run.stderr) == (7, "in", "err\n")


def test_files_go_in_and_come_out_unchanged(machine: Machine, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "in").write_bytes(content)

    machine.put(tmp_path / "in", "/root/file")
    machine.get("/root/file", tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == content


def test_hidden_needs_show(machine: Machine) -> None:
    """The machine has Debian's Python alone, so an agent that needs more fails here."""
    for module in ("yaml", "msgspec", "cryptography"):
        assert machine.exec("python3", "-c", f"import {module}", check=False).returncode == 1, (
            module
        )
    for program in ("kubeadm", "kubelet", "cloud-init", "crictl"):
        assert machine.exec("which", program, check=False).returncode == 1, program


def test_a_bare_machine_forwards_nothing(machine: Machine) -> None:
    assert machine.read("/proc/sys/net/ipv4/ip_forward").strip() == "0"


def test_modprobe_tells_known_modules_from_unknown_ones(machine: Machine) -> None:
    assert machine.exec("modprobe", "overlay", check=False).returncode == 0
    assert machine.exec("modprobe", "no_such_module", check=False).returncode == 1


def test_the_hostname_file_can_be_replaced(machine: Machine) -> None:
    machine.exec("sh", "-c", "cp /etc/hostname /etc/.new && mv /etc/.new /etc/hostname")


def test_a_reboot_is_a_new_boot_with_the_old_files(machine: Machine) -> None:
    before = machine.boot_id()
    machine.write("/etc/kept", "kept\n", mode="0600")
    machine.write("/run/lost", "lost\n")

    machine.reboot()

    assert machine.boot_id() != before
    assert machine.exec("stat", "-c", "%a", "/etc/kept").stdout == "600\n"
    assert machine.exec("test", "-e", "/run/lost", check=False).returncode == 1


def test_a_crash_kills_everything_and_keeps_the_files(machine: Machine) -> None:
    before = machine.boot_id()
    machine.write("/etc/kept", "kept\n")
    with machine.popen("sleep", "600") as sleeper:
        machine.crash()
        sleeper.communicate(timeout=60)

    assert sleeper.returncode != 0
    assert machine.boot_id() != before
    assert machine.read("/etc/kept") == "kept\n"


def test_a_machine_that_reboots_by_itself_comes_back(machine: Machine) -> None:
    before = machine.boot_id()

    machine.exec("systemctl", "reboot", check=False)
    machine.again()

    assert machine.boot_id() != before


def test_kubeadm_makes_certificates_kubeconfigs_and_manifests(machine: Machine) -> None:
    machine.put(judges.kubeadm("1.34.4"), "/usr/bin/kubeadm")
    machine.write("/root/init.yaml", INIT)

    machine.exec("kubeadm", "init", "--config", "/root/init.yaml")

    machine.exec("test", "-s", "/etc/kubernetes/pki/ca.key")
    machine.exec("test", "-s", "/etc/kubernetes/admin.conf")
    assert "192.0.2.11" in machine.read("/etc/kubernetes/manifests/kube-apiserver.yaml")


def test_a_unit_that_fails_is_noticed() -> None:
    with Machine("broken") as machine:
        machine.write("/etc/systemd/system/broken.service", BROKEN_UNIT)
        machine.exec("systemctl", "enable", "broken")

        with pytest.raises(BootError, match=r"broken\.service"):
            machine.reboot()
