"""What is the same on all machines of a cluster."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    Cidr,
    Duration,
    Endpoint,
    KeyReference,
    KubernetesObject,
    Line,
    ObjectName,
    OneOf,
    Quantity,
    Url,
    ValueSecret,
    ValueSource,
    at_most_one,
    exactly_one,
)

SubjectNames = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=253,
                extra={"oneLine": True, "pattern": r"^(\*\.)?[A-Za-z0-9:._-]+$"},
            ),
        ],
        ...,
    ],
    Meta(max_length=100, extra={"unique": ""}),
]
"""Additional subject alternative names of a certificate: DNS names, also with a leading `*.`, or addresses."""

Repository = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": (
                r"^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
                r"(:[0-9]{1,5})?(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)*$"
            ),
            "expected": "a registry with or without a path, such as registry.k8s.io/coredns",
        },
    ),
]
"""A registry and a path in it: `registry.example.com:5000/kubernetes`."""


class Argument(ApiStruct, frozen=True, kw_only=True):
    """One command-line argument of a component; exactly one of `value` and `valueFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("value", "valueFrom"),)

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=256,
            extra={"oneLine": True, "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"},
        ),
    ]
    """Its name without leading dashes: `feature-gates`."""

    value: Annotated[str, Meta(max_length=1024, extra=ONE_LINE)] | None = None
    """Its value, always a string; may be empty."""

    value_from: ValueSource | None = None
    """Where its value comes from."""


Arguments = Annotated[tuple[Argument, ...], Meta(max_length=100)]
"""Arguments, in order. From Kubernetes 1.31 on, a name may occur twice."""


class FieldReference(ApiStruct, frozen=True, kw_only=True):
    """A field of the pod (Kubernetes' ObjectFieldSelector)."""

    api_version: Line | None = None
    """Version of the pod's schema. Default `v1`."""

    field_path: Line
    """The field: `status.podIP`."""


class ResourceReference(ApiStruct, frozen=True, kw_only=True):
    """A resource limit or request of a container (Kubernetes' ResourceFieldSelector)."""

    container_name: Line | None = None
    """The container. Default: this one."""

    resource: Line
    """The resource: `limits.cpu`."""

    divisor: Quantity | None = None
    """Unit of the result. Default `1`."""


class OptionalKeyReference(KeyReference, frozen=True, kw_only=True):
    """A key of a Secret or a ConfigMap that may be missing."""

    optional: bool = False
    """The variable is left out when the key is missing. Default false."""


class FileKeyReference(ApiStruct, frozen=True, kw_only=True):
    """A key of a file in a volume (Kubernetes' FileKeySelector, 1.34)."""

    volume_name: Line
    """Volume that holds the file."""

    path: Line
    """The file's path in the volume."""

    key: Line
    """The key in the file."""

    optional: bool = False
    """The variable is left out when the key is missing. Default false."""


class ContainerVariableSource(ApiStruct, frozen=True, kw_only=True):
    """Where a container's variable comes from; exactly one (Kubernetes' EnvVarSource)."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one(
            "fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"
        ),
    )

    field_ref: FieldReference | None = None
    """A field of the pod."""

    resource_field_ref: ResourceReference | None = None
    """A resource limit or request."""

    config_map_key_ref: OptionalKeyReference | None = None
    """A key of a ConfigMap. The kubelet refuses it in a static pod, and control plane components are static pods."""

    secret_key_ref: OptionalKeyReference | None = None
    """A key of a Secret. The kubelet refuses it in a static pod, and control plane components are static pods."""

    file_key_ref: FileKeyReference | None = None
    """A key of a file in a volume; Kubernetes 1.34 with its feature gate."""


class ContainerVariable(ApiStruct, frozen=True, kw_only=True):
    """An environment variable of a component's container (Kubernetes' EnvVar)."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("value", "valueFrom"),)

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=256,
            extra={
                "oneLine": True,
                "pattern": "^[ -<>-~]+$",
                "expected": "printable ASCII without `=`",
            },
        ),
    ]
    """Its name: printable ASCII except `=`. Before Kubernetes 1.35 a kubelet accepts only
    letters, digits, `_`, `-` and `.` in a static pod, and no digit or `..` at the beginning."""

    value: ValueSecret | None = None
    """Its value; secret, because it may contain a proxy's password. `$(NAME)` is expanded by the kubelet."""

    value_from: ContainerVariableSource | None = None
    """Where its value comes from in the cluster; not together with `value`."""


ContainerVariables = Annotated[tuple[ContainerVariable, ...], Meta(max_length=100)]
"""Environment variables of a container. If a name occurs twice, the last one counts."""


class ImageSource(ApiStruct, frozen=True, kw_only=True):
    """Where a component's image comes from."""

    repository: Repository | None = None
    """Registry and path. Default: the cluster's `imageRepository`."""

    tag: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                extra={"oneLine": True, "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]*$"},
            ),
        ]
        | None
    ) = None
    """Tag. Default: the one for the version of Kubernetes."""


class ClusterNetwork(ApiStruct, frozen=True, kw_only=True):
    """The address ranges and the domain of the cluster."""

    pod_cidrs: Annotated[tuple[Cidr, ...], Meta(max_length=2, extra={"unique": ""})] = field(
        default=(), name="podCIDRs"
    )
    """Addresses of pods: one range, or one each of IPv4 and IPv6. Default: up to the network plugin."""

    service_cidrs: Annotated[tuple[Cidr, ...], Meta(max_length=2, extra={"unique": ""})] = field(
        default=(), name="serviceCIDRs"
    )
    """Addresses of services: one range, or one each of IPv4 and IPv6. Default `10.96.0.0/12`."""

    dns_domain: ObjectName | None = None
    """Domain of services. Default `cluster.local`."""


class ClusterCertificates(ApiStruct, frozen=True, kw_only=True):
    """How the cluster's certificates are made and where they are."""

    directory: AbsolutePath | None = None
    """Directory of the certificates. Default `/etc/kubernetes/pki`."""

    key_algorithm: (
        Literal["RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384"] | None
    ) = None
    """Type of the keys that kubeadm creates, and of the authorities that the manager creates. Default
    `RSA-2048`. Kubernetes 1.31 or later; `ECDSA-P384`: 1.34 or later."""

    validity: Duration | None = None
    """How long certificates are valid, at most 1095 days. Default `8760h` (a year). Kubernetes 1.31 or
    later."""

    ca_validity: Duration | None = None
    """How long certificate authorities are valid, at most 36500 days. Default `87600h` (ten years).
    Kubernetes 1.31 or later."""


class Dns(ApiStruct, frozen=True, kw_only=True):
    """The cluster's DNS, CoreDNS."""

    disabled: bool = False
    """Do not install it. Default false. Kubernetes 1.31 or later."""

    image: ImageSource | None = None
    """Where its image comes from."""


class ProxyAddon(ApiStruct, frozen=True, kw_only=True):
    """The cluster's service proxy, kube-proxy."""

    disabled: bool = False
    """Do not install it, because the network plugin replaces it. Default false. Kubernetes 1.31 or later."""

    mode: Literal["iptables", "ipvs", "nftables", "kernelspace"] | None = None
    """Its mode. Default `iptables`, on Windows `kernelspace`. `nftables`: Kubernetes 1.31 or later
    without a feature gate."""

    config: KubernetesObject | None = None
    """More fields of KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), passed through."""


class LocalEtcd(ApiStruct, frozen=True, kw_only=True):
    """etcd on the control plane machines, as static pods."""

    data_dir: AbsolutePath | None = None
    """Directory of its data. Default `/var/lib/etcd`."""

    image: ImageSource | None = None
    """Where its image comes from."""

    extra_args: Arguments = ()
    """Additional arguments."""

    extra_env: ContainerVariables = ()
    """Environment variables. Kubernetes 1.31 or later."""

    server_cert_sans: SubjectNames = field(default=(), name="serverCertSANs")
    """Additional names in its server certificate."""

    peer_cert_sans: SubjectNames = field(default=(), name="peerCertSANs")
    """Additional names in its peer certificate."""


class ExternalEtcd(ApiStruct, frozen=True, kw_only=True):
    """etcd on other machines."""

    endpoints: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=50, extra={"unique": ""})]
    """Addresses of its members: `https://etcd-0.example.com:2379`."""

    http_endpoints: Annotated[tuple[Url, ...], Meta(max_length=50, extra={"unique": ""})] = ()
    """Addresses at which its members answer HTTP (health, metrics), if they differ from `endpoints`.
    Default: `endpoints`. Kubernetes 1.35 or later."""

    ca_file: AbsolutePath | None = None
    """Certificate of its CA, on the machine. The file comes with the image, from `files`, or from
    `controlPlane.certificates.etcdCA`. Set all three with https, none with http."""

    cert_file: AbsolutePath | None = None
    """Client certificate of the API server; or from `controlPlane.certificates.apiserverEtcdClient`."""

    key_file: AbsolutePath | None = None
    """Private key of the client certificate."""


