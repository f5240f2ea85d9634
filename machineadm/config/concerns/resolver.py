"""Rules for name resolution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.resolver import Resolver
from machineadm.config.machine_paths import RESOLV_CONF, RESOLVED
from machineadm.config.rules.model import Context, Rules, finding

_MOST_ASKED: Final = 3
"""MAXNS of resolv.conf(5); the kubelet takes no more either."""


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`. Which of them is written depends on what the machine has."""
    linux = spec.machine.linux_configuration
    resolver = linux.resolver if linux is not None else None
    if resolver is not None and (resolver.nameservers or resolver.search_domains):
        # Both are ours then: a rule must refuse a file of the configuration at either.
        for path in (RESOLVED, RESOLV_CONF):
            yield path, "linuxConfiguration.resolver"


def _three_are_asked(resolver: Resolver, _context: Context) -> Iterator[Finding]:
    """The C library and the kubelet ignore the rest without a word."""
    if len(resolver.nameservers) > _MOST_ASKED:
        # The rest is used by systemd-resolved, so it is not an error.
        found = finding(
            "MA1323",
            f"nameservers[{_MOST_ASKED}]",
            "programs that read /etc/resolv.conf, and pods, ask the first three only",
        )
        yield replace(found, severity="warning")


RULES: Final[Rules] = {Resolver: (_three_are_asked,)}
