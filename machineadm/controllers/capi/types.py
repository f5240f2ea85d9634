"""Cluster API's objects as far as the controllers read them (contract v1beta2), and ours as they are cached.

A whole Machine costs fifteen times what its projection does, and a cluster may have ten thousand.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

from machineadm.controllers.runtime.resources import (
    KUBEADM_CONFIGS,
    KUBEADM_CONFIGS_V1BETA1,
    MACHINE_BOOTSTRAPS,
    Resource,
)
from machineadm.controllers.runtime.store import Cached

CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
CONTROL_PLANE_LABEL = "cluster.x-k8s.io/control-plane"
PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
WATCH_FILTER_LABEL = "cluster.x-k8s.io/watch-filter"
AGENT_ANNOTATION = "machineadm.x-k8s.io/agent"
"""On a Cluster: where machines of its KubeadmConfigs get the agent from, as `spec.agent` of a MachineBootstrap says it."""


class OwnerReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An owner, as an object names it."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False

    @property
    def group(self) -> str:
        """The API group. The version may be stale, so nothing looks at it."""
        return self.api_version.rpartition("/")[0]


# managedFields is left out: it is longer than many a spec, and nothing here asks who wrote a field.
class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Metadata of an object."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()


# Reason and message with a default: conditions of others may lack them, and one odd condition must
# not make its object unreadable.
class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A condition in Kubernetes' form."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int | None = None


class ObjectReference(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An object in the same namespace; its version is nobody's business here."""

    api_group: str
    kind: str
    name: str


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Host and port of a control plane; empty until infrastructure knows them."""

    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.host and self.port else ""


class _Ranges(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    cidr_blocks: tuple[str, ...] = ()


class Network(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Addresses and names of a cluster."""

    pods: _Ranges = _Ranges()
    services: _Ranges = _Ranges()
    service_domain: str = ""


class Cluster(Cached, frozen=True, kw_only=True):
    """A cluster."""

    paused: bool
    endpoint: Endpoint
    network: Network
    infrastructure_ready: bool
    control_plane_initialized: bool
    control_plane_version: str = ""
    """Where a topology gives one."""

    control_plane_provided: bool = False
    """A control plane provider looks after the control plane, and makes its certificates."""

    # As text and read when it is needed: what a user wrote there wrongly must not make the Cluster
    # unreadable.
    agent: str = ""
    """What its annotation says of the agent."""


class Machine(Cached, frozen=True, kw_only=True):
    """A Machine."""

    cluster: str
    kubernetes_version: str
    control_plane: bool
    data_secret: str
    """What it has taken over as its data Secret; empty: nothing yet."""

    node: str
    """Name of its node, once it has joined."""

    pool: bool = False
    """It is a MachinePool: one configuration for many machines, which come at any time."""

    complete: bool = False
    """Of a pool: as many nodes are there as are wanted."""

    provisioned: bool = False
    """Its infrastructure has been made, so its data has been read."""

    store: ObjectReference | None = None
    """Where its configuration is kept, where its MachineBootstrap does not say."""

    @property
    def kind(self) -> str:
        """`Machine` or `MachinePool`."""
        return "MachinePool" if self.pool else "Machine"

    @property
    def has_read(self) -> bool:
        """Its data has been read, so that what becomes of it does not matter any more; never so of a pool."""
        return bool(self.node) or self.provisioned


class Bootstrap(Cached, frozen=True, kw_only=True):
    """A MachineBootstrap or a KubeadmConfig: what decides, and the whole object as the server gave it."""

    resource: Resource = MACHINE_BOOTSTRAPS
    """What it is."""

    # The whole object and not only its spec: the decoder names fields by their path, and the trial
    # reads it at any time.
    raw: bytes
    generation: int
    created: str
    deleted: bool
    paused: bool
    labels: dict[str, str]
    owners: tuple[OwnerReference, ...]
    conditions: tuple[Condition, ...]
    data_secret_created: bool
    data_secret: str
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    observed_generation: int = 0
    status: dict[str, Any] = msgspec.field(default_factory=dict)
    """Its whole status, to be compared with what it should be."""

    @property
    def adopted(self) -> bool:
        """It is a KubeadmConfig, which another controller served before or would have served."""
        return self.resource.kind == KUBEADM_CONFIGS.kind


