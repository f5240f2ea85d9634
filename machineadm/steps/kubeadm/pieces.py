"""What both of kubeadm's API versions share, as plain maps with kubeadm's own names.

Structs of ours whose wire form is kubeadm's own (taints, volumes, variables) are passed on as they are. Secrets stay
`Secret` until the documents are encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from machineadm.api.formats import instant
from machineadm.api.v1alpha1.cluster import Argument, ClusterConfig, EtcdConfig, ImageSource
from machineadm.api.v1alpha1.kubeadm import BootstrapToken, JoinControlPlane, JoinWorker
from machineadm.api.v1alpha1.node import NodeConfig, Taint
from machineadm.errors import ConfigError

if TYPE_CHECKING:
    from machineadm.actions.extras import ControlPlaneExtras
    from machineadm.api.v1alpha1.control_plane import LocalApiEndpoint
    from machineadm.api.v1alpha1.kubernetes import KubernetesConfig

Document = dict[str, object]
Pair = tuple[str, str]
Arguments = Callable[[Sequence[Pair]], object]
"""Writes arguments as an API version wants them."""

UNINITIALIZED = Taint(key="node.cluster.x-k8s.io/uninitialized", effect="NoSchedule")
"""Cluster API removes it as soon as the node has its labels; workers alone carry it (contract, optional rule)."""


class Paths:
    """Where kubeadm finds what is rendered.

    Args:
        run_directory: The agent's run directory.
        patches_directory: Of the configuration; None if the patches are rendered by us.
    """

    def __init__(self, run_directory: str, patches_directory: str | None = None) -> None:
        self.config = f"{run_directory}/kubeadm/config.yaml"
        self.discovery = f"{run_directory}/kubeadm/discovery.conf"
        # kubeadm takes one directory alone, so there is no laying ours beside the image's.
        self.patches = patches_directory or f"{run_directory}/kubeadm/patches"


def present(**fields: object) -> Document:
    """The fields that have a value: neither None nor empty."""
    return {
        name: value
        for name, value in fields.items()
        # Numbers and False stay: 0 and false are said on purpose. An empty list would clear
        # kubeadm's default.
        if value is not None and (not isinstance(value, str | dict | list | tuple) or value)
    }


def pairs(arguments: Sequence[Argument]) -> tuple[Pair, ...]:
    """Arguments as name and value."""
    return tuple((argument.name, argument.value or "") for argument in arguments)


def patches(kubernetes: KubernetesConfig, paths: Paths) -> Document | None:
    """The reference to the directory of patches, where there are any."""
    kubelet = kubernetes.node is not None and kubernetes.node.kubelet is not None
    if kubelet or kubernetes.patches or kubernetes.patches_directory:
        return {"directory": paths.patches}
    return None


def node_registration(node: NodeConfig | None, *, worker: bool, arguments: Arguments) -> Document:
    """NodeRegistrationOptions, without what only one version has."""
    node = node or NodeConfig()
    document = present(
        name=node.name,
        criSocket=node.cri_socket,
        kubeletExtraArgs=arguments(kubelet_arguments(node)),
        ignorePreflightErrors=tuple(
            # Our own codes are for our own checks; kubeadm does not know them.
            name
            for name in node.ignore_preflight_errors
            if not re.fullmatch("[Mm][Aa][0-9]{4}", name)
        ),
        imagePullPolicy=node.image_pull_policy,
    )
    taints = node.taints
    if worker and node.uninitialized_taint and UNINITIALIZED not in (taints or ()):
        # At registration: added later, pods could have been scheduled to the node in between.
        taints = (*(taints or ()), UNINITIALIZED)
    # An empty list means no taints; if it is left out, kubeadm taints control planes.
    if taints is not None:
        document["taints"] = taints
    return document


def kubelet_arguments(node: NodeConfig) -> tuple[Pair, ...]:
    """The kubelet's arguments: labels, provider id and address, then those of the configuration (validation keeps them apart)."""
    # By the kubelet's argument: kubeadm's own field for labels does not exist, and labels set
    # later would come after the first pods.
    labels = ",".join(f"{key}={value}" for key, value in node.labels.items())
    address = node.kubelet.node_ip if node.kubelet is not None else None
    ours = present(**{"node-labels": labels, "provider-id": node.provider_id, "node-ip": address})
    return (*((name, str(value)) for name, value in ours.items()), *pairs(node.extra_args))


def local_api_endpoint(endpoint: LocalApiEndpoint | None) -> Document | None:
    """APIEndpoint."""
    if endpoint is None:
        return None
    return present(advertiseAddress=endpoint.advertise_address, bindPort=endpoint.bind_port)


def image(source: ImageSource | None) -> Document:
    """ImageMeta."""
    if source is None:
        return {}
    return present(imageRepository=source.repository, imageTag=source.tag)


def bootstrap_tokens(tokens: Sequence[BootstrapToken], now: float) -> list[Document]:
    """BootstrapTokens. `expires` becomes a TTL: kubeadm defaults the TTL, then refuses the two together (all releases).

    Raises:
        ConfigError: A token has expired already.
    """
    return [
        present(
            token=token.token,
            description=token.description,
            ttl=_ttl(token, index, now),
            usages=token.usages,
            groups=token.groups,
        )
        for index, token in enumerate(tokens)
    ]


