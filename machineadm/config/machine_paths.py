"""Where things are on a machine: every path that rules and steps share stands here once."""

from __future__ import annotations

from typing import Final

from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.users import User

HOSTNAME: Final = "/etc/hostname"
MODULES: Final = "/etc/modules-load.d/90-machineadm.conf"
SYSCTL: Final = "/etc/sysctl.d/90-machineadm.conf"
UNITS: Final = "/etc/systemd/system"
SWAP_TARGET: Final = f"{UNITS}/swap.target"
RESOLV_CONF: Final = "/etc/resolv.conf"
RESOLVED: Final = "/etc/systemd/resolved.conf.d/90-machineadm.conf"
TIMESYNCD: Final = "/etc/systemd/timesyncd.conf.d/90-machineadm.conf"
CHRONY: Final = {
    "/etc/chrony/chrony.conf": "/etc/chrony/conf.d/90-machineadm.conf",
    "/etc/chrony.conf": "/etc/chrony.d/90-machineadm.conf",
}
"""Where distributions have chrony's configuration (Debian and its kin; the others), and our file for each."""
SUDOERS: Final = "/etc/sudoers.d/90-machineadm"

KUBERNETES: Final = "/etc/kubernetes"

CERTIFICATES: Final = f"{KUBERNETES}/pki"
"""kubeadm's own default for its certificates."""

MANIFESTS: Final = f"{KUBERNETES}/manifests"
"""Static pods, kubeadm's own among them."""

OWN: Final = f"{KUBERNETES}/machineadm"
"""What this program writes for the API server; nobody else writes there."""


def home_of(user: User) -> str:
    """A user's home directory."""
    default = "/root" if user.name == "root" else f"/home/{user.name}"
    return user.home_dir or default


def certificates_directory(kubernetes: KubernetesConfig) -> str:
    """The directory of a cluster's certificates on its control plane machines."""
    cluster = kubernetes.cluster
    settings = cluster.certificates if cluster is not None else None
    given = settings.directory if settings is not None else None
    return (given or CERTIFICATES).rstrip("/")


def audit_log_directory(config: ControlPlaneConfig) -> str | None:
    """The directory of the audit log, which the API server must see; None without a log in a file."""
    log = config.audit_policy.log if config.audit_policy is not None else None
    return None if log is None else log.path.rpartition("/")[0] or "/"


def socket_directories(config: ControlPlaneConfig) -> dict[str, int]:
    """The directories of the sockets of key services, each with the index of the first provider there."""
    found: dict[str, int] = {}
    encryption = config.encryption_at_rest
    for index, provider in enumerate(encryption.providers if encryption is not None else ()):
        if provider.kms is not None:
            socket = provider.kms.endpoint.removeprefix("unix://")
            if not socket.startswith("/@"):  # an abstract one has none, and is refused for it
                found.setdefault(socket.rpartition("/")[0] or "/", index)
    return found


def is_windows_path(path: str) -> bool:
    """Whether a path, as the types let it pass, is one of Windows: it begins with a drive."""
    return path[1:2] == ":"
