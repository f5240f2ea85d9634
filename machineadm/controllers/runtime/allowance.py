"""How often somebody may do something: a bucket of tokens for each, as client-go's EventSourceObjectSpamFilter has it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Who = TypeVar("Who", bound=Hashable)


class Allowance(Generic[Who]):
    """What each has left.

    Args:
        burst: How many at once.
        period: Seconds in which that many are allowed again.
        known: How many somebodies are remembered. It bounds the memory that strangers can take; whoever is forgotten has
            the whole burst again.
        clock: Seconds that never go back.
    """

    def __init__(
        self, burst: int, period: float, *, known: int, clock: Callable[[], float]
    ) -> None:
        self._burst = float(burst)
        self._rate = burst / period
        self._most = known
        self._clock = clock
        self._left: OrderedDict[Who, tuple[float, float]] = OrderedDict()

    def allows(self, who: Who) -> bool:
        """Whether one more is allowed now; it counts then."""
        now = self._clock()
        # Whoever is new has the whole burst: a controller that was restarted must not refuse
        # machines that did nothing wrong.
        left, at = self._left.pop(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        allowed = left >= 1.0
        # Put in anew, so that the first of all is who did nothing for longest.
        self._left[who] = (left - 1.0 if allowed else left, now)
        while len(self._left) > self._most:
            self._left.popitem(last=False)
        return allowed
