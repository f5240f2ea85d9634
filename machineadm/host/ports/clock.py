"""Time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time. Nothing else may read a clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01T00:00:00Z."""

    def monotonic(self) -> float:
        """Seconds since some fixed instant; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait; with 0 only check whether the run must end.

        Raises:
            InterruptedRunError: The run was interrupted or its deadline has come.
        """
