"""Another try for what may pass, for as long as a budget lasts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from machineadm.errors import HostError
from signing.publish.stores import Held, Item, PassingError, Store

if TYPE_CHECKING:
    from collections.abc import Callable

BUDGET: Final = 300.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

_Answer = TypeVar("_Answer")


class Retrying:
    """A store whose passing failures are tried again.

    A try whose answer was lost may have written: then the next one finds the object changed, and the
    publisher, which reads what it did not write, finds its own bytes.

    Args:
        store: The store itself.
        budget: Seconds that one operation may keep failing.
        sleep: Waits for that many seconds.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        *,
        budget: float = BUDGET,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Whoever has this has a Store, and asks it for these.
        self.stale_mark = store.stale_mark
        self.promise = store.promise
        self._store = store
        self._budget = budget
        self._sleep = sleep
        self._clock = clock

    def list(self, prefix: str) -> frozenset[str]:
        """As the store's own."""
        return self._again(lambda: self._store.list(prefix))

    def read(self, name: str) -> Held | None:
        """As the store's own."""
        return self._again(lambda: self._store.read(name))

    def create(self, name: str, item: Item) -> bool:
        """As the store's own."""
        return self._again(lambda: self._store.create(name, item))

    def replace(self, name: str, item: Item, mark: str) -> bool:
        """As the store's own."""
        return self._again(lambda: self._store.replace(name, item, mark))

    def _again(self, operation: Callable[[], _Answer]) -> _Answer:
        started, pause, attempts = self._clock(), FIRST_PAUSE, 1
        while True:
            try:
                return operation()
            except PassingError as error:
                # Written so that a pause that is not a number gives up, too.
                if not self._clock() - started + pause <= self._budget:
                    raise _given_up(error, attempts) from error
            self._sleep(pause)
            # Without jitter: there is one publisher at a time, not a fleet.
            attempts, pause = attempts + 1, min(pause * 2, LONGEST_PAUSE)


def _given_up(error: PassingError, attempts: int) -> HostError:
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    return HostError(error.code, f"{error.message} (given up after {tried})", hint=error.hint())
