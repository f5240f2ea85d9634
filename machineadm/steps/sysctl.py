"""Kernel parameters: set at every boot, and now, and read back."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import kernel_of, perform
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import SYSCTL
from machineadm.errors import StepError
from machineadm.host.effects import SetParameter
from machineadm.host.ports import Host, Kernel
from machineadm.host.ports.kernel import sysctl_name, sysctl_parts
from machineadm.plan.model import Outcome, Owned, Phase, Step, Work, digest_of


class ApplySysctls(msgspec.Struct, frozen=True, kw_only=True):
    """Set parameters of the running kernel in their order, and read each back."""

    parameters: tuple[tuple[str, str], ...]
    name: str = "sysctl/apply"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, [part for pair in self.parameters for part in pair])

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`. A value that is no longer owned stays until the next boot."""
        return tuple(Owned(kind="parameter", name=name) for name, _ in self.parameters)

    def check(self, host: Host) -> Work:
        """See `Step.check`. A parameter that does not exist yet may come with a module that is loaded before."""
        kernel = kernel_of(host)
        effects = tuple(
            SetParameter(name=name, value=value)
            for name, value in self._wanted(kernel)
            if not _has(kernel, name, value)
        )
        names = ", ".join(effect.name for effect in effects)
        return Work(effects=effects, summary=f"sets {names}" if names else "all parameters are set")

    def apply(self, host: Host, work: Work) -> Outcome:
        """Set what differs, then read everything back: setting one may change others (`net.ipv4.ip_forward`).

        Raises:
            StepError: A value does not stick.
        """
        perform(work.effects, host)
        kernel = kernel_of(host)
        for name, value in self._wanted(kernel):
            if not _has(kernel, name, value):
                raise StepError(
                    "MA3307",
                    f"sysctl/apply: {name} was set to {value!r}, but the kernel says {kernel.sysctl(name)!r}",
                    hint="the kernel rounds or limits it, or another parameter of the list, or a running service, sets it "
                    "too: use the value that the kernel reports, or find what else sets it",
                )
        return Outcome(change=work.change, message=work.summary)

    def _wanted(self, kernel: Kernel) -> list[tuple[str, str]]:
        """Each parameter's value. As in sysctl.d(5), a name wins over a pattern, wherever it is in the list."""
        # A parameter has two spellings (dots, slashes); only a common one tells whether two entries are the same.
        named = {sysctl_name(sysctl_parts(name)) for name, _ in self.parameters if "*" not in name}
        wanted: dict[str, str] = {}
        for pattern, value in self.parameters:
            if "*" not in pattern:
                wanted[pattern] = value
                continue
            wanted.update(
                (name, value) for name in kernel.sysctl_names(pattern) if name not in named
            )
        return list(wanted.items())


def plan_sysctl(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps that persist and apply parameters, or none; sysctl.d(5)."""
    if not linux.sysctls:
        return ()
    # In the order of the configuration, which systemd-sysctl keeps: some parameters set others
    # (net.ipv4.ip_forward).
    content = "".join(f"{name} = {value}\n" for name, value in linux.sysctls.items())
    file = PlannedFile(path=SYSCTL, content=content.encode())
    return (
        WriteFiles(name="sysctl/persist", phase=Phase.PREPARE, files=(file,)),
        ApplySysctls(parameters=tuple(linux.sysctls.items())),
    )


def _has(kernel: Kernel, name: str, value: str) -> bool:
    found = kernel.sysctl(name)
    # By words: the kernel separates several values with tabs, and configurations with blanks.
    return found is not None and _canonical(found) == _canonical(value)


def _canonical(value: str) -> list[str]:
    """The words of a value, numbers in decimal: the kernel accepts `0x10` and `020`, and shows `16`."""
    return [_decimal(word) for word in value.split()]


def _decimal(word: str) -> str:
    # int() with base 0 refuses `020`, which the kernel reads as C does.
    base = 8 if word.startswith("0") and word.isdecimal() else 0
    try:
        return str(int(word, base))
    except ValueError:
        return word
