"""Which object is looked at next: each key at most once in the queue, at most once at a time, and not before its time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable
from enum import IntEnum
from typing import Final

from machineadm.controllers.runtime.store import Key

# A second at least, since most failures are a server that is restarting; five minutes at most,
# since nobody waits longer for a machine.
_FIRST_PAUSE: Final = 1.0
_STEP: Final = 0.005
_LONGEST_PAUSE: Final = 300.0
_MOST_DOUBLED: Final = 16


class Urgency(IntEnum):
    """What comes first: a machine that waits to be made, then what has changed, then what a timer asks for."""

    NEW = 0
    CHANGED = 1
    TIMER = 2


class Queue:
    """Keys to be looked at.

    Args:
        interval: Seconds between two looks at the same key: whoever writes in a loop does not occupy a worker.
        waited: Told how long each key waited for a worker.
    """

    def __init__(
        self, *, interval: float = 1.0, waited: Callable[[float], None] = lambda _: None
    ) -> None:
        # One second, as Cluster API's ReconcilerRateLimiting: it bounds what a status that two
        # writers fight over can cost.
        self._interval = interval
        self._waited = waited
        self._since: dict[Key, float] = {}
        """When a key was put into the heap first."""
        # A heap and not three lists: the number keeps the order of arrival among equals.
        self._heap: list[tuple[Urgency, int, Key]] = []
        self._waiting: dict[Key, Urgency] = {}
        """In the heap, with the urgency that counts; other entries of the heap are stale."""
        self._running: set[Key] = set()
        self._again: dict[Key, Urgency] = {}
        """Asked for while they run."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._last: dict[Key, float] = {}
        # By key and not for the whole queue: one broken object must not slow down the others.
        self._failures: dict[Key, int] = {}
        self._number = itertools.count()
        self._pushed = asyncio.Semaphore(0)
        """Counts the entries of the heap."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Key, urgency: Urgency = Urgency.CHANGED) -> None:
        """Ask for a look, as soon as a worker is free and `interval` has passed."""
        # Never two workers on one object: they would write over each other's work.
        if key in self._running:
            self._again[key] = min(urgency, self._again.get(key, urgency))
            return
        loop = asyncio.get_running_loop()
        # From the beginning of the last look: one that took long has waited its time already.
        since = loop.time() - self._last.get(key, -self._interval)
        if since < self._interval:
            self.add_after(key, self._interval - since, urgency)
            return
        self._drop_timer(key)
        # Put in again where it is more urgent: an entry of a heap cannot be moved, so the old one
        # goes stale.
        if urgency < self._waiting.get(key, len(Urgency)):
            self._waiting[key] = urgency
            self._since.setdefault(key, loop.time())
            heapq.heappush(self._heap, (urgency, next(self._number), key))
            self._pushed.release()

    def add_after(self, key: Key, seconds: float, urgency: Urgency = Urgency.TIMER) -> None:
        """Ask for a look in so many seconds; of several such wishes the earliest counts."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        # The earlier one does for both: whoever looks decides anew when to look again.
        if timer is not None and timer.when() <= loop.time() + seconds:
            return
        self._drop_timer(key)
        self._timers[key] = loop.call_later(seconds, self._due, key, urgency)

    async def get(self) -> Key:
        """Wait for the next key. It is not given out again before `done`."""
        while True:
            await self._pushed.acquire()
            urgency, _, key = heapq.heappop(self._heap)
            if self._waiting.get(key) != urgency:
                continue  # asked for again with more urgency, or forgotten
            del self._waiting[key]
            self._running.add(key)
            now = self._last[key] = asyncio.get_running_loop().time()
            # Since it was put into the heap, not since it was asked for: the interval and a timer
            # are meant to pass, and would hide that there are too few workers.
            self._waited(now - self._since.pop(key, now))
            return key

    def done(self, key: Key, *, failed: bool = False) -> None:
        """Say that the look at a key is over.

        Args:
            key: As `get` gave it.
            failed: It ended in an error: it is tried again after a pause that grows with each failure, up to five minutes.
        """
        # First, or `add` below would take the key for one that is still being worked on.
        self._running.discard(key)
        # What was asked for meanwhile comes after the pause for a failure was set, so that a change
        # is looked at before it ends.
        again = self._again.pop(key, None)
        if failed:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            # The formula of controller-runtime's default limiter, with a lower cap. The exponent is
            # bounded as well: after a thousand failures, four days, 2**failures is no float any
            # more, and the worker would end with the error.
            pause = _FIRST_PAUSE + _STEP * 2 ** min(failures, _MOST_DOUBLED)
            self.add_after(key, min(pause, _LONGEST_PAUSE))
        else:
            self._failures.pop(key, None)
        if again is not None:
            self.add(key, again)

    def forget(self, key: Key) -> None:
        """Drop everything about a key whose object is gone."""
        self._drop_timer(key)
        self._waiting.pop(key, None)
        self._since.pop(key, None)
        self._again.pop(key, None)
        self._last.pop(key, None)
        self._failures.pop(key, None)

    def _due(self, key: Key, urgency: Urgency) -> None:
        self._timers.pop(key, None)
        self.add(key, urgency)

    def _drop_timer(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
