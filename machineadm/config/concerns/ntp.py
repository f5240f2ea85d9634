"""Rules for the clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.ntp import Ntp, NtpSync
from machineadm.config.machine_paths import CHRONY, TIMESYNCD
from machineadm.config.rules.model import Context, Rules, finding


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`. Which of them is written depends on what the machine has."""
    linux = spec.machine.linux_configuration
    ntp = linux.ntp if linux is not None else None
    if ntp is not None and (ntp.servers or ntp.pools):
        # chrony's own file, too: where it includes no others, a line is appended that does.
        for path in (TIMESYNCD, *CHRONY, *CHRONY.values()):
            yield path, "linuxConfiguration.ntp"


def _off_is_nothing_else(ntp: Ntp, _context: Context) -> Iterator[Finding]:
    """A service that does not run asks no server, and synchronizes nothing."""
    if ntp.enabled:
        return
    for field, value in (
        ("servers", ntp.servers),
        ("pools", ntp.pools),
        ("requireSync", ntp.require_sync),
    ):
        # `[]` and None say nothing and are no contradiction.
        if value:
            yield finding("MA1323", field, "has no effect with enabled: false")


def _takes_time(sync: NtpSync, _context: Context) -> Iterator[Finding]:
    """A wait without time would fail before it begins."""
    if seconds(sync.timeout) <= 0:
        yield finding("MA1312", "timeout", "must be longer than 0s")


RULES: Final[Rules] = {Ntp: (_off_is_nothing_else,), NtpSync: (_takes_time,)}
