"""The corpus as specs: each file with its placeholders filled in, and what a cluster would say beside it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from machineadm.conversion import placeholders
from machineadm.conversion.fields import Role
from machineadm.conversion.whole import SPECS

VERSION = "v1.33.1"

VALUES = {
    "API_SERVER_PORT": "6443",
    "AZURE_INTERNAL_LB_PRIVATE_IP": "10.0.0.100",
    "CI_VERSION": VERSION,
    "CLOUDSTACK_DISK_OFFERING_DEVICE": "/dev/vdb",
    "CLOUDSTACK_DISK_OFFERING_FILESYSTEM": "ext4",
    "CLOUDSTACK_DISK_OFFERING_LABEL": "data_disk",
    "CLOUDSTACK_DISK_OFFERING_MOUNT_PATH": "/var/lib/data",
    "CLUSTER_APIENDPOINT_HOST": "192.0.2.10",
    "CLUSTER_NAME": "demo",
    "CONTROL_PLANE_ENDPOINT_HOST": "192.0.2.10",
    "CONTROL_PLANE_ENDPOINT_IP": "192.0.2.10",
    "CONTROL_PLANE_ENDPOINT_PORT": "6443",
    "CONTROL_PLANE_HOST": "192.0.2.10",
    "CONTROL_PLANE_IP": "192.0.2.10",
    "CONTROL_PLANE_MACHINE_COUNT": "3",
    "CRI_PATH": "/var/run/containerd/containerd.sock",
    "IBMPOWERVS_VIP": "192.0.2.10",
    "IBMPOWERVS_VIP_CIDR": "29",
    "IBMPOWERVS_VIP_EXTERNAL": "198.51.100.10",
    "IMAGE_USERNAME": "metal3",
    "K8S_FEATURE_GATES": "",
    "KUBERNETES_VERSION": VERSION,
    "KUBERNETES_VERSION_UPGRADE_TO": VERSION,
    "NODE_FEATURE_GATES": "",
    "OPENSTACK_CLOUD_CACERT_B64": "Cg==",
    "PROVIDER_ID_FORMAT": "metal3://{{ ds.meta_data.providerid }}",
    "SERVICE_ACCOUNT_ISSUER": "https://kubernetes.default.svc.cluster.local",
    "TARGET_NAMESPACE": "capi",
    "NAMESPACE": "capi",
}
"""Values of placeholders whose fields take more than any word."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"


class Spec(NamedTuple):
    """One document of the corpus."""

    name: str
    text: str
    """With its placeholders filled in."""

    document: dict[str, Any]
    spec: dict[str, Any]
    """Its KubeadmConfigSpec."""

    windows: bool

    @property
    def roles(self) -> tuple[Role, ...]:
        """What the machines become that take it."""
        if self.document["kind"].startswith("KubeadmControlPlane"):
            return ("Initialize", "JoinControlPlane")
        join = self.spec.get("joinConfiguration")
        if join is None and (
            "clusterConfiguration" in self.spec or "initConfiguration" in self.spec
        ):
            return ("Initialize",)
        return (
            ("JoinControlPlane",)
            if (join or {}).get("controlPlane") is not None
            else ("JoinWorker",)
        )


def directory() -> Path:
    """Where the corpus lies; the test is skipped, loudly, where it does not."""
    named = os.environ.get("MACHINEADM_CORPUS")
    if not named or not (Path(named) / "kubeadmconfig").is_dir():
        # No program that could be installed: it is skipped even where all real parts are required.
        pytest.skip("MACHINEADM_CORPUS names no directory with the corpus")
    return Path(str(named))


def values_of(text: str) -> dict[str, str]:
    """A value for each placeholder of a file; a default counts as one."""
    found: dict[str, str] = {}
    for name in placeholders.names(text):
        default = re.search(rf"\$\{{{name}:?[=-]([^}}]*)\}}", text)
        if name in VALUES:
            found[name] = VALUES[name]
        elif default is not None:
            found[name] = default[1].strip("\"'") or "value"
        elif re.search("SSH.*KEY|KEY_MATERIAL|PUB_KEY", name):
            found[name] = KEY
        elif re.search("VERSION|_TAG|REVISION", name):
            found[name] = VERSION
        elif re.search("COUNT|PORT", name):
            found[name] = "1"
        else:
            found[name] = name.lower().replace("_", "-")
    return found


def originals(where: Path | None = None) -> list[Path]:
    """The files as they are, in the order of their names."""
    return sorted(((where or directory()) / "kubeadmconfig").glob("*.yaml"))


def specs(where: Path | None = None) -> Iterator[Spec]:
    """Every spec of the corpus that is YAML; see `unreadable` for the others."""
    for path in originals(where):
        try:
            list(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError:
            continue
        yield from specs_of(path)


def specs_of(path: Path) -> Iterator[Spec]:
    """The specs of one file."""
    raw = path.read_text()
    text = placeholders.filled(raw, values_of(raw))
    # What stands for the keys that were taken out is no key.
    if keys := _keys(yaml.safe_load_all(text)):
        text = re.sub("|".join(map(re.escape, keys)), KEY, text)
    for document in yaml.safe_load_all(text):
        spec: Any = document
        for key in SPECS[document["kind"]].split("."):
            spec = (spec or {}).get(key)
        windows = bool(re.search(r"(?im)^\s*-\s*['\"]?powershell|path: ['\"]?c:|npipe:", text))
        yield Spec(path.name, text, document, spec or {}, windows)


def _keys(documents: Iterator[Any]) -> list[str]:
    """The keys of all users, the longest first, since one may be the beginning of another."""
    found = set()
    for document in documents:
        spec: Any = document
        for part in SPECS[document["kind"]].split("."):
            spec = (spec or {}).get(part)
        users = (spec or {}).get("users")
        for user in users if isinstance(users, list) else ():
            keys = user.get("sshAuthorizedKeys") if isinstance(user, dict) else None
            found |= set(map(str, keys if isinstance(keys, list) else ()))
    return sorted(found - {KEY}, key=len, reverse=True)


def unreadable(where: Path | None = None) -> list[str]:
    """Files that are no YAML before envsubst."""
    found = []
    for path in originals(where):
        try:
            list(yaml.safe_load_all(path.read_text()))
        except yaml.YAMLError:
            found.append(path.name)
    return found
