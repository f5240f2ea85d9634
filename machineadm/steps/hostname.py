"""The host name: at every boot, and now."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import HOSTNAME
from machineadm.errors import StepError
from machineadm.host.ports import Host, Kernel
from machineadm.plan.files import PlannedFile, WriteFiles
from machineadm.plan.model import Change, Outcome, Outlook, Phase, Step, digest_of


class SetHostname(msgspec.Struct, frozen=True, kw_only=True):
    """Set the running host name."""

    hostname: str
    name: str = "hostname/set"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.hostname)

    def check(self, host: Host) -> Outlook:
        """See `Step.check`."""
        now = _kernel(host).hostname()
        if now == self.hostname:
            return Outlook(change=Change.ALREADY_IN_PLACE, summary=f"it is {now}")
        return Outlook(change=Change.CHANGED, summary=f"{now} -> {self.hostname}")

    def apply(self, host: Host) -> Outcome:
        """See `Step.apply`."""
        kernel = _kernel(host)
        if kernel.hostname() == self.hostname:
            return Outcome(change=Change.ALREADY_IN_PLACE)
        kernel.set_hostname(self.hostname)
        return Outcome(change=Change.CHANGED, message=f"it is {self.hostname} now")


def plan_hostname(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """Persist and set, or nothing; hostname(5)."""
    if linux.hostname is None:
        return ()
    file = PlannedFile(path=HOSTNAME, content=f"{linux.hostname}\n".encode())
    return (
        WriteFiles(name="hostname/persist", phase=Phase.PREPARE, files=(file,)),
        SetHostname(hostname=linux.hostname),
    )


def _kernel(host: Host) -> Kernel:
    """The running kernel.

    Raises:
        StepError: It is not this host's to change.
    """
    if host.kernel is None:
        raise StepError("MA3302", "hostname/set: no host name can be set below another root")
    return host.kernel
