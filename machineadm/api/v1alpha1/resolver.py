"""Name resolution of the host."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ApiStruct, HostName, IpAddress


class Resolver(ApiStruct, frozen=True, kw_only=True):
    """Name resolution of the host."""

    nameservers: Annotated[tuple[IpAddress, ...], Meta(max_length=16, extra={"unique": ""})] = ()
    """Addresses of name servers, in the order in which they are asked."""

    search_domains: Annotated[tuple[HostName, ...], Meta(max_length=32, extra={"unique": ""})] = ()
    """Domains that are appended to a short name."""
