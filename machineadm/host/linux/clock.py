"""Time, and what ends a run early: signals and its deadline."""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from machineadm.errors import InterruptedRunError, MachineadmError

if TYPE_CHECKING:
    import signal
else:
    # What `signal` wraps: it makes enumerations of every signal there is, which costs a start 1%.
    import _signal as signal

# Python runs a signal handler only between two bytecodes of the main thread: library code in C
# may never come to one.
RESPITE = 8.0
"""Seconds within which a run that was asked to end must have ended; then the process is ended. Stopping a command takes 5 of
them; all of it stays below the 10 that a run may outlast its deadline."""
LAST_WORD = 1.0
"""Seconds that the report of such an end may take: the disk it goes to may be what hangs."""
_AGAIN = 1.0
_ENDING: dict[int, str] = {
    signal.SIGTERM: "SIGTERM",
    signal.SIGINT: "SIGINT",
    signal.SIGHUP: "SIGHUP",
}
_RESUME = "run the same command again; it continues where this run stopped"

LastWord = Callable[[MachineadmError], int]
"""Reports why the process is ended, in a thread of its own; gives the exit code."""


class Interruption:
    """Whether the run must end: one object that clock and commands ask.

    A context manager. Within it SIGTERM, SIGINT, SIGHUP and the deadline raise InterruptedRunError wherever the run is, once:
    no read, no connection and no computation needs to ask. Code that must not be torn apart uses `held`, and asks. If
    the error gets nowhere, as in library code that waits for ever, a thread ends the process after RESPITE.
    Outside of the context only the deadline counts, for those who ask.

    Args:
        deadline: Seconds from now until the run is out of time; None: never.
    """

    def __init__(self, deadline: float | None = None) -> None:
        # Monotonic: on a first boot NTP may move the wall clock by years.
        self._began = time.monotonic()
        self._budget = deadline
        self._signal: int | None = None
        self._asked: float | None = None
        """When a signal asked the run to end, on the monotonic clock."""
        self._before: dict[int, object] = {}
        self._thread = _thread.get_ident()
        self._held = 0
        self._raised = False
        self._settled = False
        self._last_word: LastWord = lambda error: error.exit_code
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watchdog: _Watchdog | None = None
        self.groups: set[int] = set()
        """Process groups of commands that run now: they go with the process if it is ended by force."""

    def __enter__(self) -> Interruption:
        self._watchdog = _Watchdog(self)
        for number in (*_ENDING, signal.SIGALRM):
            # A signal that somebody ignores on purpose (nohup) stays ignored.
            if number == signal.SIGALRM or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        self._set_timer()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # First, so that a signal in the middle of this raises nothing.
        self._settled = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()
        if self._watchdog is not None:
            self._watchdog.end()

    def fileno(self) -> int:
        """A descriptor that becomes readable, and stays so, when a signal has come."""
        return self._wake_read

    def limit(self, seconds: float) -> None:
        """Set another deadline, counted from when the run began."""
        # From the start of the run: a configuration that came late by a slow download gets no
        # more time by it.
        self._budget = seconds
        if self._watchdog is not None:
            self._set_timer()
            self._watchdog.look()

    def remaining(self) -> float | None:
        """Seconds until the deadline, not below 0; None without one."""
        if self._budget is None:
            return None
        # Not below 0, which select(2) would refuse.
        return max(0.0, self._began + self._budget - time.monotonic())

    def respite(self) -> float:
        """Seconds until the process would be ended, not below 0; infinite while neither a deadline nor a signal asks for it."""
        asked = [] if self._asked is None else [self._asked]
        if self._budget is not None:
            asked.append(self._began + self._budget)
        return max(0.0, min(asked) + RESPITE - time.monotonic()) if asked else float("inf")

    def due(self) -> bool:
        """Whether the run must end now."""
        return self._signal is not None or self.remaining() == 0.0

    def check(self) -> None:
        """Raise if the run must end.

        Raises:
            InterruptedRunError: A signal or the deadline has come.
        """
        if self.due():
            # In another thread the error ends that thread's work alone, and the run itself has
            # yet to be told.
            self._raised = self._raised or self._is_ours()
            raise self.reason()

    def reason(self) -> InterruptedRunError:
        """Why the run must end."""
        if self._signal is not None:
            name = _ENDING.get(self._signal, f"signal {self._signal}")
            return InterruptedRunError("MA6002", f"interrupted by {name}", hint=_RESUME)
        return InterruptedRunError(
            "MA6003",
            f"out of time: the run reached its deadline of {self._budget or 0.0:g} s",
            hint=f"{_RESUME}; --deadline or spec.deadline allows more time",
        )

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the run.

        Raises:
            InterruptedRunError: As `check`.
        """
        end = time.monotonic() + seconds
        while True:
            self.check()
            left = end - time.monotonic()
            if left <= 0:
                return
            remaining = self.remaining()
            # On the pipe and not time.sleep(): PEP 475 has sleep go on after a handler that
            # raises nothing, which is the case while held.
            select.select([self], [], [], left if remaining is None else min(left, remaining))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within this nothing is raised unasked: the code inside must ask `due` often, and end in order.

        In threads other than the run's it has no effect, since nothing is raised there.
        """
        ours = self._is_ours()
        # A count and no flag: a command that is run within held code must not release it at its
        # end.
        self._held += ours
        try:
            yield
        finally:
            self._held -= ours

    def settle(self) -> None:
        """From now on nothing is raised unasked: how the run ends is decided, and is being reported."""
        self._settled = True

    def at_last(self, word: LastWord) -> None:
        """Set what to report when the process is ended because the run does not end by itself.

        Args:
            word: Must not depend on anything that the run may hang in.
        """
        self._last_word = word

    def last_word(self) -> int:
        """Report why the process is ended, and return its exit code."""
        reason = self.reason()
        code = self._last_word(reason)
        if code != reason.exit_code:
            return code
        line = f"machineadm: {reason.code} {reason.message}\n  hint: {reason.hint()}\n"
        with contextlib.suppress(OSError):
            # By descriptor: sys.stderr has a lock, and the thread that hangs may hold it.
            os.write(2, line.encode(errors="replace"))
        return code

    def take(self, number: int) -> None:
        """Note that a signal has come; from any thread."""
        # The timer is our own way of being called back. Noted as the reason, it would hide which
        # signal a person has sent.
        if number != signal.SIGALRM:
            # The first counts: SIGTERM is often followed by others of a service manager that
            # loses its patience.
            self._signal = self._signal or number
            self._asked = self._asked or time.monotonic()
        # A full pipe is readable already, which is all that is needed.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")

    def _is_ours(self) -> bool:
        return _thread.get_ident() == self._thread

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.take(number)
        if self._raised or self._settled:
            # Only once: a second error would tear apart the cleanup after the first.
            signal.setitimer(signal.ITIMER_REAL, 0)
        elif self._held:
            # The held code may end without asking. The timer brings us back here, until the error
            # can be raised.
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            self.check()
            self._set_timer()

    def _set_timer(self) -> None:
        remaining = self.remaining()
        if remaining is not None:
            # Zero would switch the timer off.
            signal.setitimer(signal.ITIMER_REAL, max(remaining, 0.001))


