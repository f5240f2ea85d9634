"""Kernel parameters: a file for later boots, and the running kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import SYSCTL, parameter_file
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, Rules, finding


def writes(_spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    yield SYSCTL, "linuxConfiguration.sysctls"


def _each_once(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """`net.ipv4.ip_forward` and `net/ipv4/ip_forward` are the same; after a first slash, dots are literal."""
    seen: dict[str, str] = {}
    for name in linux.sysctls:
        # By the file: two lines for one file would be applied in the order of a map.
        other = seen.setdefault(parameter_file(name), name)
        if other != name:
            yield finding("MA1306", child("sysctls", name), f"is the same parameter as {other}")


RULES: Final[Rules] = {LinuxConfiguration: (_each_once,)}
