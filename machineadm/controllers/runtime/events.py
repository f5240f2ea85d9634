"""Events: what `kubectl describe` shows of an object's life. They never hold up the work, and never fail it.

What is said again and again is one Event that counts. One object may say so much in a time; the rest is left out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from machineadm.controllers.runtime.allowance import Allowance
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.runtime.resources import EVENTS, Resource

BURST: Final = 25
"""Events that one object may have at once."""

PERIOD: Final = 300.0
"""Seconds in which that many are allowed again."""

SERIES: Final = 360.0
"""Seconds after which the same words are a new Event, and no longer one more of the old: as long as client-go's."""

# What does not fit is dropped and counted: Events must never hold memory without a bound.
_WAITING: Final = 1000
# As many objects as client-go's event correlator remembers (maxLruCacheEntries).
_KNOWN: Final = 4096
_NOTE: Final = 1024
"""Characters of a note; the API server refuses more."""

_LOG = logging.getLogger(__name__)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The object that an Event is about."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to an object."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    """What was being done, in one word: `MakeData`."""

    note: str


class _Known(msgspec.Struct):
    name: str
    at: float
    count: int = 1


class Events:
    """Sends Events, one after the other, as far as the limits allow.

    Args:
        client: Of the management cluster.
        controller: Who says so.
        instance: Which process of it.
        now: The time.
        clock: Seconds that never go back.
        metrics: Count what becomes of them.
    """

    def __init__(
        self,
        client: Client,
        *,
        controller: str,
        instance: str,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        metrics: Metrics,
    ) -> None:
        self._client = client
        self._controller = controller
        # The API server refuses a longer one.
        self._instance = instance[:128]
        self._now = now
        self._clock = clock
        self._metrics = metrics
        # Sent by one task, one after the other: Events share the rate limit with the work, and must
        # not take more than one of its calls at a time.
        self._queue: asyncio.Queue[tuple[About, Event]] = asyncio.Queue(_WAITING)
        self._known = Recent[tuple[About, Event], _Known](_KNOWN)
        self._allowance = Allowance[About](BURST, PERIOD, known=_KNOWN, clock=clock)

    def tell(self, about: About, event: Event) -> None:
        """Have an Event sent; returns at once, and raises nothing."""
        # Counted by object and not by reason: a condition that flaps between two reasons is what
        # floods etcd.
        if not self._allowance.allows(about):
            self._metrics.event_ended("limited")
            return
        try:
            self._queue.put_nowait((about, event))
        except asyncio.QueueFull:
            self._metrics.event_ended("dropped")

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            about, event = await self._queue.get()
            try:
                await self._send(about, event)
                self._metrics.event_ended("sent")
            # Logged at debug: an Event that is not written is no fault that anybody could act on.
            except ApiError as error:
                self._metrics.event_ended("dropped")
                _LOG.debug("an Event of %s/%s: %s", about.namespace, about.name, error.message)
            finally:
                self._queue.task_done()

    async def flush(self, seconds: float) -> None:
        """Wait until what was told is sent, for so long at most. `run` must still run."""
        try:
            await asyncio.wait_for(self._queue.join(), seconds)
        except asyncio.TimeoutError:
            _LOG.warning("%d Events were not sent before the end", self._queue.qsize())

    async def _send(self, about: About, event: Event) -> None:
        # Taken out and put in again only after the call: one that failed is forgotten, and the next
        # Event begins a new object.
        known = self._known.get((about, event))
        self._known.forget((about, event))
        now = self._clock()
        # events.k8s.io/v1: what is said again raises the count of a series and is no new object.
        if known is not None and now - known.at < SERIES:
            series = {"count": known.count + 1, "lastObservedTime": self._time()}
            try:
                await self._client.merge(EVENTS, about.namespace, known.name, {"series": series})
            except ApiError as error:
                if error.status != 404:
                    raise
                known = None  # it has outlived its time, or somebody removed it
            else:
                known.at, known.count = now, known.count + 1
        else:
            known = None
        if known is None:
            # Room for the suffix: a name has 253 characters at most.
            known = _Known(name=f"{about.name[:230]}.{os.urandom(8).hex()}", at=now)
            await self._client.create(EVENTS, about.namespace, self._body(about, event, known.name))
        self._known.put((about, event), known)

    def _body(self, about: About, event: Event, name: str) -> dict[str, Any]:
        regarding = {
            "apiVersion": about.resource.api_version,
            "kind": about.resource.kind,
            "namespace": about.namespace,
            "name": about.name,
        } | ({"uid": about.uid} if about.uid else {})
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": about.namespace},
            # A MicroTime: the API server refuses one without a fraction of a second.
            "eventTime": self._time(),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": event.action,
            "reason": event.reason,
            "regarding": regarding,
            "note": _clipped(event.note),
            "type": event.type,
        }

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _clipped(note: str) -> str:
    """The note, as far as the API server takes it. It counts bytes."""
    data = note.encode()
    if len(data) <= _NOTE:
        return note
    return data[: _NOTE - 3].decode(errors="ignore") + "..."
