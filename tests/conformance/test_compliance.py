"""What the real kubeadm writes, judged by `check compliance`: plain, and with what the controls ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.judges import judges
from tests.roots.roots import Root

PLAIN = {
    "1.1.12",
    "1.2.5",
    "1.2.15",
    "1.2.16",
    "1.2.17",
    "1.2.18",
    "1.2.19",
    "1.2.30",
    "1.3.2",
    "1.4.1",
    "4.1.9",
}
"""Scored controls that fail after kubeadm alone; the unit of 4.1.1 comes with a package, which is not here."""

API_SERVER = {
    "kubelet-certificate-authority": "/etc/kubernetes/pki/ca.crt", "profiling": "false", "audit-log-path": "/var/log/audit.log",
    "audit-log-maxage": "30", "audit-log-maxbackup": "10", "audit-log-maxsize": "100", "service-account-extend-token-expiration": "false",
}  # fmt: skip
OFF = {"profiling": "false"}
STIG_PLAIN = {
    *(f"V-2423{number}" for number in (76, 77, 78, 79, 80, 90)),
    *(f"V-2424{number:02}" for number in (2, 3, 9, 18, 24, 25, 34, 38, 61, 62, 63, 64, 65)),
    "V-245541", "V-254800", "V-274882",
}  # fmt: skip
"""As `PLAIN`, of the STIG; V-242445 with them once etcd has run."""


def documents(**arguments: dict[str, str]) -> str:
    cluster: dict[str, Any] = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": "v1.34.4",
    }
    for component, flags in arguments.items():
        cluster[component] = {
            "extraArgs": [{"name": name, "value": value} for name, value in flags.items()]
        }
    init = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": "192.0.2.10"},
        "nodeRegistration": {"name": "node", "criSocket": "unix:///run/containerd/containerd.sock"},
    }
    return json.dumps(cluster) + "\n---\n" + json.dumps(init) + "\n"


def failing(
    agent_file: Path,
    tmp_path: Path,
    configuration: str,
    *,
    then: str = ":",
    profile: str = "cis",
) -> tuple[int, set[str], dict[str, Any]]:
    """Exit code, the scored controls that fail, and the document, on a machine that kubeadm has written its files to."""
    directory = tmp_path / "in"
    directory.mkdir(exist_ok=True)
    (directory / "kubeadm.yaml").write_text(configuration)
    script = f"""
        for phase in 'certs all' 'kubeconfig all' 'control-plane all' 'etcd local' kubelet-start; do
          /kubeadm init phase $phase --config /in/kubeadm.yaml >&2 || exit 90
        done
        {then}
        python3 /agent.pyz check compliance --profile {profile} --output json
    """
    binds = {"/kubeadm": judges.kubeadm("1.34"), "/agent.pyz": agent_file, "/in": directory}
    done = Root("bookworm").run(["sh", "-c", script], binds=binds)
    assert done.returncode in (0, 10), done.stderr[-2000:]
    document = json.loads(done.stdout)
    found = {one["id"] for one in document["controls"] if one["scored"] and one["state"] == "fails"}
    return done.returncode, found, document


def test_after_a_plain_kubeadm_the_measured_controls_fail_and_no_others(
    agent_file: Path, tmp_path: Path
) -> None:
    code, found, document = failing(agent_file, tmp_path, documents())

    assert (code, found) == (10, PLAIN)
    states = {one["id"]: one["state"] for one in document["controls"]}
    assert [id_ for id_, state in states.items() if state == "notHere"] == [
        "1.1.9",
        "1.1.10",
        "4.1.1",
        "4.1.2",
        "4.1.3",
        "4.1.4",
    ]


@pytest.mark.requirement("U5")
def test_of_the_stig_a_plain_kubeadm_lacks_what_was_measured(
    agent_file: Path, tmp_path: Path
) -> None:
    code, found, document = failing(agent_file, tmp_path, documents(), profile="stig")

    # The node's name is not the host's here, so kubeadm gives it to the kubelet.
    assert (code, found) == (10, STIG_PLAIN | {"V-242404"})
    states = {one["id"]: one["state"] for one in document["controls"]}
    # etcd has not run, a control plane is no worker, and no package has brought a unit.
    assert {id_ for id_, state in states.items() if state == "notHere"} == {
        "V-242397", "V-242445", "V-242447", "V-242448", "V-242454", "V-242455", "V-242459",
    }  # fmt: skip


@pytest.mark.requirement("U4")
def test_with_what_the_controls_ask_for_none_fails(agent_file: Path, tmp_path: Path) -> None:
    configuration = documents(apiServer=API_SERVER, controllerManager=OFF, scheduler=OFF)
    then = "echo etcd:x:990:990::/:/bin/false >> /etc/passwd; echo etcd:x:990: >> /etc/group; chown etcd:etcd /var/lib/etcd; chmod 600 /var/lib/kubelet/config.yaml"

    code, found, _ = failing(agent_file, tmp_path, configuration, then=then)

    assert (code, found) == (0, set())


@pytest.mark.parametrize(
    ("then", "id_"),
    [
        ("chmod 644 /etc/kubernetes/manifests/kube-scheduler.yaml", "1.1.5"),
        ("chown 1000 /etc/kubernetes/pki/etcd/peer.key", "1.1.19"),
        ("chmod g+r /etc/kubernetes/super-admin.conf", "1.1.13"),
        (
            "sed -i s/Node,RBAC/AlwaysAllow,RBAC/ /etc/kubernetes/manifests/kube-apiserver.yaml",
            "1.2.6",
        ),
        (
            "sed -i s/--client-cert-auth=true/--client-cert-auth=false/ /etc/kubernetes/manifests/etcd.yaml",
            "2.2",
        ),
        ("sed -i 's/enabled: false/enabled: true/' /var/lib/kubelet/config.yaml", "4.2.1"),
        ("sed -i 's/mode: Webhook/mode: AlwaysAllow/' /var/lib/kubelet/config.yaml", "4.2.2"),
    ],
)
def test_what_is_changed_afterwards_is_found(
    then: str, id_: str, agent_file: Path, tmp_path: Path
) -> None:
    _, found, _ = failing(agent_file, tmp_path, documents(), then=then)

    assert found - PLAIN >= {id_}
