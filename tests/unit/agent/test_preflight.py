"""What must hold before a run may touch anything."""

from __future__ import annotations

import pytest

from machineadm.agent.preflight import identity_of, require_agent
from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.cluster import ClusterConfig
from machineadm.api.v1alpha1.discovery import FileDiscovery, Kubeconfig, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinWorker, Role
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.errors import VerificationError
from machineadm.execution.journal import Identity
from machineadm.redaction import Secret
from machineadm.version import VERSION


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
