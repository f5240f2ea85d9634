"""Looks into stores for what machines have reported there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from machineadm.controllers.capi.types import Bootstrap
from machineadm.controllers.reports.intake import Intake
from machineadm.controllers.reports.reading import ReportError, read
from machineadm.controllers.runtime.client import ApiError
from machineadm.controllers.runtime.logs import about
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.store import Key, Store
from machineadm.controllers.stores.opening import Stores
from machineadm.controllers.stores.port import STORE_ANNOTATION, StoreError, parts_of

INTERVAL: Final = 30.0
"""Seconds between two looks at a machine's report."""

# As many as the intake reads at once, and for the same memory.
_AT_ONCE: Final = 16

_LOG = logging.getLogger(__name__)


class Poller:
    """Reads reports that are in stores, and hands on what is new.

    Args:
        stores: The stores.
        bootstraps: The MachineBootstraps there are.
        intake: Takes what is new.
        metrics: Count the reports.
        works: Whether this process is the one that works: the others would ask the same.
        interval: Seconds between two looks.
    """

    def __init__(
        self,
        stores: Stores,
        bootstraps: Store[Bootstrap],
        intake: Intake,
        *,
        metrics: Metrics,
        works: Callable[[], bool],
        interval: float = INTERVAL,
    ) -> None:
        self._stores = stores
        self._bootstraps = bootstraps
        self._intake = intake
        self._metrics = metrics
        self._works = works
        self._interval = interval
        self._tags: dict[str, str] = {}
        """By uid, which report was read last."""
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            if self._works():
                await self.look()

    async def look(self) -> None:
        """Look once at every machine that may have something to tell."""
        # Looked for anew each time: what changes meanwhile is found half a minute later.
        wanted = [one for one in self._bootstraps if _may_tell(one)]
        there = {one.uid for one in wanted}
        # Forgotten with their objects, or the map would grow for as long as the process lives.
        self._tags = {uid: tag for uid, tag in self._tags.items() if uid in there}
        await asyncio.gather(*(self._look_at(one) for one in wanted))

    async def _look_at(self, one: Bootstrap) -> None:
        async with self._slots:
            try:
                await self._read(one)
            except (StoreError, ApiError) as error:
                self._failed(one.key, str(error))
            except ReportError as error:
                self._metrics.report_ended("malformed")
                self._failed(one.key, str(error))
            except Exception:
                # A fault of ours in one report must not end the reading of all the others.
                _LOG.exception("internal error", extra=_named(one.key))

    async def _read(self, one: Bootstrap) -> None:
        found_at = parts_of(one.annotations[STORE_ANNOTATION])
        # Opened for each machine: what costs something, the Secrets, is remembered there for a
        # minute.
        store = await self._stores.opened(one.namespace, *found_at)
        found = await store.report(one.key, self._tags.get(one.uid, ""))
        if found is None:
            return
        data, tag = found
        # Also one that cannot be read: it is told once, and not every half a minute.
        self._tags[one.uid] = tag
        _, result, _ = await self._intake.take(one.key, read(data))
        self._metrics.report_ended(result)

    def _failed(self, key: Key, why: str) -> None:
        _LOG.warning("no report was read: %s", why, extra=_named(key))


def _may_tell(one: Bootstrap) -> bool:
    report = one.status.get("report") or {}
    # Only success is an end: after a failure somebody may start the agent again.
    over = isinstance(report, dict) and report.get("phase") == "Succeeded"
    return (
        STORE_ANNOTATION in one.annotations
        and one.data_secret_created
        and not one.deleted
        and not over
    )


def _named(key: Key) -> dict[str, object]:
    return dict(about(namespace=key[0], object=key[1]))
