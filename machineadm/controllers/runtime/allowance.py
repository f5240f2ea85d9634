"""How often somebody may do something: a bucket of tokens for each, as client-go's EventSourceObjectSpamFilter has it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from machineadm.controllers.runtime.recent import Recent

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
        self._clock = clock
        self._left = Recent[Who, tuple[float, float]](known)

    def allows(self, who: Who) -> bool:
        """Whether one more is allowed now; it counts then."""
        now = self._clock()
        # Whoever is new has the whole burst: a controller that was restarted must not refuse
        # machines that did nothing wrong.
        left, at = self._left.get(who) or (self._burst, now)
        left = min(self._burst, left + (now - at) * self._rate)
        allowed = left >= 1.0
        # Also where it is not allowed: who is forgotten first is who asked nothing for longest.
        self._left.put(who, (left - 1.0 if allowed else left, now))
        return allowed
