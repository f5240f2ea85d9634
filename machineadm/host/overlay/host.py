"""All ports of the overlay, and how effects are laid over them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from machineadm.host.effects import (
    CopyToState,
    DisableUnit,
    DropState,
    Effect,
    EnableUnit,
    KeepState,
    LoadModule,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    SetHostname,
    SetParameter,
    WriteFile,
)
from machineadm.host.overlay.clock import OverlayClock
from machineadm.host.overlay.commands import OverlayCommands
from machineadm.host.overlay.files import OverlayFiles
from machineadm.host.overlay.kernel import OverlayKernel
from machineadm.host.overlay.providers import OverlayProviders
from machineadm.host.overlay.services import OverlayServices
from machineadm.host.overlay.state import OverlayState
from machineadm.host.ports import Host


class Overlay:
    """A host for checks, and the effects laid over it.

    Args:
        host: The machine; only queried.

    Attributes:
        host: Answers as the machine would once the effects were done.
    """

    def __init__(self, host: Host) -> None:
        self._files = OverlayFiles(host.files)
        self._state = OverlayState(host.state)
        self._kernel = None if host.kernel is None else OverlayKernel(host.kernel)
        self._services = None if host.services is None else OverlayServices(host.services)
        self.host = Host(
            files=self._files,
            # As they are: which accounts a program would make is its own affair, so a check that
            # needs one says that it is not known yet.
            accounts=host.accounts,
            clock=OverlayClock(host.clock),
            state=self._state,
            commands=None if host.commands is None else OverlayCommands(),
            # The machine's own: a query changes nothing, and what it would say after a program
            # has run nobody can tell.
            queries=host.queries,
            kernel=self._kernel,
            services=self._services,
            # A check must not download: a plan would cost what the run costs.
            fetch=None,
            network=host.network,
            disks=host.disks,
            metadata=host.metadata,
            providers=None if host.providers is None else OverlayProviders(host.providers),
            platform=host.platform,
            architecture=host.architecture,
            distribution=host.distribution,
            kept=host.kept,
            made=host.made,
            offline=host.offline,
        )

    def lay(self, effects: Iterable[Effect]) -> None:
        """Have later queries see these effects as done. What a program or a wait changes is not known, and not seen."""
        for effect in effects:
            match effect:
                case WriteFile() | RemoveFile() | MakeLink() | MakeDirectory() | RemoveDirectory():
                    self._files.lay(effect)
                case KeepState() | DropState():
                    self._state.lay(effect)
                case CopyToState(source=source, name=name):
                    self._state.lay_copy(name, partial(self._files.read, source))
                # A tree has no kernel: its live steps are not looked at, so nothing of them is
                # laid either.
                case LoadModule() | SetParameter() | SetHostname() if self._kernel is not None:
                    self._kernel.lay(effect)
                case EnableUnit() | DisableUnit() if self._services is not None:
                    self._services.lay(effect)
                case _:
                    pass
