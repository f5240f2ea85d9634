"""Asking sources in order, each name once, within one time limit for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from machineadm.host.instance.model import Source, UnknownError
from machineadm.host.ports import Clock

TIMEOUT: Final = 30.0
"""Seconds for all sources together, where the configuration does not say."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a name."""

    value: str
    source: str
    """Who said so."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """No source knows the value of a name."""

    said: tuple[tuple[str, str], ...]
    """Each source that was asked, and its answer."""

    @property
    def text(self) -> str:
        """All of it in one line."""
        return "; ".join(f"{source}: {answer}" for source, answer in self.said)


class Timeless:
    """For sources that take no time: a file that has been read."""

    @staticmethod
    def monotonic() -> float:
        """See `Clock.monotonic`."""
        return 0.0


class Lookup:
    """Finds values, and remembers them.

    Args:
        sources: In the order in which they are asked, each with the seconds that it may take in all; None: what is left.
        clock: Tells the time.
        timeout: Seconds for all of them.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Source, float | None]],
        clock: Clock | Timeless,
        timeout: float = TIMEOUT,
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._left = timeout
        self._spent: dict[str, float] = {}
        self._known: dict[str, Found | Missing] = {}

    def find(self, name: str) -> Found | Missing:
        """The value of a name, from the first source that knows it."""
        if name not in self._known:
            # Once, also if it failed: two references to one name must not differ, nor wait twice
            # for a service that is down.
            self._known[name] = self._ask(name)
        return self._known[name]

    def _ask(self, name: str) -> Found | Missing:
        said = []
        for source, most in self._sources:
            # Not asked and not said: a source that never knows names of this kind would only
            # lengthen the message.
            if name.partition(".")[0] not in source.kinds:
                continue
            before = self._clock.monotonic()
            left = self._left if most is None else most - self._spent.get(source.name, 0.0)
            left = min(left, self._left)
            # Said for each source: a list of those that were asked would hide that a later one
            # may know the name.
            if left <= 0:
                said.append((source.name, "was not asked: the time for instance data is over"))
                continue
            try:
                return Found(value=source.value(name, left), source=source.name)
            except UnknownError as error:
                said.append((source.name, error.reason))
            finally:
                took = self._clock.monotonic() - before
                # Also what a failed source took: a service that hangs must not take the time of
                # the whole boot for each name.
                self._left -= took
                self._spent[source.name] = self._spent.get(source.name, 0.0) + took
        return Missing(said=tuple(said))
