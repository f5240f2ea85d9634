"""Time that a test makes pass."""

from __future__ import annotations

from machineadm.errors import InterruptedRunError


class FakeClock:
    """Time that passes when somebody sleeps, or when a test says so.

    Attributes:
        slept: Every pause, in order.
        deadline: Monotonic instant at which the run is out of time; None: never.
        interrupted: Set it, and the next sleep raises.
    """

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.elapsed = 0.0
        self.slept: list[float] = []
        self.deadline: float | None = None
        self.interrupted = False

    def now(self) -> float:
        return self.time + self.elapsed

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        if self.interrupted:
            raise InterruptedRunError("MA6002", "interrupted by SIGTERM")
        if self.deadline is not None and self.elapsed + seconds >= self.deadline:
            self.elapsed = max(self.elapsed, self.deadline)
            raise InterruptedRunError("MA6003", "out of time")
        if seconds:
            self.slept.append(seconds)
        self.elapsed += seconds
