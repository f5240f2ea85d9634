"""kubeadm.k8s.io/v1beta4: Kubernetes 1.31 and later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from machineadm.api.v1alpha1.cluster import ClusterConfig, LocalEtcd
from machineadm.api.v1alpha1.control_plane import ApiServer, Component, ControlPlaneConfig
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinControlPlane, JoinWorker
from machineadm.steps.kubeadm import pieces
from machineadm.steps.kubeadm.pieces import Document, Pair, Paths, present

if TYPE_CHECKING:
    from machineadm.actions.extras import ControlPlaneExtras
    from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
    from machineadm.api.v1alpha1.node import NodeConfig

API_VERSION = "kubeadm.k8s.io/v1beta4"


def arguments(given: Sequence[Pair]) -> list[Document]:
    """A list, in which a name may appear twice."""
    return [{"name": name, "value": value} for name, value in given]


def init(kubernetes: KubernetesConfig, role: Initialize, paths: Paths, *, now: float) -> Document:
    """InitConfiguration."""
    config = kubernetes.control_plane or ControlPlaneConfig()
    return {
        "apiVersion": API_VERSION,
        "kind": "InitConfiguration",
        **present(
            bootstrapTokens=pieces.bootstrap_tokens(role.bootstrap_tokens, now),
            nodeRegistration=_registration(kubernetes.node, worker=False),
            localAPIEndpoint=pieces.local_api_endpoint(config.local_api_endpoint),
            certificateKey=role.certificate_key,
            skipPhases=kubernetes.skip_phases,
            patches=pieces.patches(kubernetes, paths),
            timeouts=kubernetes.timeouts,
        ),
    }


def cluster(kubernetes: KubernetesConfig, extras: ControlPlaneExtras) -> Document:
    """ClusterConfiguration."""
    config = kubernetes.cluster or ClusterConfig()
    plane = kubernetes.control_plane or ControlPlaneConfig()
    document = pieces.cluster(kubernetes, API_VERSION, arguments=arguments)
    if config.etcd is not None and config.etcd.local is not None:
        # Merged into what both versions share: `extraEnvs` is new in v1beta4.
        document["etcd"] = {"local": _local_etcd(document, config.etcd.local)}
    server = plane.api_server or ApiServer()
    certificates = config.certificates
    return {
        **document,
        **present(
            apiServer=present(
                extraArgs=arguments(pieces.api_server_arguments(server.extra_args, extras)),
                extraVolumes=[*pieces.api_server_volumes(extras), *server.extra_volumes],
                extraEnvs=server.extra_env,
                certSANs=server.cert_sans,
            ),
            controllerManager=_component(plane.controller_manager),
            scheduler=_component(plane.scheduler),
            encryptionAlgorithm=certificates and certificates.key_algorithm,
            certificateValidityPeriod=certificates and certificates.validity,
            caCertificateValidityPeriod=certificates and certificates.ca_validity,
            dns=_dns(config),
            # Only where it is said: that the proxy is there is kubeadm's default.
            proxy={"disabled": True}
            if config.proxy_addon and config.proxy_addon.disabled
            else None,
        ),
    }


def join(
    kubernetes: KubernetesConfig, role: JoinControlPlane | JoinWorker, paths: Paths
) -> Document:
    """JoinConfiguration."""
    document = pieces.join(kubernetes, role, API_VERSION, paths, arguments=arguments)
    worker = isinstance(role, JoinWorker)
    return {
        **document,
        "nodeRegistration": _registration(kubernetes.node, worker=worker),
        **present(timeouts=kubernetes.timeouts),
    }


def _registration(node: NodeConfig | None, *, worker: bool) -> Document:
    # The pieces of both versions first: what is new in this one is laid over them, so that
    # neither module repeats the other.
    document = pieces.node_registration(node, worker=worker, arguments=arguments)
    return {**document, **present(imagePullSerial=node.image_pull_serial if node else None)}


def _component(component: Component | None) -> Document | None:
    if component is None:
        return None
    return present(
        extraArgs=arguments(pieces.pairs(component.extra_args)),
        extraVolumes=component.extra_volumes,
        extraEnvs=component.extra_env,
    )


def _local_etcd(document: Document, local: LocalEtcd) -> Document:
    etcd = document.get("etcd")
    written = etcd["local"] if isinstance(etcd, dict) else {}
    return {**written, **present(extraEnvs=local.extra_env)}


def _dns(config: ClusterConfig) -> Document | None:
    if config.dns is None:
        return None
    return {**pieces.image(config.dns.image), **present(disabled=config.dns.disabled or None)}