class _Watchdog:
    """Ends the process if the run should have ended and has not.

    A thread, because the run may hang where Python runs no signal handler: in getaddrinfo(3), a key derivation,
    a disk. It touches nothing as long as the run goes on.
    """

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption
        self._over = False
        # Without O_CLOEXEC every program that is started would keep the pipe open, and could
        # write a signal's number into it.
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # The C-level handler writes each signal's number there at once, whatever the main thread is doing.
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._running = _thread.allocate_lock()
        self._running.acquire()
        # _thread and not threading, whose import every start would pay for.
        _thread.start_new_thread(self._watch, ())

    def look(self) -> None:
        """Wake it up to look at the deadline again."""
        os.write(self._write, b"\0")

    def end(self) -> None:
        """End the thread."""
        # Before the wake-up: the thread looks at it right after select returns.
        self._over = True
        signal.set_wakeup_fd(self._wakeup_before)
        self.look()
        # Until the thread has ended: a closed descriptor's number may be given to another file,
        # which it would then read.
        self._running.acquire()
        os.close(self._read)
        os.close(self._write)

    def _watch(self) -> None:
        try:
            while not self._over and not self._interruption.due():
                select.select([self._read], [], [], self._interruption.remaining())
                self._take_numbers()
            end = time.monotonic() + RESPITE
            while not self._over and time.monotonic() < end:
                time.sleep(0.05)
            if not self._over:
                self._end_process()
        finally:
            self._running.release()

    def _take_numbers(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._read, 64):
                if number:
                    self._interruption.take(number)

    def _end_process(self) -> None:
        code = self._interruption.reason().exit_code
        said = _thread.allocate_lock()
        said.acquire()

        def say() -> None:
            nonlocal code
            try:
                code = self._interruption.last_word()
            finally:
                said.release()

        # In a thread of its own: the report goes to a disk, which may be what hangs.
        _thread.start_new_thread(say, ())
        said.acquire(timeout=LAST_WORD)
        # What the run was waiting for must not outlive it: an orphan holds the lock, and no later run could begin.
        for group in tuple(self._interruption.groups):
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        # Not sys.exit, which would end this thread alone; and the interpreter's shutdown would wait
        # for what hangs.
        os._exit(code)


class LinuxClock:
    """The Clock port."""

    def __init__(self, interruption: Interruption) -> None:
        self._interruption = interruption

    def now(self) -> float:
        """See `Clock.now`."""
        return time.time()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self._interruption.wait(seconds)
