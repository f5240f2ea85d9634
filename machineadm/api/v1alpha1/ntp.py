"""The clock."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Duration, HostName, HostOrAddress


class NtpSync(ApiStruct, frozen=True, kw_only=True):
    """Waiting for a right clock."""

    timeout: Duration = "5m"
    """How long the clock may take; then the run fails. Default `5m`."""


class Ntp(ApiStruct, frozen=True, kw_only=True):
    """The clock."""

    enabled: bool = True
    """Run the time service. Default true."""

    servers: Annotated[tuple[HostOrAddress, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Servers, by name or address."""

    pools: Annotated[tuple[HostName, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Names that stand for many servers each."""

    require_sync: NtpSync | None = None
    """Wait for a synchronised clock before kubeadm: certificates are not valid in the past."""
