"""Time, and the ways in which a run is told to end: signals and its deadline."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType, TracebackType

from machineadm.errors import InterruptedRunError

_RESUME = "run the same command again; it goes on where this run stopped"


class Interruption:
    """Whether the run shall end: one object that clock and commands ask.

    A context manager: within it SIGTERM, SIGINT and SIGHUP no longer kill the process but are noted, and wake whoever
    waits. Outside of it only the deadline counts.

    Args:
        deadline: Seconds from now until the run is out of time; None: never.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._budget = deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._signal: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Interruption:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # What somebody had ignored on purpose (nohup) stays so.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def fileno(self) -> int:
        """A descriptor that becomes readable, and stays so, when a signal has come."""
        return self._wake_read

    def remaining(self) -> float | None:
        """Seconds until the deadline, not below 0; None without one."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def due(self) -> bool:
        """Whether the run shall end now."""
        return self._signal is not None or self.remaining() == 0.0

    def check(self) -> None:
        """Nothing, unless the run shall end.

        Raises:
            InterruptedRunError: A signal or the deadline has come.
        """
        if self._signal is not None:
            raise InterruptedRunError("MA6002", f"interrupted by {self._signal.name}", hint=_RESUME)
        if self.remaining() == 0.0:
            raise InterruptedRunError(
                "MA6003",
                f"out of time: the run's deadline of {self._budget:g} s has come",
                hint=f"{_RESUME}; --deadline gives it more time",
            )

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the run may go on.

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
            select.select([self], [], [], left if remaining is None else min(left, remaining))

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        # A full pipe is readable as it is.
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_write, b"!")


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
