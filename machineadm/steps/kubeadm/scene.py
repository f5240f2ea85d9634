"""Where kubeadm works on this machine: what it writes, and where, under this configuration.

This is all that a plan for a machine without kubeadm needs. Judging what kubeadm left is up to `evidence.py`.
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
# What kubeadm writes and no step of ours does, unless the configuration declares a file of that name.
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
        """The part that our record keeps, for a reset without a configuration."""
        return {
            "role": self.role,
            "certificates": self.certificates,
            "etcd_data": self.etcd_data,
            "cri_socket": self.cri_socket,
        }

    @property
    def member(self) -> str:
        """The directory that etcd creates for its data: if it is there, there are members."""
        # The directory that holds it may have been made by an image, or be a mount point;
        # `member` is etcd's own.
        return f"{self.etcd_data}/member"

    def traces(self) -> tuple[str, ...]:
        """Paths that only kubeadm writes."""
        # A control plane may be given its CA by the configuration; on a worker only kubeadm writes
        # it.
        authority = (f"{self.certificates}/ca.crt",) if self.role == "JoinWorker" else ()
        return (*_TRACES, f"{self.certificates}/apiserver.crt", *authority)

    def emptied(self) -> tuple[str, ...]:
        """Directories that `kubeadm reset` empties, and files that it removes."""
        # Only these: the rest of /etc/kubernetes belongs to whoever has put it there, and
        # kubeadm's reset leaves it.
        confs = (path for path in self.traces() if path.endswith(".conf"))
        return (MANIFESTS, self.certificates, self.etcd_data, KUBELET, *confs)
