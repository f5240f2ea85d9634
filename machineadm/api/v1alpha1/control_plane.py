"""What only control plane machines have, put together from its concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.later import later
from machineadm.api.meta import (
    AbsolutePath,
    ApiStruct,
    IpAddress,
    OneOf,
    Port,
    ValueSource,
    at_most_one,
)
from machineadm.api.v1alpha1.cluster import Arguments, ContainerVariables, SubjectNames

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.certificates import ControlPlaneCertificates
    from machineadm.api.v1alpha1.control_plane_files import (
        Admission,
        AuditPolicy,
        Authentication,
        Authorization,
        EncryptionAtRest,
    )
    from machineadm.api.v1alpha1.static_pods import StaticPod

later(globals(), "certificates", "ControlPlaneCertificates")
later(
    globals(),
    "control_plane_files",
    "Admission",
    "AuditPolicy",
    "Authentication",
    "Authorization",
    "EncryptionAtRest",
)
later(globals(), "static_pods", "StaticPod")


class ExtraVolume(ApiStruct, frozen=True, kw_only=True):
    """A file or directory of the host, mounted into a component."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=63,
            extra={"oneLine": True, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        ),
    ]
    """Name of the volume; a name that kubeadm uses replaces kubeadm's volume."""

    host_path: AbsolutePath
    """Path on the machine."""

    mount_path: AbsolutePath
    """Path in the container."""

    read_only: bool = False
    """Mount it read-only. Default false, as in kubeadm."""

    path_type: (
        Literal[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ]
        | None
    ) = None
    """What must exist (Kubernetes' HostPathType). Absent: not checked."""


ExtraVolumes = Annotated[tuple[ExtraVolume, ...], Meta(max_length=100)]
"""Additional volumes of a component. If a name occurs twice, the last one counts."""


class Component(ApiStruct, frozen=True, kw_only=True):
    """A component of the control plane."""

    extra_args: Arguments = ()
    """Additional arguments; they override kubeadm's."""

    extra_volumes: ExtraVolumes = ()
    """Additional volumes."""

    extra_env: ContainerVariables = ()
    """Environment variables. Kubernetes 1.31 or later."""


class ApiServer(ApiStruct, frozen=True, kw_only=True):
    """The API server."""

    extra_args: Arguments = ()
    """Additional arguments; they override kubeadm's."""

    extra_volumes: ExtraVolumes = ()
    """Additional volumes."""

    extra_env: ContainerVariables = ()
    """Environment variables. Kubernetes 1.31 or later."""

    cert_sans: SubjectNames = field(default=(), name="certSANs")
    """Additional names in its certificate."""

    cert_sans_from: Annotated[tuple[ValueSource, ...], Meta(max_length=20)] = field(
        default=(), name="certSANsFrom"
    )
    """More names, one from each source; they follow those in `certSANs`."""


class LocalApiEndpoint(ApiStruct, frozen=True, kw_only=True):
    """Where this machine's API server listens."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("advertiseAddress", "advertiseAddressFrom"),)

    advertise_address: IpAddress | None = None
    """Address that it advertises. Default: that of the interface with the default route."""

    advertise_address_from: ValueSource | None = None
    """Where that address comes from: `instanceData: $(net.eth1.ipv4)`."""

    bind_port: Port | None = None
    """Port. Default 6443."""


class ControlPlaneConfig(ApiStruct, frozen=True, kw_only=True):
    """What only control plane machines have; refused with role JoinWorker."""

    api_server: ApiServer | None = None
    """The API server. A joining control plane machine takes most of it from the cluster, where
    kubeadm keeps it."""

    controller_manager: Component | None = None
    """The controller manager."""

    scheduler: Component | None = None
    """The scheduler."""

    audit_policy: AuditPolicy | None = None
    """Audit records. The files are needed on every control plane machine."""

    encryption_at_rest: EncryptionAtRest | None = None
    """Encryption of what is stored in etcd. The file is needed on every control plane machine."""

    authentication: Authentication | None = None
    """Authentication."""

    authorization: Authorization | None = None
    """Authorization."""

    admission: Admission | None = None
    """Admission control."""

    static_pods: Annotated[
        tuple[StaticPod, ...], Meta(max_length=50, extra={"unique": "name"})
    ] = ()
    """Additional static pods."""

    local_api_endpoint: LocalApiEndpoint | None = field(default=None, name="localAPIEndpoint")
    """Where this machine's API server listens."""

    certificates: ControlPlaneCertificates | None = None
    """Certificates and keys that the cluster already has."""
