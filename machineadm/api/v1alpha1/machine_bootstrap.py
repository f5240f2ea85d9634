"""MachineBootstrap and its template: what lives in the management cluster.

The agent never decodes these kinds and must not pay for them: nothing that it imports imports this module.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    Duration,
    KeyReference,
    LabelName,
    LabelValue,
    ObjectName,
    QualifiedName,
    Quantity,
    Timestamp,
)
from machineadm.api.v1alpha1.agent_source import AgentSource
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.status import Condition, Phase

ResourceMetadata = Annotated[dict[str, Any], Meta(max_length=100)]
"""Metadata as the API server keeps it; the server defines its fields."""

Generation = Annotated[int, Meta(ge=0, le=9223372036854775807)]
"""A generation of an object's spec."""

ByteCount = Annotated[int, Meta(ge=0, le=9223372036854775807)]
"""A size in bytes."""

Conditions = Annotated[tuple[Condition, ...], Meta(max_length=32, extra={"unique": "type"})]
"""Conditions, one of each type."""


class InfrastructureReference(ApiStruct, frozen=True, kw_only=True):
    """A store in the same namespace; it is read in the version that the API server prefers."""

    api_group: ObjectName
    """Its API group: `infrastructure.cluster.x-k8s.io`, or that of a provider of another."""

    kind: Annotated[
        str,
        Meta(
            min_length=1, max_length=63, extra={"oneLine": True, "pattern": "^[A-Z][A-Za-z0-9]*$"}
        ),
    ]
    """Its kind: `S3BootstrapStore`."""

    name: ObjectName
    """Its name."""


class PassphraseSource(ApiStruct, frozen=True, kw_only=True):
    """Where the manager gets a passphrase."""

    secret: KeyReference
    """A key of a Secret in the same namespace."""


class BootstrapEncryption(ApiStruct, frozen=True, kw_only=True):
    """How the realized documents are encrypted in transit."""

    provider: LabelName
    """Plugin that knows the passphrase on the machine, without its prefix
    `machineadm-plugin-encryption-provider-`."""

    passphrase_from: PassphraseSource
    """Where the manager gets the same passphrase."""

    cipher_algorithm: Literal["aes-256-cbc", "aes-256-gcm"] | None = None
    """Cipher. Default `aes-256-gcm`."""

    digest_algorithm: Literal["sha-512", "sha-256"] | None = None
    """Digest of the key derivation. Default `sha-512`."""

    iterations: Annotated[int, Meta(ge=10000, le=10000000)] | None = None
    """Iterations of the key derivation, 10000 to 10000000. Default 50000."""


class IgnitionOptions(ApiStruct, frozen=True, kw_only=True):
    """What user data for Ignition has beside the agent's own."""

    additional_config: Annotated[str, Meta(min_length=2, max_length=262144)] | None = None
    """A further Ignition configuration, as JSON, for what must happen before the system starts:
    of the version in `ignitionVersion` or an earlier one with the same first number. Merged into the
    rendered one; what both write is refused."""


class MachineBootstrapSpec(ApiStruct, frozen=True, kw_only=True):
    """The machine, its part in a cluster, and how the configuration reaches it."""

    machine: MachineConfig = MachineConfig()
    """The machine itself. Values may refer to Secrets and ConfigMaps in the same namespace."""

    kubernetes: KubernetesConfig | None = None
    """Its part in a cluster. The manager chooses `role` and fills in what the cluster knows."""

    infrastructure_ref: InfrastructureReference | None = None
    """Store that keeps the realised configuration until the machine has fetched it. Absent: that of the
    owner Machine's `spec.bootstrap.infrastructureRef`, else the configuration is in the user data."""

    encryption: BootstrapEncryption | None = None
    """Encrypt the realized documents as EncryptedData. Absent: no encryption."""

    agent: AgentSource | None = None
    """How the machine gets the agent. Absent: the image has it as `/usr/bin/machineadm`."""

    deadline: Duration | None = None
    """How long a run on the machine may take; then it stops and can be resumed. Every timeout in the configuration must
    be within it. Default `30m`."""

    format: Literal["cloud-config", "ignition"] | None = None
    """Format of the user data, as infrastructure providers call it. Default `cloud-config`."""

    ignition_version: Literal["2.3", "3.4"] | None = None
    """Version of the Ignition configuration; with format `ignition` only. Default `3.4`."""

    ignition: IgnitionOptions | None = None
    """Additions to the Ignition configuration; with format `ignition` only."""

    data_size_limit: Quantity | None = None
    """Largest user data that the infrastructure accepts: `16Ki`. Anything larger is refused before a machine is
    created, with the size of each part."""

    data_size_limit_of: Literal["Raw", "Compressed"] | None = None
    """What `dataSizeLimit` counts: the user data as it is, or compressed by gzip if the provider does that. Default `Raw`."""


