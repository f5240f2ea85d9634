"""Names that kubeadm knows: its feature gates and its phases, by minor version of Kubernetes 1.

Read in kubeadm's source (cmd/kubeadm/app/features, cmd/kubeadm/app/cmd/phases) of 1.29.4, 1.30.4, 1.31.4 and 1.34.4.
Where a name went between two of these, both are given it: kubeadm itself has the last word.
"""

from __future__ import annotations

from typing import Final, NamedTuple

NEWEST_READ: Final = 34
"""Later minor versions are not second-guessed."""


class Minors(NamedTuple):
    """The minor versions that have a name."""

    first: int = 29
    last: int | None = None


Names = dict[str, Minors]

_ALL: Final = Minors()

FEATURE_GATES: Final[Names] = {
    "PublicKeysECDSA": _ALL,
    "RootlessControlPlane": _ALL,
    "EtcdLearnerMode": Minors(29, 33),
    "UpgradeAddonsBeforeControlPlane": Minors(29, 30),
    "WaitForAllControlPlaneComponents": Minors(30),
    "ControlPlaneKubeletLocalMode": Minors(31),
    "NodeLocalCRISocket": Minors(32),
}
"""Feature gates of kubeadm."""

INIT_PHASES: Final[Names] = {
    "preflight": _ALL,
    "certs": _ALL,
    "certs/ca": _ALL,
    "certs/apiserver": _ALL,
    "certs/apiserver-kubelet-client": _ALL,
    "certs/front-proxy-ca": _ALL,
    "certs/front-proxy-client": _ALL,
    "certs/etcd-ca": _ALL,
    "certs/etcd-server": _ALL,
    "certs/etcd-peer": _ALL,
    "certs/etcd-healthcheck-client": _ALL,
    "certs/apiserver-etcd-client": _ALL,
    "certs/sa": _ALL,
    "kubeconfig": _ALL,
    "kubeconfig/admin": _ALL,
    "kubeconfig/super-admin": _ALL,
    "kubeconfig/kubelet": _ALL,
    "kubeconfig/controller-manager": _ALL,
    "kubeconfig/scheduler": _ALL,
    "etcd": _ALL,
    "etcd/local": _ALL,
    "control-plane": _ALL,
    "control-plane/apiserver": _ALL,
    "control-plane/controller-manager": _ALL,
    "control-plane/scheduler": _ALL,
    "kubelet-start": _ALL,
    "wait-control-plane": _ALL,
    "upload-config": _ALL,
    "upload-config/kubeadm": _ALL,
    "upload-config/kubelet": _ALL,
    "upload-certs": _ALL,
    "mark-control-plane": _ALL,
    "bootstrap-token": _ALL,
    "kubelet-finalize": _ALL,
    "kubelet-finalize/enable-client-cert-rotation": Minors(31),
    "kubelet-finalize/experimental-cert-rotation": Minors(29, 33),
    "addon": _ALL,
    "addon/coredns": _ALL,
    "addon/kube-proxy": _ALL,
    "show-join-command": _ALL,
}
"""Phases of `kubeadm init`, those too that its help does not show."""

JOIN_PHASES: Final[Names] = {
    "preflight": _ALL,
    "control-plane-prepare": _ALL,
    "control-plane-prepare/download-certs": _ALL,
    "control-plane-prepare/certs": _ALL,
    "control-plane-prepare/kubeconfig": _ALL,
    "control-plane-prepare/control-plane": _ALL,
    "check-etcd": _ALL,
    "kubelet-start": _ALL,
    "etcd-join": Minors(31),
    "kubelet-wait-bootstrap": Minors(31),
    "control-plane-join": _ALL,
    "control-plane-join/etcd": _ALL,
    "control-plane-join/update-status": Minors(29, 30),
    "control-plane-join/mark-control-plane": _ALL,
    "wait-control-plane": Minors(30),
}
"""Phases of `kubeadm join`, those too that its help does not show."""