class SecretMeta(Cached, frozen=True, kw_only=True):
    """A Secret of a cluster, without what it holds."""

    cluster: str
    owners: tuple[OwnerReference, ...] = ()
    annotations: dict[str, str] = msgspec.field(default_factory=dict)


# Every field has a default: an object that core has just created lacks most of them.
class _ClusterSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    paused: bool = False
    control_plane_endpoint: Endpoint = Endpoint()
    cluster_network: Network = Network()
    # Only whether it is there: control plane providers are of any kind.
    control_plane_ref: dict[str, Any] | None = None
    topology: dict[str, Any] = {}


class _Initialization(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    infrastructure_provisioned: bool = False
    control_plane_initialized: bool = False
    data_secret_created: bool = False


class _ClusterStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    initialization: _Initialization = _Initialization()
    conditions: tuple[Condition, ...] = ()


class _ClusterObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _ClusterSpec = _ClusterSpec()
    status: _ClusterStatus = _ClusterStatus()


class _MachineBootstrapSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    data_secret_name: str = ""
    infrastructure_ref: ObjectReference | None = None


class _MachineSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    cluster_name: str = ""
    version: str = ""
    provider_id: str = msgspec.field(default="", name="providerID")
    bootstrap: _MachineBootstrapSpec = _MachineBootstrapSpec()


class _NodeReference(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


class _MachineStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    node_ref: _NodeReference = _NodeReference()
    initialization: _Initialization = _Initialization()


class _MachineObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _MachineSpec = _MachineSpec()
    status: _MachineStatus = _MachineStatus()


class _PoolTemplate(msgspec.Struct, frozen=True, kw_only=True):
    spec: _MachineSpec = _MachineSpec()


class _PoolSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    cluster_name: str = ""
    # Cluster API's own default.
    replicas: int = 1
    template: _PoolTemplate = _PoolTemplate()


class _PoolStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    node_refs: tuple[_NodeReference, ...] = ()


class _PoolObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    spec: _PoolSpec = _PoolSpec()
    status: _PoolStatus = _PoolStatus()


class _BootstrapStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    initialization: _Initialization = _Initialization()
    data_secret_name: str = ""
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class _BootstrapObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    # Twice decoded: typed to decide, and as it is to compare with what an apply would send.
    status: msgspec.Raw = msgspec.Raw(b"{}")


class _Conditions(msgspec.Struct, frozen=True, kw_only=True):
    conditions: tuple[Condition, ...] = ()


class _OldStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A status of v1beta1."""

    ready: bool = False
    data_secret_name: str = ""
    observed_generation: int = 0
    v1beta2: _Conditions = _Conditions()


class _VersionedObject(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    api_version: str


class _SecretObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata


def cluster(data: bytes) -> Cluster:
    """Project a Cluster. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_ClusterObject)
    # Contract v1beta2 has it as a condition; what core writes under initialization is the same fact, kept for ever.
    initialized = read.status.initialization.control_plane_initialized or any(
        one.type == "ControlPlaneInitialized" and one.status == "True"
        for one in read.status.conditions
    )
    return Cluster(
        **_cached(read.metadata),
        # As Cluster API's annotations.IsPaused: of a Cluster the field counts, of other objects the
        # annotation.
        paused=read.spec.paused,
        endpoint=read.spec.control_plane_endpoint,
        network=read.spec.cluster_network,
        infrastructure_ready=read.status.initialization.infrastructure_provisioned,
        control_plane_initialized=initialized,
        # Without a topology nobody but the control plane's own object knows it, and its kind may be
        # any: then no skew is checked.
        control_plane_version=str(read.spec.topology.get("version", "")),
        # A topology makes one in a moment, if it is not there yet.
        control_plane_provided=bool(read.spec.control_plane_ref or read.spec.topology),
        agent=read.metadata.annotations.get(AGENT_ANNOTATION, ""),
    )


def machine(data: bytes) -> Machine:
    """Project a Machine. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_MachineObject)
    return Machine(
        **_cached(read.metadata),
        cluster=read.spec.cluster_name or read.metadata.labels.get(CLUSTER_LABEL, ""),
        kubernetes_version=read.spec.version,
        # By presence: core sets the label with an empty value (util.IsControlPlaneMachine).
        control_plane=CONTROL_PLANE_LABEL in read.metadata.labels,
        data_secret=read.spec.bootstrap.data_secret_name,
        # Either: core writes spec and status in two calls.
        provisioned=bool(read.spec.provider_id)
        or read.status.initialization.infrastructure_provisioned,
        store=read.spec.bootstrap.infrastructure_ref,
        node=read.status.node_ref.name,
    )


def machine_pool(data: bytes) -> Machine:
    """Project a MachinePool. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_PoolObject)
    template = read.spec.template.spec
    return Machine(
        **_cached(read.metadata),
        cluster=read.spec.cluster_name or read.metadata.labels.get(CLUSTER_LABEL, ""),
        kubernetes_version=template.version,
        # As Cluster API's own provider has it: machines of a pool join as workers.
        control_plane=False,
        data_secret=template.bootstrap.data_secret_name,
        store=template.bootstrap.infrastructure_ref,
        # Not one of its many nodes: `complete` says all that is asked.
        node="",
        pool=True,
        # More than are wanted while it is scaled down; those have joined as well.
        complete=len(read.status.node_refs) >= read.spec.replicas,
    )


