"""The clock."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Duration, HostName, HostOrAddress


class NtpSync(ApiStruct, frozen=True, kw_only=True):
    """Waiting for a synchronized clock."""

    timeout: Duration = "5m"
    """How long to wait; then the run fails. Default `5m`."""


class Ntp(ApiStruct, frozen=True, kw_only=True):
    """The clock."""

    enabled: bool = True
    """Whether the time service runs, now and at later boots; false stops it. Default true."""

    servers: Annotated[tuple[HostOrAddress, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Servers, by name or address."""

    pools: Annotated[tuple[HostName, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Names that each resolve to many servers."""

    require_sync: NtpSync | None = None
    """Wait for a synchronized clock before kubeadm: with a clock that is behind, certificates are not valid yet."""
