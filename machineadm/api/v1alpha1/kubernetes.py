"""The machine's part in a cluster; kubeadm's own types appear nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from machineadm.api.later import later
from machineadm.api.meta import (
    ApiStruct,
    KubernetesVersion,
    MachinePath,
    OneOf,
    at_most_one,
)
from machineadm.api.v1alpha1.cluster import ClusterConfig
from machineadm.api.v1alpha1.kubeadm import Patch, Role, Timeouts

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
    from machineadm.api.v1alpha1.node import NodeConfig

later(globals(), "control_plane", "ControlPlaneConfig")
later(globals(), "node", "NodeConfig")


class KubernetesConfig(ApiStruct, frozen=True, kw_only=True):
    """The machine's part in a cluster."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("patches", "patchesDirectory"),)

    version: KubernetesVersion
    """Version of Kubernetes on this machine, with its `v`: `v1.34.4`. 1.29 to 1.37. kubeadm must be of
    this minor version or the one after it."""

    allow_unknown_version: bool = False
    """Accept a version that is newer than this release knows. Documents, arguments and names of that version are
    passed on without being judged. Default false."""

    role: Role | None = None
    """What the machine becomes. Required in a MachineConfiguration."""

    cluster: ClusterConfig | None = None
    """What is the same on all machines of the cluster."""

    control_plane: ControlPlaneConfig | None = None
    """What only control plane machines have."""

    node: NodeConfig | None = None
    """Settings of this node."""

    skip_phases: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=256,
                    extra={"oneLine": True, "pattern": "^[a-z0-9-]+(/[a-z0-9-]+)?$"},
                ),
            ],
            ...,
        ],
        Meta(max_length=50, extra={"unique": ""}),
    ] = ()
    """Phases that kubeadm skips: `addon/kube-proxy`."""

    patches: Annotated[tuple[Patch, ...], Meta(max_length=100)] = ()
    """Changes to what kubeadm writes, in order; or `patchesDirectory`."""

    patches_directory: MachinePath | None = None
    """Directory of patches in the image, named as kubeadm requires:
    `kube-apiserver0+merge.yaml`."""

    timeouts: Timeouts | None = None
    """How long kubeadm waits."""

    verbosity: Annotated[int, Meta(ge=0, le=2147483647)] | None = None
    """Verbosity of kubeadm's log, 0 to 10. Default 0."""
