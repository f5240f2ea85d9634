"""Catalogues of hardening rules."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import ONE_LINE, ApiStruct


class ComplianceProfile(ApiStruct, frozen=True, kw_only=True):
    """A catalogue of hardening rules."""

    name: Literal["cis", "stig"]
    """The catalogue."""

    level: Annotated[int, Meta(ge=1, le=3)] = 1
    """Level of the catalogue, with `stig` the category. Default 1."""

    exceptions: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)], ...],
        Meta(max_length=500, extra={"unique": ""}),
    ] = ()
    """Rules to skip, and why: `1.1.12=etcd runs as root`."""
