"""Where a machine reports in addition to its own files."""

from typing import Annotated, ClassVar

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    Duration,
    HeaderName,
    LabelName,
    OneOf,
    Pem,
    ShortSecret,
    Url,
    ValueSource,
    exactly_one,
)


class InfrastructurePlugin(ApiStruct, frozen=True, kw_only=True):
    """A plugin of kind infrastructure, and a location that it knows."""

    name: LabelName
    """Name of the plugin, without its prefix `machineadm-plugin-infrastructure-`."""

    location: Annotated[str, Meta(min_length=1, max_length=2048, extra=ONE_LINE)]
    """The location, in the plugin's own terms."""


class Reporting(ApiStruct, frozen=True, kw_only=True):
    """Where the agent reports in addition to its own files; exactly one of `url` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("url", "plugin"),)

    url: Url | None = None
    """The BootstrapStatus is sent here (HTTP PUT, JSON), by https or http."""

    headers: Annotated[dict[HeaderName, ShortSecret], Meta(max_length=32)] = {}
    """HTTP headers of the request, such as `Authorization`; secret."""

    headers_from: Annotated[dict[HeaderName, ValueSource], Meta(max_length=32)] = {}
    """HTTP headers whose values come from elsewhere. A header is either here or in `headers`."""

    ca_bundle: Pem | None = None
    """Certificates that are trusted in addition to the host's."""

    plugin: InfrastructurePlugin | None = None
    """A plugin that receives the reports."""

    interval: Duration = "10s"
    """The shortest time between two reports; the last one is always sent. Default `10s`."""
