"""The host name: /etc/hostname and the running kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import HOSTNAME
from machineadm.config.rules.model import Context, Rules, finding

# __NEW_UTS_LEN of the kernel; sethostname(2) answers EINVAL beyond it.
_LONGEST: Final = 64
# RFC 1035, 2.3.4. kubeadm makes the node's name of it, whose parts must be DNS labels.
_LONGEST_LABEL: Final = 63


def writes(_spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    # With hostnameFrom, too, whose value nobody knows yet.
    yield HOSTNAME, "linuxConfiguration.hostname"


def _fits_the_kernel(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """DNS allows longer names; sethostname(2) does not."""
    if linux.hostname is None:
        return
    if len(linux.hostname) > _LONGEST:
        yield finding(
            "MA1312",
            "hostname",
            f"has more than {_LONGEST} characters, more than Linux allows",
        )
    if any(len(label) > _LONGEST_LABEL for label in linux.hostname.split(".")):
        yield finding("MA1322", "hostname", f"has a part of more than {_LONGEST_LABEL} characters")


RULES: Final[Rules] = {LinuxConfiguration: (_fits_the_kernel,)}