class EtcdConfig(ApiStruct, frozen=True, kw_only=True):
    """The cluster's etcd; exactly one of `local` and `external`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("local", "external"),)

    local: LocalEtcd | None = None
    """On the control plane machines."""

    external: ExternalEtcd | None = None
    """On other machines."""


class ClusterConfig(ApiStruct, frozen=True, kw_only=True):
    """What is the same on all machines of a cluster.

    kubeadm keeps it in the cluster, so a joining machine needs little of it; anything given must agree with
    the cluster, and is not written again.
    """

    name: Line | None = None
    """Name of the cluster. Default `kubernetes`."""

    control_plane_endpoint: Endpoint | None = None
    """Stable address of the API server, `host:port`: a load balancer or a DNS name. Cannot be added
    later. Default: the address of the first control plane machine."""

    network: ClusterNetwork | None = None
    """Address ranges and domain."""

    image_repository: Repository | None = None
    """Registry and path of the control plane's images. Default `registry.k8s.io`."""

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
        Meta(max_length=100),
    ] = {}
    """Feature gates of kubeadm, not of the components."""

    certificates: ClusterCertificates | None = None
    """How certificates are made and where they are."""

    dns: Dns | None = None
    """CoreDNS."""

    proxy_addon: ProxyAddon | None = None
    """kube-proxy."""

    etcd: EtcdConfig | None = None
    """etcd. Absent: on the control plane machines, as kubeadm sets it up."""

    kubelet: KubernetesObject | None = None
    """KubeletConfiguration (kubelet.config.k8s.io/v1beta1) that every node inherits, passed
    through. Only with role Initialize; settings for one node go into `node.kubelet`."""
