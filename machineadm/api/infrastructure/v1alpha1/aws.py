"""Stores of AWS and of what speaks its protocols: S3 and Secrets Manager."""

from typing import Annotated, Literal

from msgspec import Meta, field

from machineadm.api.infrastructure.v1alpha1.store import (
    Prefix,
    Region,
    SecretReference,
    StoreFetch,
    StoreReporting,
    StoreRetention,
    StoreStatus,
    Tags,
)
from machineadm.api.meta import ApiStruct, Pem, ProviderRef, Url
from machineadm.api.v1alpha1.machine_bootstrap import ResourceMetadata

KmsKeyId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2048,
        extra={
            "oneLine": True,
            "pattern": "^[A-Za-z0-9:/_-]+$",
            "expected": "an id, an alias or an ARN such as alias/bootstrap",
        },
    ),
]
"""A key of AWS KMS: its id, its alias or its ARN."""

RoleArn = Annotated[
    str,
    Meta(
        min_length=20,
        max_length=2048,
        extra={
            "oneLine": True,
            "pattern": "^arn:[a-z0-9-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
            "expected": "the ARN of a role such as arn:aws:iam::123456789012:role/machineadm",
        },
    ),
]
"""The ARN of a role."""


class AwsCredentials(ApiStruct, frozen=True, kw_only=True):
    """The manager's identity at AWS. Absent fields: its own identity (a role of its pod or machine)."""

    secret: SecretReference | None = None
    """Secret with the keys `accessKeyID`, `secretAccessKey` and, if there is one, `sessionToken`."""

    role_arn: RoleArn | None = field(default=None, name="roleARN")
    """Role to assume with these."""

    external_id: (
        Annotated[
            str,
            Meta(
                min_length=2,
                max_length=1224,
                extra={"oneLine": True, "pattern": "^[A-Za-z0-9+=,.@:/_-]+$"},
            ),
        ]
        | None
    ) = field(default=None, name="externalID")
    """External id that the role asks for; only with `roleARN`."""


class S3Encryption(ApiStruct, frozen=True, kw_only=True):
    """Encryption at rest by the store, beside that of the documents themselves."""

    algorithm: Literal["AES256", "aws:kms"] = "AES256"
    """Who keeps the key: the store (`AES256`) or KMS (`aws:kms`). Default `AES256`."""

    kms_key_id: KmsKeyId | None = field(default=None, name="kmsKeyID")
    """Key of KMS; only with `aws:kms`. Default: the account's own key for S3."""


class S3BootstrapStoreSpec(ApiStruct, frozen=True, kw_only=True):
    """A bucket, and how it is used."""

    bucket: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=63,
            extra={
                "oneLine": True,
                "pattern": "^[a-z0-9][a-z0-9.-]*[a-z0-9]$",
                "expected": "the name of a bucket such as my-bootstrap-data",
                "immutable": True,
            },
        ),
    ]
    """Name of the bucket. It cannot be changed: what is in the old one would be lost."""

    prefix: Annotated[Prefix, Meta(extra={"immutable": True})] | None = None
    """First part of the objects' names. Default: none. It cannot be changed."""

    region: Region | None = None
    """Region of the bucket. Default: from the manager's environment."""

    endpoint: Url | None = None
    """Address of a store that speaks S3's protocol: `https://minio.example.com:9000`. Default: AWS."""

    force_path_style: bool = False
    """Put the bucket into the path instead of the host name, as many other stores require. Default false."""

    ca_bundle: Pem | None = None
    """Certificate authorities of the endpoint in PEM, for the manager and for machines. Default: the host's
    trust store."""

    credentials: AwsCredentials | None = None
    """The manager's identity. Absent: its own."""

    encryption: S3Encryption | None = None
    """Encryption at rest by the store. Absent: the bucket's own setting."""

    tags: Tags = {}
    """Tags of every object, at most 50."""

    fetch: StoreFetch | None = None
    """How the machine fetches its configuration. Absent: with a signed URL that is valid for an hour."""

    reporting: StoreReporting | None = None
    """How the machine reports. Absent: it does not; only its node shows success."""

    retention: StoreRetention = StoreRetention()
    """How long configurations are kept. Default: for an hour after the machine has joined."""


class S3BootstrapStore(ApiStruct, frozen=True, kw_only=True):
    """Keeps realised configurations in a bucket of S3, or of a store that speaks its protocol."""

    api_version: Literal["infrastructure.cluster.x-k8s.io/v1alpha1"]
    """`infrastructure.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["S3BootstrapStore"]
    """`S3BootstrapStore`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: S3BootstrapStoreSpec
    """The bucket, and how it is used."""

    status: StoreStatus | None = None
    """What the manager knows about the store. Written by the manager only."""


class PluginAccess(ApiStruct, frozen=True, kw_only=True):
    """Access through a plugin on the machine, with the machine's own identity."""

    plugin: ProviderRef
    """The plugin and its inputs."""


class SecretsManagerBootstrapStoreSpec(ApiStruct, frozen=True, kw_only=True):
    """Where the secrets are created, and how they are used."""

    name_prefix: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=256,
            extra={
                "oneLine": True,
                "pattern": "^[A-Za-z0-9/_+=.@-]+$",
                "expected": "a prefix such as machineadm/production/",
                "immutable": True,
            },
        ),
    ]
    """First part of the secrets' names; the machine's policy can be limited to it. It cannot be changed."""

    region: Region
    """Region of the secrets."""

    endpoint: Url | None = None
    """Address of the service, for a private endpoint. Default: AWS' own for the region."""

    ca_bundle: Pem | None = None
    """Certificate authorities of the endpoint in PEM. Default: the host's trust store."""

    credentials: AwsCredentials | None = None
    """The manager's identity. Absent: its own."""

    kms_key_id: KmsKeyId | None = field(default=None, name="kmsKeyID")
    """Key of KMS that encrypts the secrets. Default: the account's own key for Secrets Manager."""

    tags: Tags = {}
    """Tags of every secret, at most 50."""

    fetch: PluginAccess
    """How the machine fetches its configuration: with a plugin, because this service signs no URLs. A
    configuration of more than 64 KiB is in several secrets, which the plugin joins."""

    reporting: PluginAccess | None = None
    """How the machine reports. Absent: it does not; only its node shows success."""

    retention: StoreRetention = StoreRetention()
    """How long configurations are kept. Default: for an hour after the machine has joined."""

    recovery_window_days: Annotated[int, Meta(ge=7, le=30)] | None = None
    """Days for which a removed secret can still be restored. Absent: it is removed at once."""


class SecretsManagerBootstrapStore(ApiStruct, frozen=True, kw_only=True):
    """Keeps realised configurations as secrets of AWS Secrets Manager."""

    api_version: Literal["infrastructure.cluster.x-k8s.io/v1alpha1"]
    """`infrastructure.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["SecretsManagerBootstrapStore"]
    """`SecretsManagerBootstrapStore`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: SecretsManagerBootstrapStoreSpec
    """Where the secrets are created, and how they are used."""

    status: StoreStatus | None = None
    """What the manager knows about the store. Written by the manager only."""
