"""What the CustomResourceDefinitions say in addition to the types themselves: names, labels, columns, rules over fields.

The one readable place for these settings. Read by the generator alone; nothing that the agent imports imports this.
"""

from typing import Final

from msgspec import Struct

from machineadm.api.infrastructure.v1alpha1 import aws, gcs, http
from machineadm.api.meta import ApiStruct, HandlerRef, KeyReference, ProviderRef
from machineadm.api.scheme import GROUP
from machineadm.api.v1alpha1 import (
    agent_configuration,
    encrypted_data,
    machine,
    machine_bootstrap,
    plugins,
    reference,
    status,
)

INFRASTRUCTURE_GROUP: Final = "infrastructure.cluster.x-k8s.io"


MOST_OF_A_DESCRIPTION: Final = 72
"""Characters of a description in the definitions of our largest kinds: `kubectl apply` keeps 256 KiB of an object. The reference, `explain`
and the JSON Schemas have the whole."""


class Column(Struct, frozen=True, kw_only=True):
    """A column of `kubectl get`."""

    name: str
    """Its heading."""

    path: str
    """What it shows: a simple JSONPath, `.status.report.phase`."""

    type: str = "string"
    """`string`, `integer`, `number`, `boolean` or `date`."""

    description: str = ""
    """What it means; empty for none."""

    wide: bool = False
    """Shown with `-o wide` only."""


class Version(Struct, frozen=True, kw_only=True):
    """One version of a resource."""

    name: str
    """`v1alpha1`."""

    type: type[ApiStruct]
    """The type of its documents."""

    served: bool = True
    """The API server serves it."""

    storage: bool = True
    """Objects are stored in it; exactly one version is."""

    deprecated: bool = False
    """Users of it are warned."""

    deprecation_warning: str = ""
    """The words of the warning. Empty: the server's own."""


class Resource(Struct, frozen=True, kw_only=True):
    """A kind that the API server keeps."""

    group: str
    """API group."""

    plural: str
    """Plural name, as Cluster API forms it."""

    short_names: tuple[str, ...] = ()
    """Short names for kubectl."""

    categories: tuple[str, ...] = ("cluster-api",)
    """Groups of kinds that kubectl lists together."""

    labels: dict[str, str]
    """Labels of the definition: the contract that it keeps, and its provider."""

    columns: tuple[Column, ...] = ()
    """Columns of `kubectl get`."""

    status: bool = True
    """`status` is a subresource."""

    defaults: bool
    """The API server fills in defaults. Never for what a template carries: a defaulted template rolls machines."""

    descriptions: int | None = None
    """Longest description of a field, in characters; longer ones end with a sentence before. None: no limit."""

    undescribed: tuple[type[ApiStruct], ...] = ()
    """Types whose fields go without a description: they occur in a hundred places, and their names explain them."""

    versions: tuple[Version, ...]
    """Its versions."""


class Rule(Struct, frozen=True, kw_only=True):
    """A rule over the fields of a type, in the Common Expression Language."""

    expression: str
    """What must be true of `self`."""

    message: str
    """The message if it is not; one line."""

    reason: str = "FieldValueInvalid"
    """`FieldValueInvalid`, `FieldValueForbidden`, `FieldValueRequired` or `FieldValueDuplicate`."""

    field: str = ""
    """The field that is to blame, by its JSON name; empty: the object itself."""


RULES: Final[dict[type[ApiStruct], tuple[Rule, ...]]] = {
    machine_bootstrap.MachineBootstrapSpec: (
        Rule(
            expression="!has(self.ignitionVersion) || has(self.format) && self.format == 'ignition'",
            message="ignitionVersion goes with format ignition only",
            reason="FieldValueForbidden",
            field="ignitionVersion",
        ),
        Rule(
            expression="!has(self.dataSizeLimitOf) || has(self.dataSizeLimit)",
            message="dataSizeLimitOf goes with dataSizeLimit only",
            reason="FieldValueForbidden",
            field="dataSizeLimitOf",
        ),
    ),
    encrypted_data.EncryptedDataSpec: (
        Rule(
            expression="!has(self.mac) || !has(self.cipherAlgorithm) || self.cipherAlgorithm != 'aes-256-gcm'",
            message="mac goes with aes-256-cbc only: aes-256-gcm has its own integrity",
            reason="FieldValueForbidden",
            field="mac",
        ),
    ),
    aws.AwsCredentials: (
        Rule(
            expression="!has(self.externalID) || has(self.roleARN)",
            message="externalID goes with roleARN only",
            reason="FieldValueForbidden",
            field="externalID",
        ),
    ),
    aws.S3Encryption: (
        Rule(
            expression="!has(self.kmsKeyID) || has(self.algorithm) && self.algorithm == 'aws:kms'",
            message="kmsKeyID goes with algorithm aws:kms only",
            reason="FieldValueForbidden",
            field="kmsKeyID",
        ),
    ),
}
"""Rules over the fields of one object, in addition to what its fields and its `one_of` say."""


