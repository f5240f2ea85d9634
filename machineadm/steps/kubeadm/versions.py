"""Which kubeadm fits which Kubernetes version.

kubeadm deploys its own minor version and the one before (`MinimumControlPlaneVersion` in cmd/kubeadm/app/constants). To a
newer version it only prints a warning for init, and does not know what it would have to do: refused here. A worker
may be older than its control plane by three minor versions, and is then joined by the control plane's kubeadm
(`MinimumKubeletVersion`, same place; https://kubernetes.io/releases/version-skew-policy/).
"""

from __future__ import annotations

import re

CONTROL_PLANE_SKEW = 1
WORKER_SKEW = 3

_VERSION = re.compile(r"^v?([0-9]+)\.([0-9]+)\.[0-9]+")


def minor_of(version: str) -> tuple[int, int] | None:
    """Major and minor number of a version such as `v1.34.4`; None when it is not one."""
    match = _VERSION.match(version.strip())
    return (int(match[1]), int(match[2])) if match else None


def misfit(kubeadm: str, kubernetes: str, *, worker: bool) -> str | None:
    """Why this kubeadm cannot make this node.

    Args:
        kubeadm: Version of the binary, `v1.34.4`.
        kubernetes: Version that the configuration asks for.
        worker: The node joins as a worker.

    Returns:
        One line, or None when it fits.
    """
    found, wanted = minor_of(kubeadm), minor_of(kubernetes)
    if found is None or wanted is None:
        return f"kubeadm says that its version is {kubeadm!r}, which is no version"
    skew = WORKER_SKEW if worker else CONTROL_PLANE_SKEW
    newest = wanted[1] + skew
    if found[0] == wanted[0] and wanted[1] <= found[1] <= newest:
        return None
    return (
        f"kubeadm on this machine is {kubeadm.strip()}, but Kubernetes {kubernetes} needs kubeadm"
        f" {wanted[0]}.{wanted[1]} to {wanted[0]}.{newest}"
    )
