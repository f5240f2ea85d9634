"""The phases and feature gates that we take for kubeadm's are those of the real ones."""

from __future__ import annotations

import re
import subprocess

import pytest

from machineadm.config.kubeadm_names import FEATURE_GATES, INIT_PHASES, JOIN_PHASES, Names
from tests.judges.judges import KUBEADM_VERSIONS, kubeadm, kubeadm_validate

# Phases that kubeadm takes in skipPhases though its help does not show them.
HIDDEN = {
    ("init", "1.30.4"): {"wait-control-plane"},
    ("init", "1.31.4"): {"wait-control-plane"},
    ("init", "1.34.4"): set(),
    ("join", "1.30.4"): {"check-etcd"},
    ("join", "1.31.4"): {"check-etcd", "etcd-join", "kubelet-wait-bootstrap"},
    ("join", "1.34.4"): {"check-etcd", "kubelet-wait-bootstrap"},
}


def of_version(names: Names, version: str) -> set[str]:
    minor = int(version.split(".")[1])
    return {
        name
        for name, (first, last) in names.items()
        if first <= minor and (last is None or minor <= last)
    }


def shown_by(version: str, command: str) -> set[str]:
    """The phases in the help of a command, parts as `phase/part`."""
    run = subprocess.run(
        [kubeadm(version), command, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (block,) = re.findall(r"```\n(.*?)```", run.stdout, flags=re.DOTALL)
    found: set[str] = set()
    phase = ""
    for line in block.splitlines():
        name = line.split()[0]
        phase = phase if name.startswith("/") else name
        found.add(phase + name if name.startswith("/") else name)
    return found


@pytest.mark.parametrize("version", KUBEADM_VERSIONS)
@pytest.mark.parametrize(("command", "names"), [("init", INIT_PHASES), ("join", JOIN_PHASES)])
def test_phases_are_those_of_kubeadm(version: str, command: str, names: Names) -> None:
    shown = shown_by(version, command)

    assert shown | HIDDEN[command, version] == of_version(names, version)


@pytest.mark.parametrize("version", KUBEADM_VERSIONS)
@pytest.mark.parametrize("gate", FEATURE_GATES)
def test_feature_gates_are_those_of_kubeadm(version: str, gate: str) -> None:
    api = "v1beta3" if version < "1.31" else "v1beta4"
    text = (
        f"apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\n"
        f"kubernetesVersion: v{version}\nfeatureGates:\n  {gate}: true\n"
    )

    accepted = kubeadm_validate(version, text) == []

    assert accepted is (gate in of_version(FEATURE_GATES, version))
