"""Asking every step of a plan what it would do, nothing being changed.

`plan` prints the answer; a run learns from it whether there is anything to do at all.
"""

from __future__ import annotations

from machineadm.execution.journal import Journal
from machineadm.execution.runner import DEFERRED, is_deferred
from machineadm.host.ports import Host
from machineadm.plan.model import Change, Outlook, Plan, Recoverable, Step
from machineadm.plan.prospect import Prospect, Standing


def survey(plan: Plan, host: Host, journal: Journal) -> tuple[Prospect, ...]:
    """Check all steps.

    Args:
        plan: The steps, in order.
        host: A recording host: later checks see what earlier steps would have changed.
        journal: Only read.

    Raises:
        MachineadmError: A step could not succeed.
    """
    return tuple(_prospect(step, host, journal) for step in plan.steps)


def _prospect(step: Step, host: Host, journal: Journal) -> Prospect:
    standing, outlook = _look(step, host, journal)
    return Prospect(step=step.name, phase=step.phase, standing=standing, outlook=outlook)


def _look(step: Step, host: Host, journal: Journal) -> tuple[Standing, Outlook]:
    if is_deferred(step, host):
        return Standing.DEFERRED, Outlook(change=Change.CHANGED, summary=DEFERRED)
    if step.once and journal.finished(step):
        return Standing.IN_PLACE, Outlook(change=Change.ALREADY_IN_PLACE, summary="done before")
    outlook = step.check(host)
    if step.once or outlook.change is Change.CHANGED:
        return Standing.TO_DO, outlook
    if isinstance(step, Recoverable) and journal.unfinished(step):
        return Standing.TO_DO, Outlook(change=Change.CHANGED, summary="begun and not ended")
    return Standing.IN_PLACE, outlook