class BootstrapInitialization(ApiStruct, frozen=True, kw_only=True):
    """What Cluster API waits for."""

    data_secret_created: bool | None = None
    """The bootstrap data Secret exists; once true, it stays so."""


class DataSize(ApiStruct, frozen=True, kw_only=True):
    """Size of the user data, in bytes."""

    raw: ByteCount
    """As rendered."""

    compressed: ByteCount | None = None
    """As stored, if it is compressed."""

    limit: ByteCount | None = None
    """The limit."""


class MachineReport(ApiStruct, frozen=True, kw_only=True):
    """The machine's own last report."""

    phase: Phase
    """The phase of the bootstrap."""

    step: Annotated[str, Meta(max_length=512, extra=ONE_LINE)] | None = None
    """The step that runs, or that failed."""

    code: (
        Annotated[str, Meta(max_length=6, extra={"oneLine": True, "pattern": "^(MA[0-9]{4})?$"})]
        | None
    ) = None
    """Stable code of the error; `machineadm explain CODE` says more."""

    message: Annotated[str, Meta(max_length=32768)] | None = None
    """What happened, for people, without any secret."""

    reported_at: Timestamp | None = None
    """When the machine sent it (RFC 3339)."""


class MachineBootstrapStatus(ApiStruct, frozen=True, kw_only=True):
    """What the manager has done, and what the machine reports."""

    initialization: BootstrapInitialization | None = None
    """What Cluster API waits for."""

    data_secret_name: ObjectName | None = None
    """Secret that holds the bootstrap data under `value`, and its kind under `format`."""

    data_size: DataSize | None = None
    """Size of the user data."""

    observed_generation: Generation | None = None
    """Generation of the spec that this describes."""

    conditions: Conditions = ()
    """`Ready`, `DataSecretAvailable`, `CertificatesAvailable`, `StoreSynced`, `BootstrapSucceeded`,
    `Paused`."""

    report: MachineReport | None = None
    """The machine's own last report."""


class MachineBootstrap(ApiStruct, frozen=True, kw_only=True):
    """How a machine is bootstrapped: written by a person, or cloned by Cluster API from a template."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["MachineBootstrap"]
    """`MachineBootstrap`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: MachineBootstrapSpec
    """The machine, its part in a cluster, and how the configuration reaches it."""

    status: MachineBootstrapStatus | None = None
    """What the manager has done, and what the machine reports. Written by the manager only."""


class TemplateMetadata(ApiStruct, frozen=True, kw_only=True):
    """Labels and annotations of objects made from a template."""

    labels: Annotated[dict[QualifiedName, LabelValue], Meta(max_length=100)] = {}
    """Labels, at most 100."""

    annotations: Annotated[
        dict[QualifiedName, Annotated[str, Meta(max_length=65536)]], Meta(max_length=100)
    ] = {}
    """Annotations, at most 100."""


class MachineBootstrapTemplateResource(ApiStruct, frozen=True, kw_only=True):
    """What is cloned."""

    metadata: TemplateMetadata | None = None
    """Labels and annotations of the clones."""

    spec: MachineBootstrapSpec
    """The spec of the clones. The server sets no defaults: a template must stay as it was written."""


class MachineBootstrapTemplateSpec(ApiStruct, frozen=True, kw_only=True):
    """The template."""

    template: MachineBootstrapTemplateResource
    """What is cloned."""


class MachineBootstrapTemplate(ApiStruct, frozen=True, kw_only=True):
    """What Cluster API clones a MachineBootstrap from, one for each machine."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["MachineBootstrapTemplate"]
    """`MachineBootstrapTemplate`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: MachineBootstrapTemplateSpec
    """The template."""
