"""Kernel modules: loaded at every boot, and now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import kernel_of, perform
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import MODULES
from machineadm.host.effects import LoadModule
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of


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

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`. A module that is no longer owned stays loaded until the next boot."""
        return tuple(Owned(kind="module", name=name) for name in self.modules)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        kernel = kernel_of(host)
        missing = [module for module in self.modules if not kernel.loaded(module)]
        return Work(
            # One by one and in order: a module that fails is named, and those before it stay
            # loaded.
            effects=tuple(LoadModule(module=module) for module in missing),
            summary=f"loads {', '.join(missing)}" if missing else "all modules are loaded",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)


def plan_modules(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps that persist and load modules, or none; modules-load.d(5)."""
    if not linux.kernel_modules:
        return ()
    # All of them, also those that are built in here: the next kernel of the distribution may have
    # them as modules.
    content = "".join(f"{module}\n" for module in linux.kernel_modules)
    file = PlannedFile(path=MODULES, content=content.encode())
    return (
        WriteFiles(name="modules/persist", phase=Phase.PREPARE, files=(file,)),
        LoadModules(modules=linux.kernel_modules),
    )
