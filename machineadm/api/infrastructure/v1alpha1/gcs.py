"""The store of Google Cloud Storage."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.infrastructure.v1alpha1.store import (
    Prefix,
    StoreFetch,
    StoreReporting,
    StoreRetention,
    StoreStatus,
    Tags,
)
from machineadm.api.meta import ApiStruct, KeyReference, Pem, Url
from machineadm.api.v1alpha1.machine_bootstrap import ResourceMetadata

ServiceAccount = Annotated[
    str,
    Meta(
        min_length=6,
        max_length=254,
        extra={
            "oneLine": True,
            "pattern": r"^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$",
            "expected": "a service account such as store@project.iam.gserviceaccount.com",
        },
    ),
]
"""The address of a service account."""


class GcsCredentials(ApiStruct, frozen=True, kw_only=True):
    """The manager's identity at Google Cloud. Absent fields: its own identity (workload identity)."""

    secret: KeyReference | None = None
    """Key of a Secret that holds the JSON file of a service account."""

    impersonate_service_account: ServiceAccount | None = None
    """Service account to impersonate with it; it signs the URLs."""


class GcsEncryption(ApiStruct, frozen=True, kw_only=True):
    """Encryption at rest by the store with your own key."""

    kms_key_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1024,
            extra={
                "oneLine": True,
                "pattern": "^projects/[a-z][a-z0-9:.-]*/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+/cryptoKeys/[A-Za-z0-9_-]+$",
                "expected": "a key such as projects/p/locations/europe/keyRings/r/cryptoKeys/k",
            },
        ),
    ]
    """Key of Cloud KMS, by its full name."""


class GCSBootstrapStoreSpec(ApiStruct, frozen=True, kw_only=True):
    """A bucket, and how it is used."""

    bucket: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=222,
            extra={
                "oneLine": True,
                "pattern": "^[a-z0-9][a-z0-9._-]*[a-z0-9]$",
                "expected": "the name of a bucket such as my-bootstrap-data",
                "immutable": True,
            },
        ),
    ]
    """Name of the bucket. It cannot be changed: what is in the old one would be lost."""

    prefix: Annotated[Prefix, Meta(extra={"immutable": True})] | None = None
    """First part of the objects' names. Default: none. It cannot be changed."""

    project: (
        Annotated[
            str,
            Meta(
                min_length=6,
                max_length=64,
                extra={
                    "oneLine": True,
                    "pattern": "^[a-z][a-z0-9:.-]*[a-z0-9]$",
                    "expected": "the id of a project such as my-project",
                },
            ),
        ]
        | None
    ) = None
    """Project that pays for the requests. Default: the bucket's own."""

    endpoint: Url | None = None
    """Address of the service, for a private endpoint. Default: Google's own."""

    ca_bundle: Pem | None = None
    """Certificate authorities of the endpoint in PEM. Default: the host's trust store."""

    credentials: GcsCredentials | None = None
    """The manager's identity. Absent: its own."""

    encryption: GcsEncryption | None = None
    """Encryption at rest with your own key. Absent: the bucket's own setting."""

    labels: Tags = {}
    """Metadata of every object, at most 50 entries."""

    fetch: StoreFetch | None = None
    """How the machine fetches its configuration. Absent: with a signed URL that is valid for an hour."""

    reporting: StoreReporting | None = None
    """How the machine reports. Absent: it does not; only its node shows success."""

    retention: StoreRetention = StoreRetention()
    """How long configurations are kept. Default: for an hour after the machine has joined."""


class GCSBootstrapStore(ApiStruct, frozen=True, kw_only=True):
    """Keeps realised configurations in a bucket of Google Cloud Storage."""

    api_version: Literal["infrastructure.cluster.x-k8s.io/v1alpha1"]
    """`infrastructure.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["GCSBootstrapStore"]
    """`GCSBootstrapStore`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: GCSBootstrapStoreSpec
    """The bucket, and how it is used."""

    status: StoreStatus | None = None
    """What the manager knows about the store. Written by the manager only."""
