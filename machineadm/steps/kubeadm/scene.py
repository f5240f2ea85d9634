"""Where kubeadm works on this machine: what it writes, and where, as this configuration has it.

All that a plan of a machine without kubeadm needs to know of it; how to judge what it left is for `evidence.py`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from machineadm.config.machine_paths import KUBERNETES, MANIFESTS

Role = Literal["Initialize", "JoinControlPlane", "JoinWorker"]

KUBELET_CONF = f"{KUBERNETES}/kubelet.conf"
BOOTSTRAP_CONF = f"{KUBERNETES}/bootstrap-kubelet.conf"
ETCD = f"{MANIFESTS}/etcd.yaml"
API_SERVER = f"{MANIFESTS}/kube-apiserver.yaml"
KUBELET = "/var/lib/kubelet"
ETCD_DATA = "/var/lib/etcd"
FLAGS = f"{KUBELET}/kubeadm-flags.env"
SUPER_ADMIN_CONF = f"{KUBERNETES}/super-admin.conf"
ADMIN_CONF = f"{KUBERNETES}/admin.conf"
# What kubeadm writes and no step of ours does, unless the configuration names a file so.
_TRACES = (
    FLAGS,
    KUBELET_CONF,
    ADMIN_CONF,
    SUPER_ADMIN_CONF,
    BOOTSTRAP_CONF,
    f"{KUBERNETES}/controller-manager.conf",
    f"{KUBERNETES}/scheduler.conf",
    API_SERVER,
    f"{MANIFESTS}/kube-controller-manager.yaml",
    f"{MANIFESTS}/kube-scheduler.yaml",
    ETCD,
)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of a kubeadm step to judge what is left of it."""

    role: Role

    certificates: str
    """Directory of the certificates."""

    etcd_data: str
    """Directory of etcd's data."""

    cri_socket: str | None
    patience: float
    """Seconds that the API server is given to answer."""

    declared: frozenset[str] = frozenset()
    """Paths that this configuration writes before kubeadm runs."""

    def recorded(self) -> dict[str, Any]:
        """What our record keeps of it, for a reset without a configuration."""
        return {
            "role": self.role,
            "certificates": self.certificates,
            "etcd_data": self.etcd_data,
            "cri_socket": self.cri_socket,
        }

    @property
    def member(self) -> str:
        """The directory that etcd makes for its data: there are members if it is there."""
        return f"{self.etcd_data}/member"

    def traces(self) -> tuple[str, ...]:
        """Paths that kubeadm alone writes."""
        authority = (f"{self.certificates}/ca.crt",) if self.role == "JoinWorker" else ()
        return (*_TRACES, f"{self.certificates}/apiserver.crt", *authority)
