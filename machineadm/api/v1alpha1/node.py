"""Settings of this node."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    NODE_NAME,
    ApiStruct,
    Duration,
    HostPath,
    IpAddress,
    KubernetesObject,
    LabelValue,
    OneOf,
    Percent,
    QualifiedName,
    Quantity,
    Threshold,
    ValueSource,
    at_most_one,
)
from machineadm.api.v1alpha1.cluster import Arguments


class Taint(ApiStruct, frozen=True, kw_only=True):
    """Keeps pods that do not tolerate it off the node."""

    key: QualifiedName
    """Its key: `example.com/gpu`."""

    value: LabelValue = ""
    """Its value. Default: empty."""

    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    """What it does."""


EvictionSignal = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        extra={
            "oneLine": True,
            "pattern": (
                r"^((memory|pid|allocatableMemory)\.available"
                r"|(nodefs|imagefs|containerfs)\.(available|inodesFree))$"
            ),
            "expected": "a signal such as memory.available",
        },
    ),
]
"""What the kubelet measures: `memory.available`, `nodefs.inodesFree`, `pid.available` ..."""

ResourceName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        extra={"oneLine": True, "pattern": "^(cpu|memory|ephemeral-storage|pid)$"},
    ),
]
"""`cpu`, `memory`, `ephemeral-storage` or `pid`."""

Reserved = Annotated[dict[ResourceName, Quantity], Meta(max_length=4)]
"""Amounts by resource."""

Thresholds = Annotated[dict[EvictionSignal, Threshold], Meta(max_length=16)]
"""Thresholds by signal."""


class NodeKubelet(ApiStruct, frozen=True, kw_only=True):
    """Settings of this node's kubelet.

    They apply to this node only, over what it inherits from the cluster. Each field has the same name and
    meaning as in KubeletConfiguration. Only `nodeIP` is an argument instead.
    """

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("nodeIP", "nodeIPFrom"),)

    node_ip: IpAddress | None = field(default=None, name="nodeIP")
    """Address of the node (the kubelet's argument `node-ip`). Default: as the kubelet finds it.
    For one of each family, use node.extraArgs."""

    node_ip_from: ValueSource | None = field(default=None, name="nodeIPFrom")
    """Where the address comes from: `instanceData: $(net.eth1.ipv4)`."""

    max_pods: Annotated[int, Meta(ge=0, le=10000)] | None = None
    """How many pods may run. Default 110."""

    pods_per_core: Annotated[int, Meta(ge=0, le=1000)] | None = None
    """How many pods may run per CPU core; 0: no such limit. Default 0."""

    pod_pids_limit: Annotated[int, Meta(ge=-1, le=9223372036854775807)] | None = None
    """How many processes a pod may have; -1: no limit. Default -1."""

    cgroup_driver: Literal["systemd", "cgroupfs"] | None = None
    """Cgroup driver, the same as the container runtime's. Default `systemd`, as kubeadm sets it."""

    cluster_dns: Annotated[tuple[IpAddress, ...], Meta(max_length=3, extra={"unique": ""})] = field(
        default=(), name="clusterDNS"
    )
    """Name servers of pods, for a DNS cache on the node for example. Default: the cluster's DNS
    service."""

    resolv_conf: HostPath | None = None
    """File the pods' name resolution is derived from. Default: as kubeadm finds it on the machine."""

    system_reserved: Reserved = {}
    """Resources kept for the operating system."""

    kube_reserved: Reserved = {}
    """Resources kept for the kubelet and the container runtime."""

    reserved_system_cpus: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=256,
                extra={"oneLine": True, "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$"},
            ),
        ]
        | None
    ) = field(default=None, name="reservedSystemCPUs")
    """CPUs kept for the system: `0-1,8`."""

    eviction_hard: Thresholds = {}
    """Below these thresholds pods are evicted at once."""

    eviction_soft: Thresholds = {}
    """Below these thresholds pods are evicted after a grace period."""

    eviction_soft_grace_period: Annotated[dict[EvictionSignal, Duration], Meta(max_length=16)] = {}
    """Grace periods by signal, one for each of `evictionSoft`."""

    image_gc_high_threshold_percent: Percent | None = field(
        default=None, name="imageGCHighThresholdPercent"
    )
    """Share of the disk, in percent, above which unused images are removed. Default 85."""

    image_gc_low_threshold_percent: Percent | None = field(
        default=None, name="imageGCLowThresholdPercent"
    )
    """Share of the disk, in percent, down to which they are removed. Default 80."""

    serialize_image_pulls: bool | None = None
    """Pull one image at a time. Default true."""

    max_parallel_image_pulls: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """How many images are pulled at once; more than 1 not together with `serializeImagePulls: true`.
    Default: no limit."""

    registry_pull_qps: Annotated[int, Meta(ge=0, le=100000)] | None = field(
        default=None, name="registryPullQPS"
    )
    """Pulls per second; 0: no limit. Default 5."""

    registry_burst: Annotated[int, Meta(ge=0, le=100000)] | None = None
    """Pulls in a burst. Default 10."""

    container_log_max_size: Quantity | None = None
    """Size at which a container's log is rotated. Default `10Mi`."""

    container_log_max_files: Annotated[int, Meta(ge=2, le=10000)] | None = None
    """How many log files of a container are kept. Default 5."""

    cpu_manager_policy: Literal["none", "static"] | None = None
    """How CPUs are given to pods. Default `none`."""

    memory_manager_policy: Literal["None", "Static"] | None = None
    """How memory of a NUMA node is given to pods. Default `None`."""

    topology_manager_policy: (
        Literal["none", "best-effort", "restricted", "single-numa-node"] | None
    ) = None
    """How strictly devices, CPUs and memory are kept together. Default `none`."""

    topology_manager_scope: Literal["container", "pod"] | None = None
    """What is kept together. Default `container`."""

    shutdown_grace_period: Duration | None = None
    """How long a shutdown of the machine waits for pods. Default `0s`: not at all."""

    shutdown_grace_period_critical_pods: Duration | None = None
    """The part of it that is kept for critical pods."""

    fail_swap_on: bool | None = None
    """Refuse to start while swap is on. Default true."""

    protect_kernel_defaults: bool | None = None
    """Fail instead of changing kernel parameters that differ from what the kubelet needs.
    Default false."""

    allowed_unsafe_sysctls: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=256,
                    extra={"oneLine": True, "pattern": r"^[a-z0-9_.*/-]+$"},
                ),
            ],
            ...,
        ],
        Meta(max_length=100, extra={"unique": ""}),
    ] = ()
    """Kernel parameters that pods may set, `*` at the end allowed: `net.core.*`."""

    server_tls_bootstrap: bool | None = field(default=None, name="serverTLSBootstrap")
    """Ask the cluster for the kubelet's serving certificate. Someone must approve it. Default
    false."""

    tls_min_version: Literal["VersionTLS12", "VersionTLS13"] | None = None
    """Oldest TLS version that is accepted. Default `VersionTLS12`."""

    tls_cipher_suites: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=128,
                    extra={"oneLine": True, "pattern": "^TLS_[A-Z0-9_]+$"},
                ),
            ],
            ...,
        ],
        Meta(max_length=50, extra={"unique": ""}),
    ] = ()
    """Cipher suites of TLS 1.2. Default: Go's own."""

    event_record_qps: Annotated[int, Meta(ge=0, le=100000)] | None = field(
        default=None, name="eventRecordQPS"
    )
    """Events per second; 0: no limit. Default 50."""

    node_status_update_frequency: Duration | None = None
    """How often the node's status is computed. Default `10s`."""

    feature_gates: Annotated[
        dict[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=128,
                    extra={"oneLine": True, "pattern": "^[A-Za-z][A-Za-z0-9]*$"},
                ),
            ],
            bool,
        ],
        Meta(max_length=200),
    ] = {}
    """Feature gates of the kubelet."""

    config: KubernetesObject | None = None
    """More fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1), passed through. A field that
    has its own place above must be set there; an unknown field is refused."""


