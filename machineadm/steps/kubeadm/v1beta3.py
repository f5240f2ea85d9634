"""kubeadm.k8s.io/v1beta3: Kubernetes 1.29 and 1.30.

What this version cannot express is refused by the version rules of `machineadm.config` before anything happens. It is refused
here again, because otherwise it would be dropped silently.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.api.v1alpha1.cluster import ClusterConfig
from machineadm.api.v1alpha1.control_plane import ApiServer, Component, ControlPlaneConfig
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinControlPlane, JoinWorker, Timeouts
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.errors import ConfigError
from machineadm.steps.kubeadm import pieces
from machineadm.steps.kubeadm.pieces import Document, Pair, Paths, present

API_VERSION = "kubeadm.k8s.io/v1beta3"

_CODE = "MA4103"
_CANNOT = "kubeadm's configuration for Kubernetes 1.29 and 1.30 cannot express"
_HINT = "leave it out, or use Kubernetes 1.31 or later"


def arguments(given: Sequence[Pair]) -> dict[str, str]:
    """A map, in which each name appears once.

    Raises:
        ConfigError: A name appears twice.
    """
    names = [name for name, _ in given]
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        what = f"the argument {twice[0]} more than once"
        raise ConfigError(_CODE, f"{_CANNOT}: {what}", hint=_HINT)
    return dict(given)


def init(kubernetes: KubernetesConfig, role: Initialize, paths: Paths, *, now: float) -> Document:
    """InitConfiguration.

    Raises:
        ConfigError: This version cannot express something.
    """
    _check(kubernetes)
    config = kubernetes.control_plane or ControlPlaneConfig()
    return {
        "apiVersion": API_VERSION,
        "kind": "InitConfiguration",
        **present(
            bootstrapTokens=pieces.bootstrap_tokens(role.bootstrap_tokens, now),
            nodeRegistration=pieces.node_registration(
                kubernetes.node, worker=False, arguments=arguments
            ),
            localAPIEndpoint=pieces.local_api_endpoint(config.local_api_endpoint),
            certificateKey=role.certificate_key,
            skipPhases=kubernetes.skip_phases,
            patches=pieces.patches(kubernetes, paths),
        ),
    }


def cluster(kubernetes: KubernetesConfig, extras: ControlPlaneExtras) -> Document:
    """ClusterConfiguration."""
    plane = kubernetes.control_plane or ControlPlaneConfig()
    server = plane.api_server or ApiServer()
    timeouts = kubernetes.timeouts or Timeouts()
    return {
        **pieces.cluster(kubernetes, API_VERSION, arguments=arguments),
        **present(
            apiServer=present(
                extraArgs=arguments(pieces.api_server_arguments(server.extra_args, extras)),
                extraVolumes=[*pieces.api_server_volumes(extras), *server.extra_volumes],
                certSANs=server.cert_sans,
                # v1beta4 has this one, and the timeout of discovery, in `timeouts`.
                timeoutForControlPlane=timeouts.control_plane_component_health_check,
            ),
            controllerManager=_component(plane.controller_manager),
            scheduler=_component(plane.scheduler),
        ),
    }


def join(
    kubernetes: KubernetesConfig, role: JoinControlPlane | JoinWorker, paths: Paths
) -> Document:
    """JoinConfiguration.

    Raises:
        ConfigError: This version cannot express something.
    """
    _check(kubernetes)
    document = pieces.join(kubernetes, role, API_VERSION, paths, arguments=arguments)
    timeouts = kubernetes.timeouts or Timeouts()
    if timeouts.discovery is not None:
        document["discovery"] = {
            **pieces.discovery(role, paths),
            "timeout": timeouts.discovery,
        }
    return document


def _component(component: Component | None) -> Document | None:
    if component is None:
        return None
    return present(
        extraArgs=arguments(pieces.pairs(component.extra_args)),
        extraVolumes=component.extra_volumes,
    )


def _check(kubernetes: KubernetesConfig) -> None:
    if what := ", ".join(_beyond(kubernetes)):
        raise ConfigError(_CODE, f"{_CANNOT}: {what}", hint=_HINT)


def _beyond(kubernetes: KubernetesConfig) -> Iterator[str]:
    """What the configuration asks for and this version has no field for."""
    node, cluster_ = kubernetes.node, kubernetes.cluster or ClusterConfig()
    if node is not None and node.image_pull_serial is not None:
        yield "node.imagePullSerial"
    timeouts = kubernetes.timeouts
    # Compared as a whole, so that a timeout added later is refused without anybody thinking of it.
    if timeouts is not None and timeouts != Timeouts(
        control_plane_component_health_check=timeouts.control_plane_component_health_check,
        discovery=timeouts.discovery,
    ):
        yield "timeouts other than controlPlaneComponentHealthCheck and discovery"
    certificates = cluster_.certificates
    if certificates is not None and (
        certificates.key_algorithm or certificates.validity or certificates.ca_validity
    ):
        yield "cluster.certificates except its directory"
    if cluster_.dns is not None and cluster_.dns.disabled:
        yield "cluster.dns.disabled"
    if cluster_.proxy_addon is not None and cluster_.proxy_addon.disabled:
        yield "cluster.proxyAddon.disabled"
    plane = kubernetes.control_plane or ControlPlaneConfig()
    local = cluster_.etcd.local if cluster_.etcd else None
    # Each is looked at by itself: v1beta3 has extraArgs for all of them, and variables of the
    # environment for none.
    for part in (plane.api_server, plane.controller_manager, plane.scheduler, local):
        if part is not None and part.extra_env:
            yield "extraEnv"
