"""Which kubeadm fits which Kubernetes version.

kubeadm deploys its own minor version and the one before (`MinimumControlPlaneVersion` in cmd/kubeadm/app/constants). For a
newer version `kubeadm init` only prints a warning, although it cannot know what that version needs: refused here. A worker
may be three minor versions older than its control plane, and is then joined by the control plane's kubeadm
(`MinimumKubeletVersion`, same place; https://kubernetes.io/releases/version-skew-policy/).
"""

from __future__ import annotations

from machineadm.semver import Semver

CONTROL_PLANE_SKEW = 1
WORKER_SKEW = 3

MISFIT_HINT = (
    "install kubeadm of the same minor version as spec.kubernetes.version, or change that version"
)
MISSING_HINT = "install it in the image, with packages, archives or files of spec.machine, or with a command before kubeadm"

# From 1.31 to 1.35 a feature gate of the cluster (ControlPlaneKubeletLocalMode) decides which of the two runs, and the gate is not
# known here: both are skipped.
_ETCD_PHASES = (("control-plane-join/etcd", 0, 35), ("etcd-join", 31, 1000))


def etcd_phases(kubeadm: str) -> tuple[str, ...]:
    """The phases of `kubeadm join` in which a control plane joins etcd. kubeadm refuses names that it does not know.

    Args:
        kubeadm: Version of the binary, `v1.34.4`.
    """
    # Of the binary and not of the configuration: it may be of the next version, and refuses names
    # that it does not know.
    minor = Semver.parse(kubeadm.strip()).minor
    return tuple(name for name, since, until in _ETCD_PHASES if since <= minor <= until)


def misfit(kubeadm: str, kubernetes: str, *, worker: bool) -> str | None:
    """Why this kubeadm cannot make this node.

    Args:
        kubeadm: Version of the binary, `v1.34.4`.
        kubernetes: Version that the configuration asks for.
        worker: The node joins as a worker.

    Returns:
        One line, or None when it fits.
    """
    try:
        found, wanted = Semver.parse(kubeadm.strip()), Semver.parse(kubernetes)
    except ValueError:
        return f"kubeadm says that its version is {kubeadm!r}, which is not a version"
    newest = wanted.minor + (WORKER_SKEW if worker else CONTROL_PLANE_SKEW)
    # Never older: kubeadm cannot know what a version after it needs, and only warns about it.
    if found.major == wanted.major and wanted.minor <= found.minor <= newest:
        return None
    return (
        f"kubeadm on this machine is {kubeadm.strip()}, but Kubernetes {kubernetes} needs kubeadm"
        f" {wanted.minor_version} to {wanted.major}.{newest}"
    )
