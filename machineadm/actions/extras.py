"""What the control plane's files need in kubeadm's configuration: a value that the planner passes from one step to another."""

from __future__ import annotations

import msgspec


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of the host that a control plane component must see."""

    name: str
    path: str
    """The same on the host and in the container."""

    read_only: bool = True
    # Checked by the kubelet before the container starts: a missing file is an event of the pod,
    # and not a directory made in its place.
    path_type: str = "File"
    """As in Kubernetes' HostPathVolumeSource: `File`, `DirectoryOrCreate` ..."""


class ControlPlaneExtras(msgspec.Struct, frozen=True, kw_only=True):
    """What the control plane's files need in kubeadm's configuration of the API server."""

    # Pairs and no map: the API server takes some arguments more than once (--oidc-required-
    # claim).
    api_server_args: tuple[tuple[str, str], ...] = ()
    api_server_volumes: tuple[Volume, ...] = ()