NodeName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        extra={
            "oneLine": True,
            "pattern": NODE_NAME,
        },
    ),
]
"""Name of a node: a DNS name in lower case."""

ProviderId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={"oneLine": True, "pattern": r"^[^,=\x00-\x20\x7f-\x9f]+$"},
    ),
]
"""Id of a machine in its cloud: `aws:///eu-west-1a/i-0123456789`."""

CriSocket = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={"oneLine": True, "pattern": r"^((unix|npipe)://)?[^\x00-\x20\x7f-\x9f]+$"},
    ),
]
"""Socket of a container runtime: `unix:///run/containerd/containerd.sock`."""


class NodeConfig(ApiStruct, frozen=True, kw_only=True):
    """Settings of this node."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("name", "nameFrom"),
        at_most_one("providerID", "providerIDFrom"),
    )

    name: NodeName | None = None
    """Name of the node. Default: the machine's host name in lower case."""

    name_from: ValueSource | None = None
    """Where the name comes from: `instanceData: $(v1.local_hostname)`."""

    provider_id: ProviderId | None = field(default=None, name="providerID")
    """Id of the machine in its cloud: `aws:///eu-west-1a/i-0123456789`. It cannot be changed later."""

    provider_id_from: ValueSource | None = field(default=None, name="providerIDFrom")
    """Where the id comes from: `instanceData: aws:///$(v1.availability_zone)/$(v1.instance_id)`."""

    labels: Annotated[dict[QualifiedName, LabelValue], Meta(max_length=100)] = {}
    """Labels that the kubelet sets on its node. Except for a few, it must not use those in `kubernetes.io` and
    `k8s.io`; `node-role.kubernetes.io/...` is not allowed."""

    labels_from: Annotated[dict[QualifiedName, ValueSource], Meta(max_length=100)] = {}
    """Labels whose values come from elsewhere. A label is either here or in `labels`."""

    taints: Annotated[tuple[Taint, ...], Meta(max_length=100)] | None = None
    """Taints the node registers with. Absent or null: kubeadm's own, `control-plane:NoSchedule` on
    control plane machines. An empty list: none."""

    cri_socket: CriSocket | None = None
    """Socket of the container runtime: `unix:///run/containerd/containerd.sock`. Absent: kubeadm finds
    it, unless there are two."""

    kubelet: NodeKubelet | None = None
    """Settings of this node's kubelet."""

    uninitialized_taint: bool | None = None
    """Register a worker with `node.cluster.x-k8s.io/uninitialized:NoSchedule`, which Cluster API removes
    when the node has its labels. Default false."""

    ignore_preflight_errors: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=512,
                    extra={"oneLine": True, "pattern": "^[A-Za-z0-9._/:-]+$"},
                ),
            ],
            ...,
        ],
        Meta(max_length=50, extra={"unique": ""}),
    ] = ()
    """Checks that only warn: kubeadm's by name (`Swap`, `NumCPU`), those of `check machine` by
    code (`MA4503`) or by the name of the matching kubeadm check; `all` must be the only item."""

    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When kubeadm pulls the control plane's images. Default `IfNotPresent`."""

    image_pull_serial: bool | None = None
    """kubeadm pulls one image at a time. Default true. Kubernetes 1.31 or later."""

    extra_args: Arguments = ()
    """Arguments of the kubelet; they override its configuration. Many are deprecated: prefer
    `kubelet`."""
