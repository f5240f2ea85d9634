"""Fill in what the cluster knows: role, version, discovery, names and addresses. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from machineadm.api.v1alpha1.certificates import (
    CertificatePair,
    ControlPlaneCertificates,
    ServiceAccountKeys,
)
from machineadm.api.v1alpha1.cluster import ClusterConfig, ClusterNetwork
from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
from machineadm.api.v1alpha1.discovery import TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinControlPlane, JoinWorker
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap
from machineadm.api.v1alpha1.node import NodeConfig
from machineadm.controllers.bootstrap.decide import RoleName
from machineadm.controllers.capi.certificates import Pair, Purpose, public_key_hash
from machineadm.controllers.capi.types import Cluster, Machine
from machineadm.redaction import Secret

Value = TypeVar("Value", bound=msgspec.Struct)


class RoleError(Exception):
    """The spec asks for a role that its Machine does not have."""


_TYPES: Mapping[RoleName, type[Initialize | JoinControlPlane | JoinWorker]] = {
    "Initialize": Initialize,
    "JoinControlPlane": JoinControlPlane,
    "JoinWorker": JoinWorker,
}


def fill(
    bootstrap: MachineBootstrap,
    role: RoleName,
    machine: Machine,
    cluster: Cluster,
    *,
    pairs: Mapping[Purpose, Pair],
    token: Secret | None,
) -> MachineBootstrap:
    """Complete a MachineBootstrap. What its author said stays; the stored object is never changed.

    Args:
        bootstrap: As decoded, without problems.
        role: What the machine becomes.
        machine: Its owner.
        cluster: Its cluster.
        pairs: The cluster's certificates and keys; of a worker, the authority's certificate alone is used.
        token: With which it joins; None to initialize.

    Raises:
        RoleError: The spec asks for another role.
    """
    spec = bootstrap.spec
    given = spec.kubernetes
    # A Machine without a version leaves it to the author; one with a version is what an upgrade changes.
    version = machine.kubernetes_version or (given.version if given else "")
    kubernetes = (
        KubernetesConfig(version=version) if given is None else replace(given, version=version)
    )
    kubernetes = replace(
        kubernetes,
        role=_role(kubernetes, role, cluster, pairs, token),
        cluster=_cluster(kubernetes.cluster, cluster),
        control_plane=_control_plane(kubernetes.control_plane, role, pairs),
        node=_node(kubernetes.node, role),
    )
    return replace(bootstrap, spec=replace(spec, kubernetes=kubernetes), status=None)


def _role(
    kubernetes: KubernetesConfig,
    role: RoleName,
    cluster: Cluster,
    pairs: Mapping[Purpose, Pair],
    token: Secret | None,
) -> Initialize | JoinControlPlane | JoinWorker:
    given = kubernetes.role
    wanted = _TYPES[role]
    # A control plane's template says Initialize for the first of its machines; the others join.
    first = isinstance(given, Initialize) and role == "JoinControlPlane"
    # Templates of control planes cannot know which machine is the first.
    if given is None or first:
        given = wanted()
    if not isinstance(given, wanted):
        said = type(given).__name__
        raise RoleError(f"the spec says {said}, but its Machine needs {role}; leave the role out")
    # A discovery that its author wrote stays, token and all: they may join by a file, or by an
    # address that this cluster does not know.
    if isinstance(given, Initialize) or given.discovery is not None or token is None:
        return given
    discovery = TokenDiscovery(
        token=token,
        endpoint=str(cluster.endpoint),
        # Always pinned: without a pin kubeadm refuses, unless it is told to trust whoever knows the
        # token.
        ca_cert_hashes=(public_key_hash(pairs["ca"].certificate),),
    )
    return replace(given, discovery=discovery)


def _cluster(given: ClusterConfig | None, cluster: Cluster) -> ClusterConfig:
    known = given or ClusterConfig()
    return _with_missing(
        known,
        name=cluster.name,
        # None and not an empty text: kubeadm takes the machine's own address then, which is right
        # for the first one.
        control_plane_endpoint=str(cluster.endpoint) or None,
        network=_network(known.network, cluster),
    )


def _network(given: ClusterNetwork | None, cluster: Cluster) -> ClusterNetwork | None:
    network = cluster.network
    filled = _with_missing(
        given or ClusterNetwork(),
        pod_cidrs=network.pods.cidr_blocks,
        service_cidrs=network.services.cidr_blocks,
        dns_domain=network.service_domain or None,
    )
    # An empty object would be rendered, and would look as if somebody had decided for kubeadm's
    # defaults.
    return None if filled == ClusterNetwork() else filled


def _control_plane(
    given: ControlPlaneConfig | None, role: RoleName, pairs: Mapping[Purpose, Pair]
) -> ControlPlaneConfig | None:
    # Keys of the cluster are filled in for no worker: more people read its user data than etcd.
    if role == "JoinWorker":
        return given
    known = given or ControlPlaneConfig()
    certificates = known.certificates or ControlPlaneCertificates()
    filled = _with_missing(
        certificates,
        ca=_pair(pairs.get("ca")),
        # All four to every control plane machine: kubeadm's own way, `--upload-certs`, would need a
        # key of its own that expires after two hours.
        etcd_ca=_pair(pairs.get("etcd")),
        front_proxy_ca=_pair(pairs.get("proxy")),
        service_account=_service_account(pairs.get("sa")),
    )
    return replace(known, certificates=filled)


def _pair(pair: Pair | None) -> CertificatePair | None:
    return None if pair is None else CertificatePair(certificate=pair.certificate, key=pair.key)


def _service_account(pair: Pair | None) -> ServiceAccountKeys | None:
    if pair is None:
        return None
    return ServiceAccountKeys(public_key=pair.certificate, private_key=pair.key)


def _node(given: NodeConfig | None, role: RoleName) -> NodeConfig | None:
    """Workers alone are tainted until Cluster API has synced their labels; a control plane taints itself."""
    # The contract's taint, node.cluster.x-k8s.io/uninitialized:NoSchedule (cluster-api proposal on
    # label sync), which core removes.
    if role != "JoinWorker":
        return given
    known = given or NodeConfig()
    return (
        known if known.uninitialized_taint is not None else replace(known, uninitialized_taint=True)
    )


def _with_missing(value: Value, **known: Any) -> Value:
    """Set what is not set: None, or empty where the field is a list."""
    # `()` is unset, too: of these fields kubeadm takes an empty list for none.
    missing = {name: given for name, given in known.items() if getattr(value, name) in (None, ())}
    return msgspec.structs.replace(value, **missing)
