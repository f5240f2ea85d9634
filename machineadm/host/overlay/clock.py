"""A clock that never waits."""

from __future__ import annotations

from machineadm.host.overlay.commands import refuse
from machineadm.host.ports import Clock


class OverlayClock:
    """The Clock port: it tells the time; a check that waits is a mistake."""

    def __init__(self, real: Clock) -> None:
        self._real = real

    def now(self) -> float:
        """See `Clock.now`."""
        return self._real.now()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._real.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`.

        Raises:
            InternalError: It is more than a look whether the run must end.
        """
        if seconds:
            refuse(f"wait {seconds:g} s")
        # Passed on: a plan of a thousand steps must end at Ctrl-C as a run does.
        self._real.sleep(0)
