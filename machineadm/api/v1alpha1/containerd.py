"""The container runtime. Only containerd is supported."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    AuthSource,
    LabelName,
    Line,
    MachinePath,
    OneOf,
    Pem,
    PemSecret,
    ShortSecret,
    Url,
    ValueSource,
    at_most_one,
)
from machineadm.api.v1alpha1.images import ImageReference
from machineadm.api.v1alpha1.proxy import ProxySettings

OptionValue = Annotated[
    str | int | bool, Meta(extra_json_schema={"x-kubernetes-preserve-unknown-fields": True})
]
"""The value of a shim's option; the API server lets any value pass, the agent only these."""


class RegistryMirror(ApiStruct, frozen=True, kw_only=True):
    """A host that is asked instead of a registry."""

    url: Url
    """Its address: `https://mirror.example.com`."""

    capabilities: Annotated[
        tuple[Literal["pull", "resolve", "push"], ...],
        Meta(min_length=1, max_length=3, extra={"unique": ""}),
    ] = ("pull", "resolve")
    """What it is trusted with. Default `pull` and `resolve`."""

    override_path: bool = False
    """The path of `url` is the whole root of the API: `/v2` is not appended. Default false."""


class RegistryTls(ApiStruct, frozen=True, kw_only=True):
    """TLS for a registry."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("ca", "caFrom"),
        at_most_one("cert", "certFrom"),
        at_most_one("key", "keyFrom"),
    )

    ca: Pem | None = None
    """Certificates that are trusted in addition to the host's; this or `caFrom`."""

    ca_from: ValueSource | None = None
    """Where these come from."""

    cert: Pem | None = None
    """Client certificate; this or `certFrom`."""

    cert_from: ValueSource | None = None
    """Where it comes from."""

    key: PemSecret | None = None
    """Private key of the client certificate; this or `keyFrom`."""

    key_from: ValueSource | None = None
    """Where it comes from."""

    insecure_skip_verify: bool = False
    """Do not verify the registry's certificate: an attacker on the network can change images
    that are not pinned by digest. Default false."""


class RegistryAuth(ApiStruct, frozen=True, kw_only=True):
    """Login at a registry: user name and password, a token, or a credential handler."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("username", "usernameFrom"),
        at_most_one("password", "passwordFrom"),
    )

    username: Line | None = None
    """User name; this or `usernameFrom`."""

    username_from: ValueSource | None = None
    """Where it comes from."""

    password: ShortSecret | None = None
    """Password or token; this or `passwordFrom`."""

    password_from: ValueSource | None = None
    """Where it comes from."""

    auth_from: AuthSource | None = None
    """A plugin whose token is the header `Authorization`, or with `username` its password, for a
    registry that takes it without asking a token service."""

    handler: LabelName | None = None
    """A kubelet credential provider instead of name and password."""


class Registry(ApiStruct, frozen=True, kw_only=True):
    """A registry, and how it is reached."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            extra={"oneLine": True, "pattern": "^(_default|[A-Za-z0-9._:-]+)$"},
        ),
    ]
    """Host as in image references, with its port if it has one; `_default` for all others."""

    mirrors: Annotated[
        tuple[RegistryMirror, ...], Meta(max_length=16, extra={"unique": "url"})
    ] = ()
    """Mirrors, in the order in which they are asked."""

    tls: RegistryTls | None = None
    """TLS. Absent: the host's trust store."""

    auth: RegistryAuth | None = None
    """Login. Absent: none."""


class ContainerdRuntime(ApiStruct, frozen=True, kw_only=True):
    """A runtime handler."""

    type: Annotated[
        str,
        Meta(
            min_length=1, max_length=128, extra={"oneLine": True, "pattern": r"^[A-Za-z0-9._/-]+$"}
        ),
    ] = "io.containerd.runc.v2"
    """Shim that runs containers. Default `io.containerd.runc.v2`."""

    options: Annotated[dict[Line, OptionValue], Meta(max_length=50)] = {}
    """Options of the shim, `BinaryName` for example."""

    default: bool = False
    """The default handler; at most one. Default false: `runc` is."""


class Containerd(ApiStruct, frozen=True, kw_only=True):
    """Settings of containerd, written as configuration version 2 for 1.x and version 3 for 2.x."""

    version: (
        Annotated[
            str,
            Meta(
                min_length=5,
                max_length=64,
                extra={"oneLine": True, "pattern": r"^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$"},
            ),
        ]
        | None
    ) = None
    """The version that must be installed; machineadm does not install it. Default: any."""

    root: MachinePath | None = None
    """Where images and containers are kept. Default `/var/lib/containerd`."""

    state: MachinePath | None = None
    """Where running state is kept. Default `/run/containerd`."""

    cgroup_driver: Literal["systemd", "cgroupfs"] | None = None
    """Cgroup driver, the same as the kubelet's. Default `systemd`."""

    sandbox_image: ImageReference | None = None
    """Image of the pause container. Default: the one kubeadm uses."""

    snapshotter: LabelName | None = None
    """Snapshotter. Default `overlayfs`."""

    runtimes: Annotated[dict[LabelName, ContainerdRuntime], Meta(max_length=20)] = {}
    """Runtime handlers by name."""

    registries: Annotated[tuple[Registry, ...], Meta(max_length=100, extra={"unique": "host"})] = ()
    """Registries, written to /etc/containerd/certs.d/<host>/hosts.toml."""

    proxy: ProxySettings | None = None
    """Proxy of containerd. Default: that of `systemProxies` for `containerRuntime`."""

    cdi: bool | None = None
    """Container Device Interface. Default: on with containerd 2.x, off with 1.x."""

    max_concurrent_downloads: Annotated[int, Meta(ge=1, le=100)] | None = None
    """How many layers of an image are downloaded at once. Default 3."""

    extra_config: Annotated[str, Meta(min_length=1, max_length=65536)] | None = None
    """More TOML, checked, and merged table by table over the result of the fields above."""


class ContainerRuntime(ApiStruct, frozen=True, kw_only=True):
    """The container runtime of the machine."""

    containerd: Containerd | None = None
    """containerd's settings. Absent: left as it is."""

    socket: Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)] | None = None
    """The runtime's socket. Default `unix:///run/containerd/containerd.sock`."""
