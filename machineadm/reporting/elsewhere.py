"""A report that also goes to somebody else, beside the run and never in its way.

Only the latest status counts: while one is being sent, or the interval has not passed, a newer one replaces the waiting one. The
last one is always sent. A report that cannot be sent fails no run; the run's own report says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from machineadm.api.v1alpha1.status import BootstrapStatus
from machineadm.errors import MachineadmError
from machineadm.reporting.sinks import encode

PATIENCE: Final = 15.0
"""Seconds that a run waits at its end for its last report to arrive."""
_OWN_REPORT: Final = 2.0
"""Seconds that are left to note in the machine's own report that this one has not arrived."""


class Elsewhere:
    """Sends statuses, in a thread of its own.

    Args:
        send: Sends one, as JSON. Raises MachineadmError where that fails.
        interval: Seconds between two reports at least.
        failed: Told of the first failure, for the console; called in the thread.
        patience: As of `PATIENCE`.
        respite: Seconds until the process would be ended by force: at its deadline a run waits no longer than that allows.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        interval: float,
        failed: Callable[[MachineadmError], None] = lambda _: None,
        patience: float = PATIENCE,
        respite: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self._send = send
        self._interval = interval
        self._failed = failed
        self._patience = patience
        self._respite = respite
        # One condition for both: a new status and the end of the run wake the same thread.
        self._changed = threading.Condition()
        self._latest: BootstrapStatus | None = None
        self._ends = False
        self._error: MachineadmError | None = None
        self._told = False
        # A daemon: a receiver that never answers must not keep the process from exiting.
        self._thread = threading.Thread(target=self._work, daemon=True, name="reports")
        self._thread.start()

    def tell(self, status: BootstrapStatus) -> None:
        """Have a status sent as soon as the interval allows; returns at once."""
        with self._changed:
            # In the place of one that waits: only the newest is of use to anybody.
            self._latest = status
            self._changed.notify()

    def finish(self, status: BootstrapStatus) -> MachineadmError | None:
        """Have the last status sent now, and wait for it to arrive.

        Returns:
            Why it has not arrived; None if it has.
        """
        with self._changed:
            self._latest = status
            self._ends = True
            self._changed.notify()
        # At the deadline the process is ended by force: what is left must be enough for the
        # machine's own report.
        patience = max(0.0, min(self._patience, self._respite() - _OWN_REPORT))
        self._thread.join(patience)
        if self._thread.is_alive():
            return MachineadmError("MA6030", f"the report did not arrive within {patience:.3g} s")
        return self._error

    def _work(self) -> None:
        while (status := self._next()) is not None:
            try:
                self._send(encode(status))
            except MachineadmError as error:
                self._error = error
                if not self._told:
                    self._told = True
                    self._failed(error)
            except Exception as error:
                # A bug of ours: noted, but no reason to lose the reports that follow.
                self._error = MachineadmError("MA9001", f"unexpected {type(error).__name__}")
            else:
                # The next one that arrives makes up for those that did not.
                self._error = None
            with self._changed:
                # Ends early with the run: the last report does not wait for the interval.
                self._changed.wait_for(lambda: self._ends, self._interval)

    def _next(self) -> BootstrapStatus | None:
        """The status to send now; None when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._latest is not None or self._ends)
            # Taken out under the lock, so that one that comes meanwhile is not lost.
            status, self._latest = self._latest, None
            return status
