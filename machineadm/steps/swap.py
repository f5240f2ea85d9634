"""Swap space: off now, and at later boots."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from machineadm.actions.masking import MaskUnit
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import SWAP_TARGET
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Step, Work, digest_of

_SWAPS: Final = "/proc/swaps"
_TIMEOUT: Final = 300.0
"""Seconds: what is in swap is read back into memory first."""


class TurnSwapOff(msgspec.Struct, frozen=True, kw_only=True):
    """Turn off all swap; swapoff(8)."""

    name: str = "swap/off"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        there = _swaps(host)
        if not there:
            return Work(summary="there is none")
        return Work(
            effects=(RunProgram(title="swapoff", argv=("swapoff", "--all")),),
            summary=f"turns off {', '.join(there)}",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """Turn it off, and check that it is off.

        Raises:
            StepError: Some stays on.
        """
        if not work.effects:
            return Outcome(change=work.change)
        if host.commands is None:
            raise StepError("MA3402", "swap/off: no program can be run below another root")
        done = host.commands.run(("swapoff", "--all"), timeout=_TIMEOUT)
        # What counts is what the kubelet will see, not swapoff's exit code.
        if left := _swaps(host):
            raise StepError(
                "MA3511",
                f"swap/off: {', '.join(left)} stays on",
                hint="too little memory for what is in it? `free` and the end of the log tell",
                log_tail=done.output,
                passing=True,
            )
        return Outcome(change=work.change, message=work.summary)


def plan_swap(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps that mask swap and turn it off, or none: `enabled: true` leaves it as it is."""
    if linux.swap is None or linux.swap.enabled:
        return ()
    # All swap units belong to swap.target, whether they come from fstab, a partition's type or zram. Masked first, so that
    # systemd does not turn on again what has just been turned off.
    return (MaskUnit(path=SWAP_TARGET, name="swap/mask"), TurnSwapOff())


def _swaps(host: Host) -> list[str]:
    """The swap areas: the first column, below the header line; proc(5)."""
    content = (host.files.read(_SWAPS) or b"").decode(errors="replace")
    return [line.split()[0] for line in content.splitlines()[1:] if line.strip()]
