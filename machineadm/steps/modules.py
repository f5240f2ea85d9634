"""Kernel modules: loaded at every boot, and now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import MODULES
from machineadm.errors import StepError
from machineadm.host.ports import Host, Kernel
from machineadm.plan.files import PlannedFile, WriteFiles
from machineadm.plan.model import Change, Outcome, Outlook, Phase, Step, digest_of


class LoadModules(msgspec.Struct, frozen=True, kw_only=True):
    """Load modules into the running kernel, in order."""

    modules: tuple[str, ...]
    name: str = "modules/load"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.modules)

    def check(self, host: Host) -> Outlook:
        """See `Step.check`."""
        missing = self._missing(_kernel(host))
        if not missing:
            return Outlook(change=Change.ALREADY_IN_PLACE, summary="all modules are loaded")
        return Outlook(change=Change.CHANGED, summary=f"loads {', '.join(missing)}")

    def apply(self, host: Host) -> Outcome:
        """See `Step.apply`."""
        kernel = _kernel(host)
        missing = self._missing(kernel)
        for module in missing:
            kernel.load(module)
        if not missing:
            return Outcome(change=Change.ALREADY_IN_PLACE)
        return Outcome(change=Change.CHANGED, message=f"loaded {', '.join(missing)}")

    def _missing(self, kernel: Kernel) -> list[str]:
        return [module for module in self.modules if not kernel.loaded(module)]


def plan_modules(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """Persist and load, or nothing; modules-load.d(5)."""
    if not linux.kernel_modules:
        return ()
    content = "".join(f"{module}\n" for module in linux.kernel_modules)
    file = PlannedFile(path=MODULES, content=content.encode())
    return (
        WriteFiles(name="modules/persist", phase=Phase.PREPARE, files=(file,)),
        LoadModules(modules=linux.kernel_modules),
    )


def _kernel(host: Host) -> Kernel:
    """The running kernel.

    Raises:
        StepError: It is not this host's to change.
    """
    if host.kernel is None:
        raise StepError("MA3302", "modules/load: no module can be loaded below another root")
    return host.kernel
