"""Where things are on a machine: every path that rules and steps share is here once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
    from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
    from machineadm.api.v1alpha1.users import User

HOSTNAME: Final = "/etc/hostname"
# 90-: after the distribution's own files, and before what an operator numbers 99.
MODULES: Final = "/etc/modules-load.d/90-machineadm.conf"
SYSCTL: Final = "/etc/sysctl.d/90-machineadm.conf"
UNITS: Final = "/etc/systemd/system"
# Masked when swap is off: systemd would activate swap partitions of a GPT by itself at the next
# boot (systemd-gpt-auto-generator).
SWAP_TARGET: Final = f"{UNITS}/swap.target"
RESOLV_CONF: Final = "/etc/resolv.conf"
RESOLVED: Final = "/etc/systemd/resolved.conf.d/90-machineadm.conf"
TIMESYNCD: Final = "/etc/systemd/timesyncd.conf.d/90-machineadm.conf"
CHRONY: Final = {
    "/etc/chrony/chrony.conf": "/etc/chrony/conf.d/90-machineadm.conf",
    "/etc/chrony.conf": "/etc/chrony.d/90-machineadm.conf",
}
"""Where distributions have chrony's configuration (Debian and its kin; the others), and our file for each."""
# Debian's and its kin's update-grub reads *.cfg of this directory after /etc/default/grub.
GRUB: Final = "/etc/default/grub.d/90-machineadm.cfg"
# Where Fedora's and Debian's own includes are; sssd reads conf.d by itself.
KRB5_CONF: Final = "/etc/krb5.conf"
KRB5: Final = "/etc/krb5.conf.d/90-machineadm.conf"
SSSD: Final = "/etc/sssd/conf.d/90-machineadm.conf"
KEYTAB: Final = "/etc/krb5.keytab"
"""MIT Kerberos' own default."""

FSTAB: Final = "/etc/fstab"
SUDOERS: Final = "/etc/sudoers.d/90-machineadm"

# Directory and suffix of what describes a repository, and where its keys go; other suffixes are
# ignored by each program.
_SOURCES: Final = {
    "apt": ("/etc/apt/sources.list.d", ".sources", "/etc/apt/keyrings"),
    "dnf": ("/etc/yum.repos.d", ".repo", "/etc/pki/rpm-gpg"),
    "zypper": ("/etc/zypp/repos.d", ".repo", "/etc/pki/rpm-gpg"),
}

ARCHIVE_RECORDS: Final = "archives"
"""What came of the members of which archive: a file for each, in the state directory."""

SELINUX: Final = "/etc/selinux/config"
SELINUX_RELABEL: Final = "/.autorelabel"
"""Has the next boot give every file its label."""

CONTAINERD: Final = "/etc/containerd/config.toml"
CONTAINERD_BASE: Final = "/etc/containerd/machineadm-base.toml"
"""The configuration that was there before ours, which ours is laid over."""

IMAGE_RECORDS: Final = "images"
"""What was imported of which archive: a file for each, in the state directory."""

CERTS_D: Final = "/etc/containerd/certs.d"
"""Registries: for each a directory with its hosts.toml."""

# Below /etc and not /run: services read it at every boot, before the agent would run.
PROXIES: Final = "/etc/machineadm/proxy"
"""The variables of each user of a proxy, in a file for each."""

PROXY_PROFILE: Final = "/etc/profile.d/90-machineadm-proxy.sh"
PROXY_MANAGER: Final = "/etc/systemd/system.conf.d/90-machineadm-proxy.conf"
"""What systemd gives to whatever it starts; everybody can ask systemd for it."""

PROXY_DROP_IN: Final = "90-machineadm-proxy.conf"
"""One name in every directory: of two with the same name, systemd takes that of the unit, and not that of all services."""

_PROXY_UNITS: Final = {"containerRuntime": "containerd.service", "kubelet": "kubelet.service"}

KUBERNETES: Final = "/etc/kubernetes"

CERTIFICATES: Final = f"{KUBERNETES}/pki"
"""kubeadm's own default for its certificates."""

MANIFESTS: Final = f"{KUBERNETES}/manifests"
"""Static pods, kubeadm's own among them."""

OWN: Final = f"{KUBERNETES}/machineadm"
"""What this program writes for the API server; nobody else writes there."""


def home_of(user: User) -> str:
    """A user's home directory."""
    # useradd's own default, which a distribution could change in /etc/default/useradd; then homeDir
    # must be given.
    default = "/root" if user.name == "root" else f"/home/{user.name}"
    return user.home_dir or default


def repository_files(format_: str, name: str) -> tuple[str, str]:
    """The files of a package repository: what describes it, and its keys."""
    directory, suffix, keys = _SOURCES[format_]
    # With our name in front, so that a repository of the distribution is never overwritten.
    return f"{directory}/machineadm-{name}{suffix}", f"{keys}/machineadm-{name}.asc"


def proxy_unit(target: str) -> str:
    """The unit that uses a proxy; empty: all of the host."""
    return _PROXY_UNITS.get(target, "")


def proxy_files(target: str, *, secret: bool) -> tuple[str, ...]:
    """The files of a target of systemProxies: its variables, then what has them read.

    Args:
        target: `host`, `containerRuntime`, `kubelet`.
        secret: There are credentials, which systemd must not tell everybody.
    """
    if unit := proxy_unit(target):
        return (f"{PROXIES}/{unit}.env", f"{UNITS}/{unit}.d/{PROXY_DROP_IN}")
    # What is in the manager's environment everybody can read by `systemctl show-environment`.
    of_services = f"{UNITS}/service.d/{PROXY_DROP_IN}" if secret else PROXY_MANAGER
    return (f"{PROXIES}/host.env", PROXY_PROFILE, of_services)


def parameter_file(name: str) -> str:
    """Return the path below /proc/sys as in sysctl.d(5): the first separator decides what the others mean."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name
    # Both ways: net.ipv4.conf.eth0/100.rp_filter is about the VLAN interface eth0.100.
    return name.translate(str.maketrans("./", "/."))


def certificates_directory(kubernetes: KubernetesConfig) -> str:
    """The directory of a cluster's certificates on its control plane machines."""
    cluster = kubernetes.cluster
    settings = cluster.certificates if cluster is not None else None
    given = settings.directory if settings is not None else None
    # Paths are compared as text elsewhere, and a last slash would make two of one.
    return (given or CERTIFICATES).rstrip("/")


KUBEADM_PHASES = "kubeadm-phases.json"
"""In the run directory: when each phase of kubeadm began, for `status --output svg`."""


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
                # The first provider is the one that a message names.
                found.setdefault(socket.rpartition("/")[0] or "/", index)
    return found


def is_windows_path(path: str) -> bool:
    """Whether a path, as the types let it pass, is one of Windows: it begins with a drive."""
    # The slash too: /: is a fine name on Linux, if a strange one.
    return path[1:2] == ":" and path[0] != "/"
