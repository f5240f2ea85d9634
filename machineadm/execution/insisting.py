"""Trying again while a failure may pass and the step's budget lasts: for steps in the foreground and in the background."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from machineadm.errors import StepError
from machineadm.host.ports import Clock
from machineadm.plan.model import Outcome, Retryable, Step

Between = Callable[[StepError, int, float], None]
"""Between two attempts: takes the failure, the number of the attempt that failed, and the seconds that are waited."""


def insist(step: Step, apply: Callable[[], Outcome], clock: Clock, between: Between) -> Outcome:
    """Have a step done.

    Args:
        step: Says how long it is worth trying, if it is `Retryable`.
        apply: One attempt.
        clock: Measures the budget.
        between: Waits, and does what must be done before the next attempt.

    Raises:
        StepError: The last attempt's.
    """
    first = clock.monotonic()
    attempt = 1
    while True:
        try:
            outcome = apply()
        except StepError as error:
            delay = None
            # Both: a step says how long it is worth trying, and only the error knows whether it
            # can pass at all.
            if isinstance(step, Retryable) and error.passing:
                delay = step.retry_delay(attempt, clock.monotonic() - first)
            if delay is None:
                if attempt > 1:
                    error.message += f", tried {attempt} times"
                    # str() and tracebacks read args, which still have the shorter text.
                    error.args = (error.message,)
                raise
            between(error, attempt, delay)
        else:
            # Said in the report: a machine that needed three attempts is a hint at a registry
            # that is about to fail.
            if attempt > 1 and not outcome.message:
                message = f"succeeded at attempt {attempt}"
                outcome = msgspec.structs.replace(outcome, message=message)
            return outcome
        attempt += 1
