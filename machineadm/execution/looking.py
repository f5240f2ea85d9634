"""Looking at every step of a plan before anything is done.

`plan` prints the answer. A run learns from it whether there is anything to do at all, and does just that as long as nothing has
changed since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from machineadm.errors import MachineadmError
from machineadm.execution.context import Context
from machineadm.host.overlay.host import Overlay
from machineadm.host.ports import Host
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Bringing, Change, Phase, Recoverable, Step, Work

if TYPE_CHECKING:
    # `plan` tells nobody of anything.
    from machineadm.execution.events import Event, Observer

DEFERRED = "needs the running system"
CUT_OFF = "an earlier run was cut off in it, so its work may be done twice"
_COMMANDS = (Phase.BOOT, Phase.PRE_KUBEADM)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a run that did not fail ended."""

    complete: bool
    """Nothing was deferred, in whole or in part, and nothing is left to follow."""


def look(context: Context) -> tuple[Look, ...]:
    """Look at all steps, each on the machine as the steps before it would leave it.

    A check that fails after a command that has not run yet proves nothing: the command may create the missing account,
    module or file. The run will tell. What no command can change stays an error (`MachineadmError.final`).

    Raises:
        MachineadmError: A step could not succeed.
    """
    overlay = Overlay(context.host)
    looks: list[Look] = [*context.overdue()]
    command_ahead = False
    for step in context.steps:
        try:
            one = _look(step, context, overlay.host)
        except MachineadmError as error:
            if error.final or not command_ahead:
                raise
            one = _not_known_yet(step, error)
        # Laid over the machine so that a later step sees the file, the module, the account that an
        # earlier step is going to make.
        if one.standing is Standing.TO_DO:
            overlay.lay(one.work.effects)
            brings = isinstance(step, Bringing) and step.brings_programs
            command_ahead = command_ahead or brings or (step.once and step.phase in _COMMANDS)
        looks.append(one)
    return tuple(looks)


def replay(context: Context, looks: tuple[Look, ...], observe: Observer) -> Ending:
    """Report a run in which there is nothing to do, as `execute` would have."""
    from machineadm.execution.events import RebootRequired, plan_ready

    clock = context.host.clock
    # Here too: a machine that is in place would never get rid of what a killed run left.
    context.ledger.sweep()
    observe(plan_ready(clock.now(), ((one.step.name, one.step.phase) for one in looks)))
    for one in looks:
        observe(_as_event(one, clock.now()))
    # A reboot that nobody has done yet is said at every run: it keeps none from being complete,
    # and would be forgotten.
    if context.ledger.pending and (steps := context.following.reboot_required):
        observe(RebootRequired(time=clock.now(), steps=steps))
    deferred = (one.standing is Standing.DEFERRED or one.work.deferred for one in looks)
    return Ending(complete=not any(deferred))


def _look(step: Step, context: Context, host: Host) -> Look:
    standing, work = _stand(step, context, host)
    return Look(step=step, standing=standing, work=work)


def _stand(step: Step, context: Context, host: Host) -> tuple[Standing, Work]:
    if is_deferred(step, host):
        return Standing.DEFERRED, Work(summary=DEFERRED)
    if step.once:
        again = context.has_history and context.histories.runs_again(step)
        # By the journal alone: the check of a command has nothing to look at, and always says
        # that it would run.
        if context.journal.finished(step) and not again:
            return Standing.IN_PLACE, Work(summary="done before")
        work = step.check(host)
        if again:
            work = _with_summary(
                work, f"{work.summary} again: a file that it had changed is written again"
            )
        elif not isinstance(step, Recoverable) and context.journal.was_cut_off(step):
            work = _with_summary(work, f"{work.summary} again: {CUT_OFF}")
        if not work.effects and context.journal.unfinished(step):
            # Without effects, but to do: recovery must judge it, which may wait for an API
            # server, and a plan does not wait.
            return Standing.TO_DO, Work(summary="started but not finished")
        return (Standing.TO_DO if work.effects else Standing.IN_PLACE), work
    work = step.check(host)
    if context.has_history:
        work = context.settling.settle(step, work, host)
    if work.effects:
        return Standing.TO_DO, work
    if isinstance(step, Recoverable) and context.journal.unfinished(step):
        return Standing.TO_DO, Work(summary="started but not finished")
    return Standing.IN_PLACE, work


def _with_summary(work: Work, summary: str) -> Work:
    return Work(effects=work.effects, summary=summary, deferred=work.deferred, follow=work.follow)


def _not_known_yet(step: Step, error: MachineadmError) -> Look:
    summary = f"unknown until the steps before it have run: {error.message}"
    return Look(step=step, standing=Standing.TO_DO, work=Work(summary=summary))


def _as_event(one: Look, time: float) -> Event:
    from machineadm.execution.events import StepDeferred, StepDone

    if one.standing is Standing.DEFERRED:
        return StepDeferred(time=time, step=one.step.name, message=one.work.summary)
    return StepDone(
        time=time,
        step=one.step.name,
        change=Change.ALREADY_IN_PLACE,
        duration=0.0,
        message=one.work.summary,
        deferred=one.work.deferred,
    )


def is_deferred(step: Step, host: Host) -> bool:
    """Whether this run must leave a step to a later one."""
    return host.offline and step.live
