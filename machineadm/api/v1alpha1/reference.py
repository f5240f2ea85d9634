"""ConfigurationReference: where a configuration is that is not in the user data itself."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ApiStruct,
    HeaderName,
    ObjectMeta,
    OneOf,
    Pem,
    Sha256,
    ShortSecret,
    Url,
    exactly_one,
)
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin


class ConfigurationReferenceSpec(ApiStruct, frozen=True, kw_only=True):
    """Where it is, and its digest; exactly one of `url` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("url", "plugin"),)

    url: Url | None = None
    """Where it is fetched from: `https://`, `http://` or `file://`."""

    headers: Annotated[dict[HeaderName, ShortSecret], Meta(max_length=32)] = {}
    """HTTP headers of the request; secret. Not sent on to another host."""

    ca_bundle: Pem | None = None
    """Certificates that are trusted in addition to the host's."""

    plugin: InfrastructurePlugin | None = None
    """A plugin that provides it, installed or named in `/etc/machineadm/plugins.yaml`, since the
    configuration is not known yet."""

    sha256: Sha256
    """SHA-256 of its bytes."""


class ConfigurationReference(ApiStruct, frozen=True, kw_only=True):
    """More documents, stored elsewhere: they are fetched, verified, and read as if they were here."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["ConfigurationReference"]
    """`ConfigurationReference`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: ConfigurationReferenceSpec
    """Where it is."""
