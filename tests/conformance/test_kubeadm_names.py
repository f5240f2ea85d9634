"""The phases and feature gates that we take for kubeadm's are those of the real ones."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from machineadm.config import upstream
from tests.judges.judges import KUBEADM_VERSIONS, kubeadm, kubeadm_validate
from tests.upstream.tables import HIDDEN_PHASES

GATES = upstream.names()["gates"]["kubeadm"]


def of_version(names: dict[str, Any], version: str) -> set[str]:
    minor = int(version.split(".")[1])
    return {name for name, entry in names.items() if upstream.at(entry, minor) is not None}


def hidden(role: str, version: str) -> set[str]:
    """Phases that kubeadm takes in skipPhases though its help does not show them."""
    minor = int(version.split(".")[1])
    return {
        name
        for name, (first, last) in HIDDEN_PHASES[role].items()
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
@pytest.mark.parametrize("command", ["init", "join"])
def test_phases_are_those_of_kubeadm(version: str, command: str) -> None:
    shown = shown_by(version, command)

    phases = upstream.names()["phases"][command]
    assert shown | hidden(command, version) == of_version(phases, version)


@pytest.mark.parametrize("version", KUBEADM_VERSIONS)
@pytest.mark.parametrize("gate", sorted(GATES))
def test_feature_gates_are_those_of_kubeadm(version: str, gate: str) -> None:
    api = "v1beta3" if version < "1.31" else "v1beta4"
    text = (
        f"apiVersion: kubeadm.k8s.io/{api}\nkind: ClusterConfiguration\n"
        f"kubernetesVersion: v{version}\nfeatureGates:\n  {gate}: true\n"
    )

    accepted = kubeadm_validate(version, text) == []

    assert accepted is (gate in of_version(GATES, version))
