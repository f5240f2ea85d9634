"""What is known of a machine before anything is planned."""

from __future__ import annotations

import msgspec

from machineadm.errors import HostError
from machineadm.host.ports import Distribution, Host

_TIMEOUT = 30.0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the planner may know; gathering it changes nothing."""

    platform: str = "linux"
    architecture: str = ""
    """`amd64`, `arm64`."""
    distribution: str = ""
    """ID of os-release(5): `debian`, `rhel`; empty when not known."""
    distribution_version: str = ""
    """VERSION_ID of os-release(5): `12`."""
    family: Distribution | None = None
    """What is known about the distribution; None if it is not a known one."""
    hostname: str = ""
    """The running name; of a tree the one in its /etc/hostname."""
    machine_id: str = ""
    """Of /etc/machine-id; empty in an image that gets it at its first boot."""
    boot_id: str = ""
    """Differs after every boot; empty for a tree."""
    kubeadm_version: str | None = None
    """`v1.34.4`; None when there is no kubeadm, or it is a tree's."""
    effective_root: bool = False
    """Files can be given to root."""
    offline: bool = False
    """It is a tree, not the running system."""


def gather(host: Host) -> Facts:
    """Look at a machine, by queries only."""
    release = os_release(host)
    return Facts(
        platform=host.platform,
        architecture=host.architecture,
        distribution=release.get("ID", ""),
        distribution_version=release.get("VERSION_ID", ""),
        family=host.distribution(release),
        hostname=host.kernel.hostname() if host.kernel else _line(host, "/etc/hostname"),
        machine_id=_machine_id(host),
        # A tree has no boot: the kernel's id is that of the machine on which it is prepared.
        boot_id="" if host.offline else _line(host, "/proc/sys/kernel/random/boot_id"),
        kubeadm_version=kubeadm_version(host),
        # By what can be done and not by the uid: root of a user namespace may not give files
        # away, somebody with CAP_CHOWN may.
        effective_root=host.files.can_give(0, 0),
        offline=host.offline,
    )


def os_release(host: Host) -> dict[str, str]:
    """The assignments of /etc/os-release, else of /usr/lib/os-release, unquoted; os-release(5)."""
    # In this order, by os-release(5): /etc may be a person's own, /usr is the distribution's.
    content = host.files.read("/etc/os-release") or host.files.read("/usr/lib/os-release") or b""
    found = {}
    for line in content.decode(errors="replace").splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        found[name] = _unquoted(value)
    return found


def _unquoted(value: str) -> str:
    """A value as a shell reads it; unchanged if a shell would fail."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    inner = value[1:-1] if quoted else value
    if not set(inner) & set("\\\"'"):  # as nearly always; shlex is slow to load
        return inner if quoted else "".join(value.split())
    import shlex

    try:
        return "".join(shlex.split(value))
    except ValueError:
        return value


def kubeadm_version(host: Host) -> str | None:
    """The version of the kubeadm that would be run, `v1.34.4`; None when there is none or it does not say."""
    if host.offline or host.queries is None or host.queries.find("kubeadm") is None:
        return None
    try:
        result = host.queries.ask(["kubeadm", "version", "-o", "short"], timeout=_TIMEOUT)
    except HostError:
        return None
    if result.exit_code != 0:
        return None
    # Standard error is in the output as well, so there may be warnings around it.
    return next((line for line in result.output.splitlines() if line.startswith("v")), None)


def _machine_id(host: Host) -> str:
    text = _line(host, "/etc/machine-id")
    # machine-id(5): what an image holds until its first boot. As an id it would be the same on
    # every clone.
    return "" if text == "uninitialized" else text


def _line(host: Host, path: str) -> str:
    content = host.files.read(path) or b""
    return content.decode(errors="replace").partition("\n")[0].strip()
