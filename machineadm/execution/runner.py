"""Carrying out a plan: order, journal, ledger, recovery, retries, follow-ups, deadline.

The rules, in the order in which they apply:

1. Work that an earlier run started and did not finish is judged or cleaned first, before any step.
2. A step that needs the running system is deferred below another root and never called.
3. A step that shows on the machine does the work that was seen before the run; if anything has changed since, it is looked at
   again first. A step that does not show is done if the journal says so, by name and digest.
4. Ledger and journal are flushed before the first effect of a step and after the last.
5. A follow-up is done before the first step that needs it, at the latest at the end of its phase.
6. The first failure ends the run; the steps after it stay as they were. A failure that may pass is cleaned up and tried
   again as long as the step's own budget lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from machineadm.errors import (
    InternalError,
    InterruptedRunError,
    MachineadmError,
    ProgramError,
    StepError,
)
from machineadm.execution.context import Context
from machineadm.execution.events import (
    MachineAttested,
    Observer,
    ProgramEnded,
    RebootRequired,
    StepDeferred,
    StepDone,
    StepFailed,
    StepStarted,
    plan_ready,
    retried,
    waiting,
)
from machineadm.execution.history import COMMANDS
from machineadm.execution.insisting import insist
from machineadm.execution.looking import CUT_OFF, DEFERRED, Ending, is_deferred
from machineadm.execution.taking_back import Restore, TakeBack
from machineadm.host.ports import Host, Waiting
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import (
    Attested,
    Background,
    Change,
    Needing,
    Outcome,
    Phase,
    ProgramRun,
    Recoverable,
    Step,
    Work,
)

if TYPE_CHECKING:
    # Threads are loaded where a plan has work for them.
    from machineadm.execution.background import Task


def execute(context: Context, looks: tuple[Look, ...], observe: Observer) -> Ending:
    """Carry out a plan, step by step.

    Args:
        context: The plan, the machine, and what is remembered of it.
        looks: What was seen of the steps.
        observe: Told of everything.

    Raises:
        MachineadmError: What the failed step raised, or InterruptedRunError between two steps.
    """
    run = _Run(context, looks, observe)
    try:
        return run.all()
    finally:
        run.end_background()


class _Run:
    def __init__(self, context: Context, looks: tuple[Look, ...], observe: Observer) -> None:
        self._context = context
        self._steps = context.steps
        self._host = context.host
        self._journal = context.journal
        self._histories = context.histories
        self._settling = context.settling
        self._noting = context.noting
        self._following = context.following
        self._looks = {one.step.name: one for one in looks}
        self._observe = observe
        self._complete = True
        self._changed = False
        """Something changed since the looks, so they no longer count."""
        self._background: list[Task] = []

    def all(self) -> Ending:
        self._observe(plan_ready(self._now(), ((one.name, one.phase) for one in self._steps)))
        # A run killed between writing a content and listing it left a blob that would take up space for ever.
        self._context.ledger.sweep()
        # First of the follow-ups: otherwise a reboot that a person has already done would be done
        # again.
        self._following.boot_happened()
        # Before the first step acts: a reset of kubeadm removes files of earlier steps. Their checks run after
        # it, see the loss, and write the files again.
        recovered: set[str] = set()
        for step in self._steps:
            if not is_deferred(step, self._host) and self._recover(step):
                recovered.add(step.name)
        # After recovery, which may have reset kubeadm: which commands count depends on whether a
        # node was begun.
        self._histories.begin()
        phase = Phase.BOOT
        for index, step in enumerate(self._steps):
            if step.phase is not phase:
                # What runs in the next phase relies on services that already have their new
                # configuration: kubeadm must not meet a containerd that is yet to be restarted.
                self._end_phase(phase)
                phase = step.phase
            self._join_before(step)
            self._tell_of_background()
            self._one(step, self._steps[:index], done=step.name in recovered)
        self._end_phase(phase)
        if self._context.mode != "boot":
            # An earlier run may have left follow-ups in a phase that this plan does not have.
            self._end_phase(Phase.POST_KUBEADM)
        if steps := self._following.reboot_required:
            self._observe(RebootRequired(time=self._now(), steps=steps))
        return Ending(complete=self._complete and not self._following.left)

    def _end_phase(self, phase: Phase) -> None:
        # No later step waits for these, so their failure must end the run here.
        self._join_all(phase)
        self._join_asking()
        self._follow(lambda: self._following.end_of(phase))

    def _follow(self, action: Callable[[], None]) -> None:
        """Do follow-ups. They change the machine, so later steps are looked at again.

        Raises:
            MachineadmError: One failed.
        """
        before = self._context.ledger.pending
        if before:
            action()
            # A restarted service can undo or create what later steps were seen to have in place.
            self._changed = self._changed or self._context.ledger.pending != before

    def _recover(self, step: Step) -> bool:
        """Judge what an earlier run left of a step.

        Returns:
            Whether the step turns out to be done after all.
        """
        if not isinstance(step, Recoverable) or not self._journal.unfinished(step):
            return False
        # Cleaning runs `kubeadm reset`, which removes files that the looks have seen in place.
        self._changed = True
        with self._reported(step):
            if step.recover(self._host):
                self._journal.done(step)
                return True
            self._journal.cleaned(step)
            return False

    def _one(self, step: Step, before: Sequence[Step], *, done: bool) -> None:
        if is_deferred(step, self._host):
            self._complete = False
            self._observe(StepDeferred(time=self._now(), step=step.name, message=DEFERRED))
            return
        self._observe(StepStarted(time=self._now(), step=step.name, phase=step.phase))
        with self._reported(step) as began:
            # Raises when the run was interrupted or its deadline has come.
            self._host.clock.sleep(0)
            outcome = _IN_PLACE if done else self._ensure(step, before)
            if outcome is not None:
                self._report(step, outcome, self._since(began))

    def _report(self, step: Step, outcome: Outcome, duration: float) -> None:
        self._complete = self._complete and not outcome.deferred
        self._tell(outcome.reports)
        done = StepDone(
            time=self._now(),
            step=step.name,
            change=outcome.change,
            duration=duration,
            message=outcome.message,
            deferred=outcome.deferred,
        )
        self._observe(done)

    def _ensure(self, step: Step, before: Sequence[Step] = ()) -> Outcome | None:
        """Have a step in place with as little work as possible.

        Returns:
            None if the step goes on in the background.
        """
        # Nothing on the machine shows that a command ran, so the journal decides.
        if step.once and self._journal.finished(step):
            return _IN_PLACE
        if isinstance(step, Needing):
            # The restart that this step needs may be one that background work has yet to ask for.
            self._join_asking()
            self._follow(lambda: self._following.needed(step.needs))
        work = self._work_of(step)
        if not step.once and not work.effects:
            # Nothing to write, but the file may be ours from now on, and history that no longer
            # counts can go.
            self._settled(step, work)
            return Outcome(
                change=Change.ALREADY_IN_PLACE, message=work.summary, deferred=work.deferred
            )
        # Cleaning between two attempts removes files of other steps, and putting those back is the runner's
        # work: a thread must not do either while the runner goes on.
        is_recoverable = isinstance(step, Recoverable)
        if isinstance(step, Background) and not is_recoverable:
            self._start(step, work)
            return None
        # Asked before it is started again, for then the journal has a new start of it.
        cut_off = step.once and not is_recoverable and self._journal.was_cut_off(step)
        outcome = self._insist(step, work, before)
        self._settled(step, work)
        if cut_off:
            message = "; ".join(filter(None, (outcome.message, CUT_OFF)))
            outcome = msgspec.structs.replace(outcome, message=message)
        return outcome

    def _work_of(self, step: Step) -> Work:
        """The work seen before the run, or, if anything has changed since, what a new look says."""
        seen = self._looks.get(step.name)
        if seen is not None and seen.standing is Standing.TO_DO and not seen.work.effects:
            seen = None  # its check failed then, because a command before it had not run yet
        if seen is None or self._changed:
            return self._settling.settle(step, step.check(self._host), self._host)
        return seen.work

    def _settled(self, step: Step, work: Work) -> None:
        """The step's files are as they should be, so drop the part of their history that no longer counts."""
        if not work.effects:
            self._noting.own(step, work, self._host)
        if not step.once:
            self._noting.forget_void(None if isinstance(step, Restore) else step)
        if isinstance(step, TakeBack):
            step.forget(self._host)

    def _insist(self, step: Step, work: Work, before: Sequence[Step]) -> Outcome:
        """Apply, and try again as long as the failure may pass and the step's budget lasts.

        Raises:
            StepError: The last attempt's.
        """

        def between(error: StepError, attempt: int, delay: float) -> None:
            self._again(step, before, error, attempt, delay)

        try:
            return insist(step, lambda: self._apply(step, work), self._host.clock, between)
        except StepError as error:
            if error.tolerated:
                return self._tolerate(step, error)
            raise

    def _again(
        self, step: Step, before: Sequence[Step], error: StepError, attempt: int, delay: float
    ) -> None:
        """Between two attempts: clean, wait, and put back what the cleaning or the attempt itself removed."""
        self._tell(_runs_of(error))
        self._observe(retried(step, error, attempt, delay, time=self._now()))
        if isinstance(step, Recoverable):
            # Cleaned before the wait, so that a run killed during the wait leaves nothing to
            # recover.
            step.clean(self._host)
            self._journal.cleaned(step)
        self._host.clock.sleep(delay)
        for earlier in (self._context.restore, *before):
            # A background step is changing its files right now; a check would find them half done.
            at_work = any(task.step is earlier for task in self._background)
            if not earlier.once and not at_work and not is_deferred(earlier, self._host):
                self._ensure(earlier)
        # Files that were put back may ask for a restart, and the next attempt relies on that restart.
        earlier_phases = list(Phase)[: list(Phase).index(step.phase)]
        if earlier_phases:
            self._follow(lambda: self._following.end_of(earlier_phases[-1]))

    def _tolerate(self, step: Step, error: StepError) -> Outcome:
        """A command that may fail (onFailure: Continue) has failed: what it did counts as if it had succeeded."""
        # Recorded as done, or every later run would run it again.
        self._journal.done(step)
        return Outcome(change=Change.CHANGED, message=f"{error.message}; onFailure: Continue")

    def _apply(self, step: Step, work: Work) -> Outcome:
        self._changed = True
        is_command = step.once and step.phase in COMMANDS
        # On a node the kubelet and etcd write to the watched directories all the time, and their changes would
        # be taken for the command's.
        looks = is_command and not self._histories.kubeadm_started
        before = self._noting.look_before(step, self._host) if looks else None
        self._begin(step, work)
        try:
            outcome = step.apply(self._watched(step), work)
        except InterruptedRunError:
            # Recorded neither as done nor as failed: a command that was stopped half-way counts as cut off, and the
            # next run starts it again.
            raise
        except MachineadmError:
            # A command that failed has changed files as well. The next run can put back only what
            # is noted here.
            if before is not None:
                self._noting.look_after(step, before, self._host)
            self._journal.failed(step)
            raise
        if before is not None:
            self._noting.look_after(step, before, self._host)
        self._finish(step, work)
        return outcome

    def _begin(self, step: Step, work: Work) -> None:
        """Record, before the first effect, all that a later run must know."""
        # The ledger reaches the disk before the journal has the start. After a kill the next run then knows what is
        # owned and what must follow, however far the step came.
        self._following.ask(step, work)
        self._noting.own(step, work, self._host)
        self._context.ledger.save()
        self._journal.started(step)

    def _finish(self, step: Step, work: Work) -> None:
        # `done` comes last: after a kill before it the step is looked at once more, and nothing is lost.
        self._noting.wrote(step, work, self._host)
        self._journal.done(step)

    def _watched(self, step: Step) -> Host:
        """The machine as seen by a step that may wait: its waits become events."""

        def tell(wait: Waiting) -> None:
            self._observe(waiting(step, wait, time=self._now()))

        return msgspec.structs.replace(self._host, waiting=tell)

    # Work in the background.

    def _start(self, step: Step, work: Work) -> None:
        from machineadm.execution.background import Task

        self._changed = True
        # Recorded here and not in the thread: journal and ledger have one writer, so they need no
        # lock.
        self._begin(step, work)
        self._background.append(Task(step, work, self._host))

    def _join_before(self, step: Step) -> None:
        for task in tuple(self._background):
            if _is_joined_by(task, step):
                self._join(task)

    def _join_asking(self) -> None:
        """Join background work that asks for a follow-up, which can be done only after the work."""
        for task in tuple(self._background):
            if task.work.follow:
                self._join(task)

    def _join_all(self, phase: Phase) -> None:
        for task in tuple(self._background):
            if not any(_is_joined_by(task, later) for later in self._later(phase)):
                self._join(task)

    def _later(self, phase: Phase) -> Iterator[Step]:
        order = list(Phase)
        return (s for s in self._steps if order.index(s.phase) > order.index(phase))

    def _join(self, task: Task) -> None:
        """Wait for background work, and record how it ended.

        Raises:
            MachineadmError: It failed.
            InterruptedRunError: The run was interrupted meanwhile.
        """
        self._background.remove(task)
        step, work = task.step, task.work
        with self._reported(step):
            try:
                outcome = task.wait(self._host.clock, self._observe)
            # Not recorded as failed: interrupted work counts as cut off, and the next run starts it again.
            except InterruptedRunError:
                raise
            except MachineadmError as error:
                self._journal.failed(step)
                if not isinstance(error, StepError) or not error.tolerated:
                    raise
                outcome = self._tolerate(step, error)
            else:
                self._finish(step, work)
            self._settled(step, work)
            self._report(step, outcome, task.duration)

    def _tell_of_background(self) -> None:
        for task in self._background:
            task.tell(self._observe)

    def end_background(self) -> None:
        """Stop background work when the run ends for another reason. It counts as cut off."""
        for task in self._background:
            # A download that goes on would write to the machine after the report has said Failed.
            task.cancel()
        self._background.clear()

    # Telling.

    def _tell(self, reports: Sequence[ProgramRun | Attested]) -> None:
        for one in reports:
            if isinstance(one, Attested):
                self._observe(MachineAttested(time=self._now(), attested=one))
            else:
                self._observe(ProgramEnded(time=self._now(), run=one))

    @contextmanager
    def _reported(self, step: Step) -> Iterator[float]:
        """Turn a step's failure into an event, and a foreign exception into one of ours that names the step.

        Raises:
            MachineadmError: What the step raised.
        """
        began = self._host.clock.monotonic()
        try:
            yield began
        except MachineadmError as error:
            self._fail(step, error, began)
            raise
        except Exception as error:
            # The type alone: the text of a foreign exception may quote a secret.
            ours = InternalError("MA9001", f"step {step.name}: unexpected {type(error).__name__}")
            self._fail(step, ours, began)
            raise ours from error

    def _fail(self, step: Step, error: MachineadmError, began: float) -> None:
        self._tell(_runs_of(error))
        failed = StepFailed(
            time=self._now(),
            step=step.name,
            duration=self._since(began),
            code=error.code,
            message=error.message,
        )
        self._observe(failed)

    def _now(self) -> float:
        return self._host.clock.now()

    def _since(self, began: float) -> float:
        return self._host.clock.monotonic() - began


_IN_PLACE = Outcome(change=Change.ALREADY_IN_PLACE)


def _is_joined_by(task: Task, step: Step) -> bool:
    return task.joined_before in (step.name, step.name.partition("/")[0])


def _runs_of(error: MachineadmError) -> tuple[ProgramRun, ...]:
    """What an error says about the program that failed."""
    if not isinstance(error, ProgramError) or error.process_exit_code is None:
        return ()
    return (
        ProgramRun(
            program=error.program,
            command=error.command,
            exit_code=error.process_exit_code,
            phase=error.phase,
        ),
    )
