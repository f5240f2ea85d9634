"""The host name: at every boot, and now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import kernel_of, perform
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import HOSTNAME
from machineadm.host.effects import SetHostname
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of


class SetRunningHostname(msgspec.Struct, frozen=True, kw_only=True):
    """Set the running host name."""

    hostname: str
    name: str = "hostname/set"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.hostname)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return (Owned(kind="hostname", name=self.hostname),)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        # The running name and not the file's: DHCP or a person may have set another one since the
        # file was read.
        now = kernel_of(host).hostname()
        if now == self.hostname:
            return Work(summary=f"it is {now}")
        return Work(
            effects=(SetHostname(hostname=self.hostname),), summary=f"{now} -> {self.hostname}"
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=f"it is {self.hostname} now")


def plan_hostname(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps that persist and set the name, or none; hostname(5)."""
    if linux.hostname is None:
        return ()
    # Both the file and the kernel, as hostnamectl does it: systemd reads the file only at boot.
    file = PlannedFile(path=HOSTNAME, content=f"{linux.hostname}\n".encode())
    return (
        WriteFiles(name="hostname/persist", phase=Phase.PREPARE, files=(file,)),
        SetRunningHostname(hostname=linux.hostname),
    )