def bootstrap(data: bytes) -> Bootstrap:
    """Project a MachineBootstrap. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_BootstrapObject)
    return _bootstrap(data, read, msgspec.json.decode(read.status, type=_BootstrapStatus))


def kubeadm_config(data: bytes) -> Bootstrap:
    """Project a KubeadmConfig of v1beta1 or v1beta2. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_BootstrapObject)
    # By what the server sent and not by the flag: the status is written back in the form that was
    # read.
    version = msgspec.json.decode(data, type=_VersionedObject).api_version
    if version != KUBEADM_CONFIGS_V1BETA1.api_version:
        status = msgspec.json.decode(read.status, type=_BootstrapStatus)
        return _bootstrap(data, read, status, KUBEADM_CONFIGS)
    old = msgspec.json.decode(read.status, type=_OldStatus)
    status = _BootstrapStatus(
        initialization=_Initialization(data_secret_created=old.ready),
        data_secret_name=old.data_secret_name,
        observed_generation=old.observed_generation,
        conditions=old.v1beta2.conditions,
    )
    return _bootstrap(data, read, status, KUBEADM_CONFIGS_V1BETA1)


def _bootstrap(
    data: bytes,
    read: _BootstrapObject,
    status: _BootstrapStatus,
    resource: Resource = MACHINE_BOOTSTRAPS,
) -> Bootstrap:
    return Bootstrap(
        **_cached(read.metadata),
        resource=resource,
        raw=bytes(data),
        generation=read.metadata.generation,
        created=read.metadata.creation_timestamp,
        deleted=read.metadata.deletion_timestamp is not None,
        paused=PAUSED_ANNOTATION in read.metadata.annotations,
        labels=read.metadata.labels,
        annotations=read.metadata.annotations,
        finalizers=read.metadata.finalizers,
        owners=read.metadata.owner_references,
        conditions=status.conditions,
        data_secret_created=status.initialization.data_secret_created,
        data_secret=status.data_secret_name,
        observed_generation=status.observed_generation,
        status=msgspec.json.decode(read.status),
    )


def secret_meta(data: bytes) -> SecretMeta:
    """Project a Secret's metadata. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_SecretObject)
    return SecretMeta(
        **_cached(read.metadata),
        cluster=read.metadata.labels.get(CLUSTER_LABEL, ""),
        owners=read.metadata.owner_references,
        annotations=read.metadata.annotations,
    )


def _cached(metadata: Metadata) -> dict[str, Any]:
    return {
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
        "version": metadata.resource_version,
    }


def time_of(timestamp: str) -> datetime:
    """An RFC 3339 time as the API server writes it; 1970 where it is none."""
    # Long over: a damaged time makes something expired and due, which is put right, and never valid
    # for ever.
    never = datetime(1970, 1, 1, tzinfo=timezone.utc)
    try:
        found = datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    except ValueError:
        return never
    # Without a zone it is not such a time, and cannot be compared with one.
    return found if found.tzinfo else never