_CONTRACT: Final = {"cluster.x-k8s.io/v1beta2": "v1alpha1"}
_BOOTSTRAP: Final = {**_CONTRACT, "cluster.x-k8s.io/provider": "bootstrap-machineadm"}
_STORE: Final = {
    **_CONTRACT,
    "cluster.x-k8s.io/provider": "infrastructure-machineadm",
    # No Cluster owns a store: without it `clusterctl move` would leave it behind, and what belongs to it.
    "clusterctl.cluster.x-k8s.io/move-hierarchy": "",
}

_AGE: Final = Column(
    name="Age",
    type="date",
    path=".metadata.creationTimestamp",
    description="Age",
)
_CLUSTER: Final = Column(
    name="Cluster",
    path=r".metadata.labels['cluster\.x-k8s\.io/cluster-name']",
    description="Cluster that it belongs to",
)
_READY: Final = Column(
    name="Ready",
    path=".status.conditions[?(@.type=='Ready')].status",
    description="The store is usable",
)


def _store(type_: type[ApiStruct], plural: str, short: str, *columns: Column) -> Resource:
    return Resource(
        group=INFRASTRUCTURE_GROUP,
        plural=plural,
        short_names=(short,),
        labels=_STORE,
        columns=(*columns, _READY, _AGE),
        defaults=True,
        versions=(Version(name="v1alpha1", type=type_),),
    )


RESOURCES: Final[tuple[Resource, ...]] = (
    Resource(
        group=GROUP,
        plural="machinebootstraps",
        short_names=("mb",),
        labels=_BOOTSTRAP,
        columns=(
            _CLUSTER,
            Column(
                name="Data secret created",
                type="boolean",
                path=".status.initialization.dataSecretCreated",
                description="The bootstrap data Secret exists",
            ),
            Column(
                name="Phase",
                path=".status.report.phase",
                description="Phase that the machine reports",
            ),
            Column(
                name="Code",
                path=".status.report.code",
                description="Code of the machine's error: machineadm explain CODE",
            ),
            _AGE,
            Column(
                name="Step",
                path=".status.report.step",
                description="The step that is running, or that failed",
                wide=True,
            ),
        ),
        defaults=False,
        descriptions=MOST_OF_A_DESCRIPTION,
        undescribed=(KeyReference, ProviderRef, HandlerRef),
        versions=(Version(name="v1alpha1", type=machine_bootstrap.MachineBootstrap),),
    ),
    Resource(
        group=GROUP,
        plural="machinebootstraptemplates",
        short_names=("mbt",),
        labels=_BOOTSTRAP,
        columns=(_AGE,),
        status=False,
        defaults=False,
        descriptions=MOST_OF_A_DESCRIPTION,
        undescribed=(KeyReference, ProviderRef, HandlerRef),
        versions=(Version(name="v1alpha1", type=machine_bootstrap.MachineBootstrapTemplate),),
    ),
    Resource(
        group=GROUP,
        plural="encrypteddata",
        labels=_BOOTSTRAP,
        columns=(
            Column(
                name="Provider",
                path=".spec.provider",
                description="Plugin that knows the passphrase",
            ),
            Column(name="Cipher", path=".spec.cipherAlgorithm", description="Cipher"),
            _AGE,
        ),
        status=False,
        defaults=True,
        versions=(Version(name="v1alpha1", type=encrypted_data.EncryptedData),),
    ),
    _store(
        aws.S3BootstrapStore,
        "s3bootstrapstores",
        "s3bs",
        Column(name="Bucket", path=".spec.bucket", description="The bucket"),
        Column(name="Region", path=".spec.region", description="Its region"),
    ),
    _store(
        gcs.GCSBootstrapStore,
        "gcsbootstrapstores",
        "gcsbs",
        Column(name="Bucket", path=".spec.bucket", description="The bucket"),
    ),
    _store(
        aws.SecretsManagerBootstrapStore,
        "secretsmanagerbootstrapstores",
        "smbs",
        Column(name="Prefix", path=".spec.namePrefix", description="First part of the names"),
        Column(name="Region", path=".spec.region", description="The region"),
    ),
    _store(
        http.HTTPBootstrapStore,
        "httpbootstrapstores",
        "httpbs",
        Column(name="URL", path=".spec.url", description="Where configurations are stored"),
    ),
)
"""All kinds of the management cluster."""

DOCUMENTS: Final[tuple[type[ApiStruct], ...]] = (
    machine.MachineConfiguration,
    encrypted_data.EncryptedData,
    reference.ConfigurationReference,
    plugins.PluginConfiguration,
    agent_configuration.AgentConfiguration,
    status.BootstrapStatus,
)
"""Kinds that are used on a machine; these have a JSON Schema."""
