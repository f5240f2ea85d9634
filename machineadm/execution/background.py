"""Work that goes on while later steps are carried out.

A thread does the step's work, again if a failure may pass, and nothing else. Journal, ledger and report belong to the runner, which
writes them before the thread starts and after it was joined. The thread queues its events for the runner. After a kill in
between, the step counts as started and not finished, like any other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from machineadm.errors import InternalError, InterruptedRunError, MachineadmError, StepError
from machineadm.execution.events import Event, Observer, retried, waiting
from machineadm.execution.insisting import insist
from machineadm.host.ports import Clock, CommandResult, Commands, Host, Waiting
from machineadm.plan.model import Background, Outcome, Step, Work
from machineadm.redaction import Secret

_LOOK = 0.1
_PATIENCE = 5.0
_PIECE = 0.5


class Task:
    """A step at work in a thread of its own, from the moment it is made.

    Args:
        step: A `Background` step.
        work: What it does.
        host: The machine.
    """

    def __init__(self, step: Step, work: Work, host: Host) -> None:
        self.step = step
        self.work = work
        self.joined_before = step.joined_before if isinstance(step, Background) else ""
        self.duration = 0.0
        self._cancelled = threading.Event()
        # append and popleft are atomic, so the runner takes events without a lock while the thread
        # adds some.
        self._told: deque[Event] = deque()
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._clock = host.clock
        # A daemon: a thread stuck in a system call must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, args=(self._host(host),), daemon=True)
        self._thread.start()

    def tell(self, observe: Observer) -> None:
        """Pass on the events since the last call."""
        while self._told:
            observe(self._told.popleft())

    def wait(self, clock: Clock, observe: Observer) -> Outcome:
        """Wait for its end.

        Args:
            clock: Says when the run is interrupted.
            observe: Called with what it reports meanwhile.

        Raises:
            MachineadmError: It failed.
            InterruptedRunError: The run was interrupted meanwhile.
            InternalError: It failed with what is not an error of ours.
        """
        while self._thread.is_alive():
            # Short, because a thread that waits in join() raises nothing when a signal comes.
            self._thread.join(_LOOK)
            self.tell(observe)
            try:
                # Raises when the run was interrupted or its deadline has come: the wait must not
                # outlast either.
                clock.sleep(0)
            except InterruptedRunError:
                self.cancel()
                raise
        self.tell(observe)
        if isinstance(self._error, MachineadmError):
            raise self._error
        # Without outcome and error a thread was ended by the interpreter itself; that must not
        # pass for success.
        if self._error is not None or self._outcome is None:
            name = type(self._error).__name__
            raise InternalError(
                "MA9001", f"step {self.step.name}: unexpected {name}"
            ) from self._error
        return self._outcome

    def cancel(self) -> None:
        """Have it end soon, and with it the program that it runs."""
        self._cancelled.set()
        # Bounded: the run has 8 seconds in all to end before its watchdog kills the process.
        self._thread.join(_PATIENCE)

    def _run(self, host: Host) -> None:
        began = self._clock.monotonic()

        def again(error: StepError, attempt: int, delay: float) -> None:
            self._told.append(retried(self.step, error, attempt, delay, time=host.clock.now()))
            host.clock.sleep(delay)

        try:
            self._outcome = insist(
                self.step, lambda: self.step.apply(host, self.work), host.clock, again
            )
        # Everything: an exception that ends a thread is otherwise printed with its traceback, and
        # the runner would not know what it was.
        except BaseException as error:
            self._error = error
        self.duration = self._clock.monotonic() - began

    def _host(self, host: Host) -> Host:
        """The machine as seen by a thread that can be asked to end."""
        clock = _CancellableClock(host.clock, self._cancelled)
        commands = host.commands and _CancellableCommands(host.commands, self._cancelled)

        def tell(wait: Waiting) -> None:
            self._told.append(waiting(self.step, wait, time=clock.now()))

        return msgspec.structs.replace(host, clock=clock, commands=commands, waiting=tell)


class _CancellableClock:
    def __init__(self, real: Clock, cancelled: threading.Event) -> None:
        self._real = real
        self._cancelled = cancelled

    def now(self) -> float:
        return self._real.now()

    def monotonic(self) -> float:
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        until = self._real.monotonic() + seconds
        while True:
            if self._cancelled.is_set():
                raise InterruptedRunError("MA6002", "stopped with the run that started it")
            left = until - self._real.monotonic()
            # In pieces, so that a cancelled thread ends now and not at its next attempt.
            self._real.sleep(max(0.0, min(left, _PIECE)))
            if left <= _PIECE:
                return


class _CancellableCommands:
    def __init__(self, real: Commands, cancelled: threading.Event) -> None:
        self._real = real
        self._cancelled = cancelled

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret] | None = None,
        directory: str = "/",
        timeout: float | None = None,
        input: bytes | None = None,
        quiet: bool = False,
        note: str = "",
        attend: Callable[[str], None] | None = None,
    ) -> CommandResult:
        def look(output: str) -> None:
            # An error raised in `attend` ends the program.
            if self._cancelled.is_set():
                raise InterruptedRunError("MA6002", "stopped with the run that started it")
            if attend is not None:
                attend(output)

        return self._real.run(
            argv,
            environment=environment,
            directory=directory,
            timeout=timeout,
            input=input,
            quiet=quiet,
            note=note,
            attend=look,
        )
