"""Plugins of a machine: which there are, where they come from, and what they may ask of their host."""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    LabelName,
    Line,
    ObjectMeta,
    OneOf,
    Quantity,
    Sha256,
    ShortSecret,
    VariableName,
    at_most_one,
)

PluginKind = Literal[
    "encryption-provider", "infrastructure", "attestation", "provider", "auth-handler"
]
"""What a plugin does."""

PluginDigest = Annotated[
    str,
    Meta(
        min_length=71,
        max_length=71,
        extra={
            "oneLine": True,
            "pattern": "^sha256:[0-9a-f]{64}$",
            "expected": "sha256: and 64 digits",
        },
    ),
]
"""`sha256:` and 64 hexadecimal digits."""

CatalogAddress = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": "^(oci://|oci[+]http://|file:///|/).+$",
            "expected": "oci://HOST/PREFIX or an absolute path",
        },
    ),
]
"""Where plugins are published."""

AnyObject = Annotated[
    dict[str, Any], Meta(max_length=1000, extra_json_schema={"x-kubernetes-validations": []})
]
"""An object of any JSON, at most 1000 keys."""

Words = Annotated[
    tuple[Annotated[str, Meta(max_length=4096)], ...],
    Meta(max_length=256),
]
"""A program, or its arguments."""


class PluginContainer(ApiStruct, frozen=True, kw_only=True):
    """A container that a plugin runs in, by the Docker Engine API, which podman serves, too; containerd alone does not."""

    image: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            extra={"oneLine": True, "pattern": "^[^:]+$", "expected": "an image without a tag"},
        ),
    ]
    """The image without a tag. Nothing is pulled: the engine must have it."""

    tag: Annotated[str, Meta(min_length=1, max_length=128, extra=ONE_LINE)] | None = None
    """Its tag."""

    sha256: Sha256 | None = None
    """Its id (`podman image inspect --format '{{.Id}}'`), which it must have before it is started. Absent: it runs with --allow-unverified-plugins alone."""

    entrypoint: Words = ()
    """The program instead of the image's own."""

    args: Words = ()
    """Its arguments."""

    env: Annotated[dict[VariableName, ShortSecret], Meta(max_length=100)] = {}
    """Environment variables: never shown, but whoever may use the engine sees them. What tells a plugin of its host cannot be set."""

    disable_network: bool = False
    """Run it without a network. Default false."""

    labels: Annotated[dict[Line, Annotated[str, Meta(max_length=4096)]], Meta(max_length=100)] = {}
    """Labels of the container."""

    group: Annotated[int, Meta(ge=0, le=4294967294)] | None = None
    """Id of the group of its process and its sockets, for an image that does not run as root."""

    runtime: Line | None = None
    """The OCI runtime, such as `runsc`. Default: the engine's."""

    cgroup_parent: Line | None = None
    """The parent of its control group."""

    cpus: Quantity | None = None
    """Processors that it may use, `500m`."""

    memory: Quantity | None = None
    """Memory that it may use, `128Mi`."""

    endpoints: Annotated[dict[Line, AnyObject], Meta(max_length=20)] = {}
    """Settings of its networks by their names, in the form of the engine's API."""

    debug: bool = False
    """Keep the container after a failure, until a plugin of this name is started again. Default false."""


class PluginHostService(ApiStruct, frozen=True, kw_only=True):
    """What a plugin may ask of its host; everything else is denied."""

    secret_prefix: Annotated[str, Meta(max_length=256, extra=ONE_LINE)] = ""
    """It may store and read secrets whose names begin with this. Empty: none."""

    auth_handlers: Annotated[tuple[LabelName, ...], Meta(max_length=20, extra={"unique": ""})] = ()
    """Handlers whose tokens it may ask for. Empty: none."""


class PluginEntry(ApiStruct, frozen=True, kw_only=True):
    """One plugin. Without `path` or `catalog` it is looked up by kind and name among the installed plugins."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("path", "catalog", "container"),)

    name: LabelName
    """Name by which the configuration refers to it. No two plugins have the same kind and name."""

    kind: PluginKind
    """What it does."""

    version: Line | None = None
    """Which releases are acceptable: `^1.5.0`; together with `catalog`."""

    digest: PluginDigest | None = None
    """SHA-256 of the executable. Absent: a file PATH_SHA256SUM must be beside it; with `catalog`, /etc/machineadm/plugins.lock must have it."""

    path: AbsolutePath | None = None
    """Its executable: owned by root and writable by root alone, as are its directories."""

    catalog: CatalogAddress | None = None
    """Where it is published: `oci://HOST/PREFIX`, or the absolute path of an OCI layout or a directory. It is fetched into the machine's cache before anything is touched."""

    container: PluginContainer | None = None
    """The container that it runs in."""

    settings: AnyObject = {}
    """Any object; the plugin gets it before its first call."""

    secret_settings: Annotated[dict[Line, ShortSecret], Meta(max_length=100)] = {}
    """Settings that are secret, by name: never shown. A name is either here or in `settings`."""

    host_service: PluginHostService = PluginHostService()
    """What it may ask of its host. Default: nothing."""


class PluginConfigurationSpec(ApiStruct, frozen=True, kw_only=True):
    """The plugins."""

    catalogs: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)], ...],
        Meta(max_length=20),
    ] = ()
    """Where `machineadm plugin install` looks, in order, if the command line names none: `oci://HOST/PREFIX`, or a directory."""

    plugins: Annotated[tuple[PluginEntry, ...], Meta(max_length=100)] = ()
    """No two have the same kind and name. At most 100."""


class PluginConfiguration(ApiStruct, frozen=True, kw_only=True):
    """Plugins of a machine, part of its image: `/etc/machineadm/plugins.yaml`."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["PluginConfiguration"]
    """`PluginConfiguration`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: PluginConfigurationSpec
    """The plugins."""
