"""Rules for SELinux: none beyond its type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import SELINUX, SELINUX_RELABEL
from machineadm.config.rules.model import Rules


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    if linux is not None and linux.selinux is not None:
        yield SELINUX, "linuxConfiguration.selinux"
        # Only where it was Disabled before: files that were written meanwhile have no label.
        yield SELINUX_RELABEL, "linuxConfiguration.selinux"


RULES: Final[Rules] = {}
