"""Carrying out a plan: order, journal, recovery, retries, deadline.

The rules, in the order in which they bite:

1. Work that an earlier run began and did not end is judged or cleaned first, before any step.
2. A step that needs the running system is deferred below another root and never called.
3. A step that shows on the machine is checked, and applied only if something differs. A step that does not show is done
   if the journal says so, by name and digest.
4. The journal is flushed before the first effect of a step and after the last.
5. The first failure ends the run; the steps after it stay as they were. A failure that may pass is cleaned up and tried
   again as long as the step's own budget lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from machineadm.errors import (
    InternalError,
    InterruptedRunError,
    KubeadmError,
    MachineadmError,
    StepError,
)
from machineadm.execution.events import (
    KubeadmEnded,
    Observer,
    StepDeferred,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    plan_ready,
)
from machineadm.execution.journal import Journal
from machineadm.host.ports import Host
from machineadm.plan.model import Change, KubeadmRun, Outcome, Plan, Recoverable, Step

DEFERRED = "needs the running system"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a run that did not fail ended."""

    complete: bool
    """Nothing was deferred, in whole or in part."""


def execute(plan: Plan, host: Host, journal: Journal, observe: Observer) -> Verdict:
    """Carry out a plan, step by step.

    Args:
        plan: The steps, in order.
        host: The machine, or the tree that will be one.
        journal: This machine's journal.
        observe: Told of everything.

    Raises:
        MachineadmError: What the failed step raised, or InterruptedRunError between two steps.
    """
    return _Run(plan, host, journal, observe).all()


class _Run:
    def __init__(self, plan: Plan, host: Host, journal: Journal, observe: Observer) -> None:
        self._steps = plan.steps
        self._host = host
        self._journal = journal
        self._observe = observe
        self._complete = True

    def all(self) -> Verdict:
        self._observe(plan_ready(self._now(), ((one.name, one.phase) for one in self._steps)))
        recovered: set[str] = set()
        for step in self._steps:
            if not is_deferred(step, self._host) and self._recover(step):
                recovered.add(step.name)
        for index, step in enumerate(self._steps):
            self._one(step, self._steps[:index], done=step.name in recovered)
        return Verdict(complete=self._complete)

    def _recover(self, step: Step) -> bool:
        """Judge what an earlier run left of a step; True if it is done after all."""
        if not isinstance(step, Recoverable) or not self._journal.unfinished(step):
            return False
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
            self._report(step, outcome, self._since(began))

    def _report(self, step: Step, outcome: Outcome, duration: float) -> None:
        self._complete = self._complete and not outcome.deferred
        if outcome.kubeadm:
            self._observe(KubeadmEnded(time=self._now(), kubeadm=outcome.kubeadm))
        done = StepDone(
            time=self._now(),
            step=step.name,
            change=outcome.change,
            duration=duration,
            message=outcome.message,
            deferred=outcome.deferred,
        )
        self._observe(done)

    def _ensure(self, step: Step, before: Sequence[Step] = ()) -> Outcome:
        """Have a step in place, by as little as possible."""
        if step.once:
            if self._journal.finished(step):
                return _IN_PLACE
            return self._insist(step, before)
        outlook = step.check(self._host)
        if outlook.change is Change.ALREADY_IN_PLACE:
            return Outcome(
                change=outlook.change, message=outlook.summary, deferred=outlook.deferred
            )
        return self._insist(step, before)

    def _insist(self, step: Step, before: Sequence[Step]) -> Outcome:
        """Apply, again and again while the failure may pass and the step's budget lasts.

        Raises:
            StepError: The last attempt's.
        """
        first = self._host.clock.monotonic()
        attempt = 1
        while True:
            try:
                return self._apply(step)
            except StepError as error:
                elapsed = self._host.clock.monotonic() - first
                if not isinstance(step, Recoverable) or not error.passing:
                    raise
                delay = step.retry_delay(attempt, elapsed)
                if delay is None:
                    raise
                self._again(step, before, error, attempt, delay)
            attempt += 1

    def _again(
        self, step: Step, before: Sequence[Step], error: StepError, attempt: int, delay: float
    ) -> None:
        """Between two attempts: clean, wait, and mend what the cleaning took."""
        self._tell_kubeadm(error)
        retried = StepRetried(
            time=self._now(),
            step=step.name,
            attempt=attempt,
            delay=delay,
            code=error.code,
            message=error.message,
        )
        self._observe(retried)
        assert isinstance(step, Recoverable)  # noqa: S101 - for the type checker; the caller asked
        step.clean(self._host)
        self._journal.cleaned(step)
        self._host.clock.sleep(delay)
        for earlier in before:
            if not earlier.once and not is_deferred(earlier, self._host):
                self._ensure(earlier)

    def _apply(self, step: Step) -> Outcome:
        self._journal.started(step)
        try:
            outcome = step.apply(self._host)
        except InterruptedRunError:
            # As after a kill: it was started and not finished.
            raise
        except MachineadmError:
            self._journal.failed(step)
            raise
        self._journal.done(step)
        return outcome

    def _tell_kubeadm(self, error: MachineadmError) -> None:
        if isinstance(error, KubeadmError) and error.process_exit_code is not None:
            run = KubeadmRun(
                command=error.command, exit_code=error.process_exit_code, phase=error.kubeadm_phase
            )
            self._observe(KubeadmEnded(time=self._now(), kubeadm=run))

    @contextmanager
    def _reported(self, step: Step) -> Iterator[float]:
        """Make an event of a step's failure, and of a foreign exception one of ours that names the step.

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
            ours = InternalError("MA9001", f"step {step.name}: unexpected {type(error).__name__}")
            self._fail(step, ours, began)
            raise ours from error

    def _fail(self, step: Step, error: MachineadmError, began: float) -> None:
        self._tell_kubeadm(error)
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


def is_deferred(step: Step, host: Host) -> bool:
    """Whether this run must leave a step to a later one."""
    return host.offline and step.live
