"""Several controllers in one process, as one: they work, drain and end together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from machineadm.controllers.runtime.process import Controller
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.tasks import cancelled


class Together:
    """Controllers that run as one.

    Args:
        controllers: Each with reflectors of its own.
    """

    def __init__(self, controllers: Sequence[Controller]) -> None:
        self._controllers = tuple(controllers)
        # One list for all, so that readiness and metrics see every cache once: the second
        # controller shares those of the first.
        self.reflectors: list[Reflector[Any]] = [
            reflector for one in controllers for reflector in one.reflectors
        ]

    @property
    def queued(self) -> int:
        """How many keys wait."""
        return sum(one.queued for one in self._controllers)

    @property
    def workers_busy(self) -> int:
        """How many keys are being worked on."""
        return sum(one.workers_busy for one in self._controllers)

    async def mirror(self) -> None:
        """Keep all caches until cancelled."""
        await asyncio.gather(*(one.mirror() for one in self._controllers))

    async def work(self) -> None:
        """Work until all are drained, or one fails, or cancelled."""
        tasks = [asyncio.ensure_future(one.work()) for one in self._controllers]
        try:
            # FIRST_EXCEPTION and not gather: at a drain all of them end well, one after the other,
            # and none may be cancelled before.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            # One that failed takes the others along: half a process that holds the Lease is worse
            # than none.
            await cancelled(*tasks)

    async def drain(self) -> None:
        """Take up nothing more, and return when what is begun is done."""
        await asyncio.gather(*(one.drain() for one in self._controllers))

    def lacks(self) -> list[str]:
        """What is missing until all could work."""
        return [lacking for one in self._controllers for lacking in one.lacks()]

    def by_readiness(self) -> dict[tuple[str, str], int]:
        """How many objects there are by status and reason of `Ready`."""
        found: Counter[tuple[str, str]] = Counter()
        for one in self._controllers:
            found.update(one.by_readiness())
        return found
