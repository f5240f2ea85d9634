"""Where things are on a machine: every path that rules and steps share stands here once."""

from __future__ import annotations

from typing import Final

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig

HOSTNAME: Final = "/etc/hostname"
MODULES: Final = "/etc/modules-load.d/90-machineadm.conf"
SYSCTL: Final = "/etc/sysctl.d/90-machineadm.conf"

KUBERNETES: Final = "/etc/kubernetes"

CERTIFICATES: Final = f"{KUBERNETES}/pki"
"""kubeadm's own default for its certificates."""

MANIFESTS: Final = f"{KUBERNETES}/manifests"
"""Static pods, kubeadm's own among them."""

OWN: Final = f"{KUBERNETES}/machineadm"
"""What this program writes for the API server; nobody else writes there."""


def certificates_directory(kubernetes: KubernetesConfig) -> str:
    """The directory of a cluster's certificates on its control plane machines."""
    cluster = kubernetes.cluster
    settings = cluster.certificates if cluster is not None else None
    given = settings.directory if settings is not None else None
    return (given or CERTIFICATES).rstrip("/")


def is_windows_path(path: str) -> bool:
    """Whether a path, as the types let it pass, is one of Windows: it begins with a drive."""
    return path[1:2] == ":"
