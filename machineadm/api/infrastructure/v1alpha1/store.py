"""What all stores have in common: fetching, reporting, retention, status."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    Duration,
    ObjectName,
    OneOf,
    ProviderRef,
    Timestamp,
    exactly_one,
)
from machineadm.api.v1alpha1.machine_bootstrap import Conditions, Generation

Prefix = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": "^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*/?$",
            "expected": "a prefix such as clusters/production",
        },
    ),
]
"""The first part of an object's name, without a leading slash: `clusters/production`."""

Region = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        extra={
            "oneLine": True,
            "pattern": "^[a-z0-9-]+$",
            "expected": "a region such as eu-west-1",
        },
    ),
]
"""A region of a cloud: `eu-west-1`."""


class SecretReference(ApiStruct, frozen=True, kw_only=True):
    """A Secret in the namespace of the object that refers to it."""

    name: ObjectName
    """Name of the Secret."""


class SignedUrl(ApiStruct, frozen=True, kw_only=True):
    """A URL that carries its own permission."""

    expiry: Duration = "1h"
    """How long it is valid, counted from when the user data is rendered: a machine that boots later cannot
    use it. Default `1h`."""


class StoreFetch(ApiStruct, frozen=True, kw_only=True):
    """How the machine fetches its configuration; exactly one of `presignedURL` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("presignedURL", "plugin"),)

    presigned_url: SignedUrl | None = field(default=None, name="presignedURL")
    """With a URL in the user data that is signed for this one object. The machine needs no identity."""

    plugin: ProviderRef | None = None
    """With a plugin on the machine, using the machine's own identity."""


class StoreReporting(ApiStruct, frozen=True, kw_only=True):
    """How the machine reports; exactly one of `presignedURL` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("presignedURL", "plugin"),)

    presigned_url: SignedUrl | None = field(default=None, name="presignedURL")
    """With a URL in the user data that allows writing this machine's report and nothing else."""

    plugin: ProviderRef | None = None
    """With a plugin on the machine, using the machine's own identity."""

    interval: Duration = "30s"
    """How often the manager looks for a report while the machine boots. Default `30s`."""


class StoreRetention(ApiStruct, frozen=True, kw_only=True):
    """How long stored configurations are kept."""

    policy: Literal["AfterBootstrap", "WithMachineBootstrap", "Retain"] = "AfterBootstrap"
    """When a configuration is removed: when its machine has joined, with its MachineBootstrap, or never.
    Default `AfterBootstrap`: it holds secrets."""

    grace_period: Duration = "1h"
    """How much longer it is kept after that, to examine failures. Default `1h`."""


class StoreStatus(ApiStruct, frozen=True, kw_only=True):
    """What the manager knows about a store."""

    observed_generation: Generation | None = None
    """Generation of the spec that this describes."""

    conditions: Conditions = ()
    """`Ready`, `CredentialsAvailable`, `Reachable`."""

    objects: Annotated[int, Meta(ge=0, le=2147483647)] | None = None
    """How many configurations it holds."""

    last_write_time: Timestamp | None = None
    """When one was last written (RFC 3339)."""


Tags = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=128, extra=ONE_LINE)],
        Annotated[str, Meta(max_length=256, extra=ONE_LINE)],
    ],
    Meta(max_length=50),
]
"""Tags or labels that a cloud keeps with what is stored."""
