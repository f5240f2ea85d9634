"""Rules for the kernel's command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import GRUB
from machineadm.config.rules.model import Context, Rules, finding

# A blank ends an argument, and update-grub sources the file, where the others quote or expand.
_REFUSED: Final = frozenset(" \t\"'\\$`")
"""What GRUB's files, which a shell reads, and the kernel would each take for something else."""


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`. Whether it is written depends on what the machine has."""
    linux = spec.machine.linux_configuration
    if linux is not None and linux.kernel_arguments:
        # A machine without GRUB's drop-ins gets them by grubby, which writes elsewhere.
        yield GRUB, "linuxConfiguration.kernelArguments"


def _each_is_one_argument(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    for index, argument in enumerate(linux.kernel_arguments):
        if _REFUSED & {*argument}:
            yield finding(
                "MA1323",
                f"kernelArguments[{index}]",
                "has a space, a quote, a backslash, a $ or a backquote",
                "give each argument as an item of its own, as /proc/cmdline shows it",
            )


RULES: Final[Rules] = {LinuxConfiguration: (_each_is_one_argument,)}
