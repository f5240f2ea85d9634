"""How a run that is cut off by a reboot goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from machineadm.agent.own_file import is_volatile
from machineadm.errors import HostError, MachineadmError
from machineadm.plan.look import Look
from machineadm.sources.passphrases import GivenPassphrases
from machineadm.sources.stream import Stream

if TYPE_CHECKING:
    from machineadm.agent.preparing import Ready
    from machineadm.agent.request import Request
    from machineadm.agent.units import ResumeUnit
    from machineadm.agent.wiring import Machine
    from machineadm.reporting.reporter import Reporter


def enable_resume_unit(
    request: Request, machine: Machine, ready: Ready, reporter: Reporter
) -> bool:
    """Arrange that a run cut off by a reboot goes on by itself. If that is impossible, the report says so."""
    from machineadm.agent.units import has_systemd

    if not has_systemd(machine.host):
        reporter.resumable("False", "NoSystemd", "run the same command again after a reboot")
        return False
    if gone := _passphrase_lost_at_reboot(request.passphrases):
        # Keeping the passphrase beside the ciphertext would be as good as keeping the plaintext.
        reporter.resumable("False", "PassphraseNotKept", f"{gone}; run the same command again")
        no_longer_resumes(machine)
        return False
    unit = _resume_unit(request, machine, ready)
    try:
        unit.apply(machine.host, unit.check(machine.host))
    # Not a failure of the run: it can be repeated by hand, and the report says so.
    except HostError as error:
        reporter.resumable("False", "Failed", f"{error.code} {error.message}")
        return False
    reporter.resumable("True", "UnitEnabled")
    return True


def _resume_unit(request: Request, machine: Machine, ready: Ready) -> ResumeUnit:
    from machineadm.agent.units import ResumeUnit

    return ResumeUnit(
        agent=machine.agent,
        streams=ready.streams,
        options=(
            *_merging(ready.streams),
            *request.options,
            *request.passphrases.options,
            *machine.directory_options,
        ),
        instance_data=ready.resolved.given if ready.resolved is not None else None,
    )


def _merging(streams: Sequence[Stream]) -> tuple[str, ...]:
    """The option without which copies of fragments would be several configurations: the directory they were in is not kept."""
    return ("--merge",) if any(stream.fragment for stream in streams) else ()


def with_resume_unit(
    request: Request, machine: Machine, ready: Ready, looks: tuple[Look, ...]
) -> tuple[Look, ...]:
    """What a run would do so that it goes on after a reboot, before all else."""
    # By the path alone: a machine without systemd need not load what writes units.
    if machine.host.offline or machine.host.files.stat("/run/systemd/system") is None:
        return looks
    from machineadm.agent.units import has_systemd
    from machineadm.plan.look import Standing

    if not has_systemd(machine.host) or _passphrase_lost_at_reboot(request.passphrases):
        return looks
    unit = _resume_unit(request, machine, ready)
    work = unit.check(machine.host)
    standing = Standing.TO_DO if work.effects else Standing.IN_PLACE
    return Look(step=unit, standing=standing, work=work), *looks


def _passphrase_lost_at_reboot(passphrases: GivenPassphrases) -> str:
    """Why what opened the documents is gone after a reboot; empty if it is not."""
    if passphrases.used_descriptor:
        return "the passphrase came from a descriptor and is not kept"
    for what, paths in (
        ("passphrase file", passphrases.used_files),
        ("plugin", passphrases.used_plugins),
    ):
        # Sorted, so that the same one is named each time.
        for path in filter(is_volatile, sorted(paths)):
            return f"the {what} {path} does not survive a reboot"
    return ""


def no_longer_resumes(machine: Machine) -> None:
    """A run that is done needs no resuming. If the unit cannot be removed, the next run will: this one has not failed."""
    from machineadm.agent.units import disable_resume_unit

    try:
        disable_resume_unit(machine.host)
    # The success is reported already, and stays one.
    except MachineadmError as error:
        machine.announce(f"machineadm: {error.code} {error.message}")
