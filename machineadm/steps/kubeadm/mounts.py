"""Whether this machine has the files that the cluster's API server is started with.

kubeadm starts every API server of a cluster with the arguments and mounts that are stored in the cluster. The files they name
must be on each machine already. A further control plane that lacks one joins etcd, and then its API server never comes up.
So kubeadm's manifest is compared with the machine as soon as it is written, before etcd knows about this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

# The kubelet does not start a container with a hostPath of one of these types that does not exist; the `...OrCreate` types and an
# empty one pass.
_MUST_EXIST = frozenset(("File", "Directory", "Socket", "CharDevice", "BlockDevice"))
# Arguments of the API server that name a file it reads, and the field of the configuration that writes that file.
FIELDS = {
    "admission-control-config-file": "controlPlane.admission",
    "audit-policy-file": "controlPlane.auditPolicy",
    "audit-webhook-config-file": "controlPlane.auditPolicy",
    "authentication-config": "controlPlane.authentication",
    "authentication-token-webhook-config-file": "controlPlane.authentication",
    "authorization-config": "controlPlane.authorization",
    "authorization-policy-file": "",
    "authorization-webhook-config-file": "controlPlane.authorization",
    "egress-selector-config-file": "",
    "encryption-provider-config": "controlPlane.encryptionAtRest",
    "oidc-ca-file": "controlPlane.authentication",
    "token-auth-file": "",
    "tracing-config-file": "",
}


class Missing(msgspec.Struct, frozen=True):
    """A path that is not on the machine."""

    path: str
    wanted_by: str
    """An argument, or a mount."""

    field: str = ""
    """Field of the configuration that writes it; empty where none does."""

    def __str__(self) -> str:
        """For the message."""
        field = f", {self.field}" if self.field else ""
        return f"{self.path} ({self.wanted_by}{field})"


def missing_paths(manifest: object, exists: Callable[[str], bool]) -> tuple[Missing, ...]:
    """What an API server's manifest needs and the machine does not have.

    Args:
        manifest: A Pod, as maps and lists. Unexpected shapes are left to the kubelet.
        exists: Whether a path of the machine is there.
    """
    spec = _map(_map(manifest).get("spec"))
    container = _map(next(iter(_list(spec.get("containers"))), None))
    hosts = {
        str(volume.get("name")): _map(volume.get("hostPath"))
        for volume in map(_map, _list(spec.get("volumes")))
        if "hostPath" in volume
    }
    found = {lack.path: lack for lack in _mounts(hosts, exists)}
    mounts = {
        str(mount.get("mountPath")): str(hosts[str(mount.get("name"))].get("path"))
        for mount in map(_map, _list(container.get("volumeMounts")))
        if mount.get("name") in hosts
    }
    arguments = [*_list(container.get("command")), *_list(container.get("args"))]
    # Over the mount of the same path: an argument tells which field of the configuration writes the
    # file.
    found.update((lack.path, lack) for lack in _arguments(arguments, mounts, exists))
    return tuple(found.values())


def _mounts(
    hosts: Mapping[str, Mapping[str, object]], exists: Callable[[str], bool]
) -> Iterator[Missing]:
    for name, host in hosts.items():
        path = str(host.get("path"))
        # Other types let the container start; what it lacks then, the API server says by itself.
        if host.get("type") in _MUST_EXIST and not exists(path):
            yield Missing(path, f"mount {name}")


def _arguments(
    arguments: Sequence[object], mounts: Mapping[str, str], exists: Callable[[str], bool]
) -> Iterator[Missing]:
    for argument in arguments:
        flag, equals, value = str(argument).partition("=")
        name = flag.removeprefix("--")
        # By a list and not by anything that looks like a path: --etcd-servers and --service-
        # account-issuer have slashes as well.
        if not equals or name not in FIELDS:
            continue
        path = _on_host(value, mounts)
        if path is not None and not exists(path):
            yield Missing(path, flag, FIELDS[name])


def _on_host(path: str, mounts: Mapping[str, str]) -> str | None:
    """The path on the machine of a path in the container; None if no mount provides it."""
    around = [top for top in mounts if path == top or path.startswith(f"{top.rstrip('/')}/")]
    if not around:
        return None
    # Mounts can be nested, and the container sees the innermost.
    top = max(around, key=len)
    return mounts[top].rstrip("/") + path[len(top.rstrip("/")) :]


def _map(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
