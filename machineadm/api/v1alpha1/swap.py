"""Swap space."""

from machineadm.api.meta import ApiStruct


class Swap(ApiStruct, frozen=True, kw_only=True):
    """Swap space."""

    enabled: bool
    """False: swap is turned off, now and at later boots. True: it is left as it is."""
