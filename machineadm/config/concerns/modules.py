"""Kernel modules: a file for later boots, and the running kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import MODULES
from machineadm.config.rules.model import Context, Rules, finding


def writes(_spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    yield MODULES, "linuxConfiguration.kernelModules"


def _each_once(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """To the kernel `-` and `_` in a module's name are the same."""
    seen: dict[str, str] = {}
    for index, name in enumerate(linux.kernel_modules):
        # modprobe(8) takes either; /proc/modules shows underscores.
        other = seen.setdefault(name.replace("-", "_"), name)
        if other != name:
            yield finding("MA1306", f"kernelModules[{index}]", f"is the same module as {other}")


RULES: Final[Rules] = {LinuxConfiguration: (_each_once,)}
