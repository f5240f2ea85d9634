"""What must hold before a run may touch anything."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.agent.preflight import identity_of, require_agent, unsuitable
from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.cluster import ClusterConfig
from machineadm.api.v1alpha1.discovery import FileDiscovery, Kubeconfig, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinWorker, Role
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.defaulting import realise
from machineadm.errors import HostError, VerificationError
from machineadm.execution.journal import Identity
from machineadm.host.facts import Facts
from machineadm.redaction import Secret
from machineadm.version import VERSION
from tests.configurations import configuration
from tests.fakes.host import FakeHost, offline_host


def kubernetes(role: Role, cluster: ClusterConfig | None = None) -> KubernetesConfig:
    return KubernetesConfig(version="v1.34.4", role=role, cluster=cluster)


def test_a_first_control_plane_is_known_by_cluster_and_endpoint() -> None:
    cluster = ClusterConfig(name="blue", control_plane_endpoint="api:6443")

    assert identity_of(kubernetes(Initialize(), cluster)) == Identity(
        role="Initialize", cluster="blue", endpoint="api:6443", version="v1.34.4"
    )


def test_a_worker_is_known_by_what_it_joins_and_not_by_its_token() -> None:
    found = [
        identity_of(
            kubernetes(
                JoinWorker(discovery=TokenDiscovery(token=Secret(token), endpoint="api:6443"))
            )
        )
        for token in ("abcdef.0123456789abcdef", "ghijkl.0123456789abcdef")
    ]

    assert found[0] == found[1]
    assert found[0].endpoint == "api:6443"


def test_both_ways_of_discovery_name_the_same_endpoint() -> None:
    by_file = FileDiscovery(kubeconfig=Kubeconfig(server="https://api:6443/"))

    assert identity_of(kubernetes(JoinWorker(discovery=by_file))).endpoint == "api:6443"


def test_without_kubernetes_there_is_no_identity() -> None:
    assert identity_of(None) == Identity()


@pytest.mark.parametrize("version", [VERSION, f"v{VERSION}"])
def test_the_right_agent_goes_on(version: str) -> None:
    require_agent(AgentPin(version=version, sha256="a" * 64), lambda: "a" * 64)


def test_the_digest_is_computed_only_where_it_is_asked_for() -> None:
    def never() -> str:
        raise AssertionError("it costs time")

    require_agent(None, never)
    require_agent(AgentPin(version=VERSION), never)


def test_another_agent_is_refused_with_all_that_differs() -> None:
    with pytest.raises(VerificationError, match=r"version 9\.9\.9.*sha256 b") as caught:
        require_agent(AgentPin(version="9.9.9", sha256="b" * 64), lambda: "")

    assert (caught.value.code, caught.value.exit_code) == ("MA2010", 4)


NEW = {"kubernetes.version": "v1.36.0"}
V1 = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n"


def fitted(spec: dict[str, Any], host: FakeHost) -> None:
    for error in unsuitable(realise(configuration(spec)), Facts(machine_id="a"), host):
        raise error


def test_a_machine_that_cannot_become_the_node_is_refused_before_anything() -> None:
    host = FakeHost()
    host.put("/proc/self/mounts", V1)

    with pytest.raises(HostError) as caught:
        fitted(NEW, host)

    assert (caught.value.code, caught.value.exit_code) == ("MA4501", 5)
    assert host.commands.calls == []


@pytest.mark.parametrize("phase", ["boot", "preKubeadm"])
def test_what_a_command_may_change_is_no_reason_to_refuse(phase: str) -> None:
    host = FakeHost()
    host.put("/proc/self/mounts", V1)
    host.put("/proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n")

    fitted({**NEW, f"machine.commands.{phase}": [{"argv": ["swapoff", "-a"]}]}, host)
    with pytest.raises(HostError, match="cgroup v1"):
        fitted({**NEW, "machine.commands.postKubeadm": [{"argv": ["swapoff", "-a"]}]}, host)


def test_no_command_makes_a_machine_larger() -> None:
    host = FakeHost()
    host.put("/proc/cpuinfo", "processor : 0\n")

    with pytest.raises(HostError) as caught:
        fitted({"machine.commands.boot": [{"argv": ["true"]}]}, host)

    assert caught.value.code == "MA4509"
    fitted({"kubernetes.node.ignorePreflightErrors": ["MA4509"]}, host)


def test_nothing_is_asked_of_a_tree_or_of_a_machine_without_kubernetes() -> None:
    host = FakeHost()
    host.put("/proc/cpuinfo", "processor : 0\n")

    fitted({"kubernetes": None}, host)
    fitted({}, offline_host())