def _ttl(token: BootstrapToken, index: int, now: float) -> str | None:
    if token.expires is None:
        return token.ttl
    # Rounded down: a token must not outlive what the configuration says.
    left = int(instant(token.expires) - now)
    if left <= 0:
        raise ConfigError(
            "MA4104",
            f"spec.kubernetes.role.bootstrapTokens[{index}].expires: {token.expires} has passed",
            hint="create a new token, or leave expires out",
        )
    return f"{left}s"


def cluster(kubernetes: KubernetesConfig, api_version: str, *, arguments: Arguments) -> Document:
    """ClusterConfiguration, without the components and what only one version has."""
    config = kubernetes.cluster or ClusterConfig()
    network = config.network
    networking = network and present(
        podSubnet=",".join(network.pod_cidrs),
        serviceSubnet=",".join(network.service_cidrs),
        dnsDomain=network.dns_domain,
    )
    return {
        "apiVersion": api_version,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": kubernetes.version,
        **present(
            clusterName=config.name,
            controlPlaneEndpoint=config.control_plane_endpoint,
            networking=networking,
            imageRepository=config.image_repository,
            featureGates=config.feature_gates,
            certificatesDir=config.certificates and config.certificates.directory,
            dns=image(config.dns.image) if config.dns else None,
            etcd=_etcd(config.etcd, arguments),
        ),
    }


def _etcd(etcd: EtcdConfig | None, arguments: Arguments) -> Document | None:
    if etcd is None:
        return None
    # First: kubeadm refuses both together, and an external one means that no local member is made
    # at all.
    if (external := etcd.external) is not None:
        return {
            "external": present(
                endpoints=external.endpoints,
                httpEndpoints=external.http_endpoints,
                caFile=external.ca_file,
                certFile=external.cert_file,
                keyFile=external.key_file,
            )
        }
    if (local := etcd.local) is None:
        return None
    return {
        "local": {
            **image(local.image),
            **present(
                dataDir=local.data_dir,
                extraArgs=arguments(pairs(local.extra_args)),
                serverCertSANs=local.server_cert_sans,
                peerCertSANs=local.peer_cert_sans,
            ),
        }
    }


def api_server_arguments(given: Sequence[Argument], extras: ControlPlaneExtras) -> tuple[Pair, ...]:
    """The API server's arguments: those of its files, then those of the configuration, which win by name."""
    # By name and not by pair: whoever gives --audit-log-path means another value, and not a
    # second one.
    names = {argument.name for argument in given}
    # kubeadm v1beta4 passes a list on as it is: the API server would get the flag twice.
    ours = tuple(pair for pair in extras.api_server_args if pair[0] not in names)
    return (*ours, *pairs(given))


def api_server_volumes(extras: ControlPlaneExtras) -> list[Document]:
    """HostPathMounts for the API server's files."""
    return [
        {
            "name": volume.name,
            "hostPath": volume.path,
            "mountPath": volume.path,
            # Left out where it is false, which is kubeadm's default: the document stays the one
            # that a person would write.
            **present(readOnly=volume.read_only or None, pathType=volume.path_type),
        }
        for volume in extras.api_server_volumes
    ]


def join(
    kubernetes: KubernetesConfig,
    role: JoinControlPlane | JoinWorker,
    api_version: str,
    paths: Paths,
    *,
    arguments: Arguments,
) -> Document:
    """JoinConfiguration, without what only one version has."""
    worker = isinstance(role, JoinWorker)
    document: Document = {
        "apiVersion": api_version,
        "kind": "JoinConfiguration",
        "nodeRegistration": node_registration(kubernetes.node, worker=worker, arguments=arguments),
        "discovery": discovery(role, paths),
        **present(
            caCertPath=role.ca_cert_path,
            skipPhases=kubernetes.skip_phases,
            patches=patches(kubernetes, paths),
        ),
    }
    if isinstance(role, JoinControlPlane):
        config = kubernetes.control_plane
        document["controlPlane"] = present(
            localAPIEndpoint=local_api_endpoint(config.local_api_endpoint if config else None),
            certificateKey=role.certificate_key,
        )
    return document


def discovery(role: JoinControlPlane | JoinWorker, paths: Paths) -> Document:
    """Discovery."""
    # Here: the first control plane has none.
    from machineadm.api.v1alpha1.discovery import FileDiscovery, TokenDiscovery

    given = role.discovery
    document = present(tlsBootstrapToken=role.tls_bootstrap_token)
    if isinstance(given, TokenDiscovery):
        document["bootstrapToken"] = present(
            token=given.token,
            apiServerEndpoint=given.endpoint,
            caCertHashes=given.ca_cert_hashes,
            unsafeSkipCAVerification=given.unsafe_skip_ca_verification or None,
        )
    elif isinstance(given, FileDiscovery):
        # kubeadm reads the path when it runs, so a file that an earlier step or the image brings
        # will do.
        document["file"] = {"kubeConfigPath": given.path or paths.discovery}
    return document


def component_document(kind: str, api_version: str, given: Mapping[str, object]) -> Document:
    """A component's own configuration, with its kind."""
    return {"apiVersion": api_version, "kind": kind, **given}
