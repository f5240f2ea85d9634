"""Where a machine reports beside its own files."""

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
    """A plugin of kind infrastructure, and a place that it knows."""

    name: LabelName
    """Name of the plugin, without its prefix `machineadm-plugin-infrastructure-`."""

    location: Annotated[str, Meta(min_length=1, max_length=2048, extra=ONE_LINE)]
    """The place, in the plugin's own words."""


class Reporting(ApiStruct, frozen=True, kw_only=True):
    """Where the agent reports beside its own files; exactly one of `url` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("url", "plugin"),)

    url: Url | None = None
    """The BootstrapStatus is put there (HTTP PUT, JSON), by https or http."""

    headers: Annotated[dict[HeaderName, ShortSecret], Meta(max_length=32)] = {}
    """HTTP headers of the request, such as `Authorization`; secret."""

    headers_from: Annotated[dict[HeaderName, ValueSource], Meta(max_length=32)] = {}
    """HTTP headers whose values come from elsewhere. A header is either here or in `headers`."""

    ca_bundle: Pem | None = None
    """Certificates that are trusted beside the host's."""

    plugin: InfrastructurePlugin | None = None
    """A plugin that takes the reports."""

    interval: Duration = "10s"
    """How much time there is between two reports at least; the last one is always sent. Default `10s`."""
