"""Asking every step of a plan what it would do, nothing being changed.

`plan` prints the answer; a run learns from it whether there is anything to do at all.
"""

from __future__ import annotations

from contextlib import suppress

from machineadm.errors import HostError, KubeadmError, MachineadmError, StepError
from machineadm.execution.events import Event, Observer, StepDeferred, StepDone, plan_ready
from machineadm.execution.journal import Journal
from machineadm.execution.runner import DEFERRED, Verdict, is_deferred
from machineadm.host.ports import Clock, Host
from machineadm.plan.model import Change, Outlook, Phase, Plan, Recoverable, Step
from machineadm.plan.prospect import Prospect, Standing

_COMMANDS = (Phase.BOOT, Phase.PRE_KUBEADM)
_SEEN_BY_LATER_CHECKS = (Phase.PREPARE, Phase.PRE_KUBEADM)


def survey(plan: Plan, host: Host, journal: Journal) -> tuple[Prospect, ...]:
    """Check all steps.

    Args:
        plan: The steps, in order.
        host: A recording host: later checks see what earlier steps would have changed.
        journal: Only read.

    A check that fails behind a command that has not run yet proves nothing: that command may make the account, the module or
    the file that is missed. The run will tell. What the configuration or a node that is there already forbids stays an error.

    Raises:
        StepError: A step could not succeed.
        HostError: As before.
    """
    prospects: list[Prospect] = []
    for step in plan.steps:
        try:
            prospects.append(_prospect(step, host, journal))
        except (StepError, HostError) as error:
            if isinstance(error, KubeadmError) or not _may_change_anything(prospects):
                raise
            prospects.append(_not_known_yet(step, error))
    return tuple(prospects)


def replay(prospects: tuple[Prospect, ...], clock: Clock, observe: Observer) -> Verdict:
    """Tell of a run in which there is nothing to do, as `execute` would have done."""
    observe(plan_ready(clock.now(), ((one.step, one.phase) for one in prospects)))
    for prospect in prospects:
        observe(_as_event(prospect, clock.now()))
    deferred = (
        prospect.standing is Standing.DEFERRED or prospect.outlook.deferred
        for prospect in prospects
    )
    return Verdict(complete=not any(deferred))


def _prospect(step: Step, host: Host, journal: Journal) -> Prospect:
    standing, outlook = _look(step, host, journal)
    if standing is Standing.TO_DO and not step.once and step.phase in _SEEN_BY_LATER_CHECKS:
        # It is only for what later checks see; whether it works, the run will show.
        with suppress(MachineadmError):
            step.apply(host)
    return Prospect(step=step.name, phase=step.phase, standing=standing, outlook=outlook)


def _may_change_anything(before: list[Prospect]) -> bool:
    return any(
        prospect.standing is Standing.TO_DO and prospect.phase in _COMMANDS for prospect in before
    )


def _not_known_yet(step: Step, error: MachineadmError) -> Prospect:
    summary = f"to be seen when the commands before have run: {error.message}"
    outlook = Outlook(change=Change.CHANGED, summary=summary)
    return Prospect(step=step.name, phase=step.phase, standing=Standing.TO_DO, outlook=outlook)


def _as_event(prospect: Prospect, time: float) -> Event:
    if prospect.standing is Standing.DEFERRED:
        return StepDeferred(time=time, step=prospect.step, message=prospect.outlook.summary)
    return StepDone(
        time=time,
        step=prospect.step,
        change=Change.ALREADY_IN_PLACE,
        duration=0.0,
        message=prospect.outlook.summary,
        deferred=prospect.outlook.deferred,
    )


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
