"""Have a unit of systemd run, now and at later boots."""

from __future__ import annotations

from collections.abc import Iterable

from machineadm.actions.perform import perform, services_of
from machineadm.host.effects import Effect, EnableUnit, RunProgram
from machineadm.host.ports import Host


def to_run(unit: str, host: Host) -> list[Effect]:
    """What is to be done so that a unit runs.

    Raises:
        StepError: The host is a tree, which has no units that run.
    """
    services = services_of(host)
    effects: list[Effect] = []
    if not services.enabled(unit):
        effects.append(EnableUnit(unit=unit))
    # A follow-up restarts only what changed; one that somebody has stopped has not changed.
    if not services.active(unit):
        effects.append(RunProgram(title="systemctl", argv=("systemctl", "start", unit)))
    return effects


def have_run(unit: str, effects: Iterable[Effect], host: Host) -> bool:
    """Do what `to_run` has said; whether the unit then runs.

    Raises:
        HostError: systemd refuses.
    """
    todo = tuple(effects)
    perform([one for one in todo if isinstance(one, EnableUnit)], host)
    if not any(isinstance(one, RunProgram) for one in todo):
        return True
    services = services_of(host)
    # Not start: restart does the same to a unit that does not run, and the port needs no
    # second word.
    services.restart(unit)
    # systemctl succeeds where a condition of the unit has it skipped, and where the unit ends a moment later.
    return services.active(unit)
