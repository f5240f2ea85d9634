"""A process from its first second to its end: probes and metrics from the start, work while it leads, and a last word to all.

The end, in this order: not ready any more; nothing new is taken up; what is begun is finished; the Lease is given back; Events are sent.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from machineadm.controllers.runtime.events import About, Event, Events
from machineadm.controllers.runtime.lease import Election
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.serving import Guard, diagnostics, probes, served
from machineadm.controllers.runtime.tasks import cancelled

# The rest of the 30 s is for the Lease and the Events.
GRACE: Final = 20.0
"""Seconds that what is begun may take to its end. A pod is killed after 30."""

_LAST_WORDS: Final = 3.0

_LOG = logging.getLogger(__name__)

Address = tuple[str | None, int]


class Controller(Protocol):
    """What runs in a process."""

    reflectors: list[Reflector[Any]]

    @property
    def queued(self) -> int:
        """How many keys wait for a worker."""

    @property
    def workers_busy(self) -> int:
        """How many keys are being worked on."""

    async def mirror(self) -> None:
        """Keep the caches until cancelled."""

    async def work(self) -> None:
        """Work until cancelled, or drained."""

    async def drain(self) -> None:
        """Take up nothing more, and return when what is begun is done."""

    def lacks(self) -> list[str]:
        """What is missing until it could work."""

    def by_readiness(self) -> dict[tuple[str, str], int]:
        """How many objects there are by status and reason of `Ready`."""


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is served."""

    name: str
    """For the log."""

    app: web.Application
    at: Address
    tls: ssl.SSLContext | None = None


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process answers."""

    probes: Address | None = None
    """For the kubelet; None: nowhere."""

    diagnostics: Address | None = None
    """For Prometheus."""

    guard: Guard | None = None
    """Who may see the metrics; None: everybody."""

    tls: ssl.SSLContext | None = None
    """Of the metrics; None: in the clear."""

    more: tuple[Listener, ...] = ()
    """What is served on every replica, whoever leads."""


class Process:
    """One process.

    Args:
        controller: What it runs.
        election: Makes it work only while it leads; None: it always works.
        lease: What an Event about the lead is about.
        events: Are sent as long as it runs.
        metrics: Are shown.
        silent: How many workload clusters do not answer.
        beside: What runs on every replica, whoever leads.
        grace: Seconds that what is begun may take to its end.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        election: Election | None = None,
        lease: About | None = None,
        events: Events,
        metrics: Metrics,
        silent: Callable[[], int] = lambda: 0,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
        grace: float = GRACE,
    ) -> None:
        self._beside = tuple(beside)
        self._controller = controller
        self._election = election
        self._lease = lease
        self._events = events
        self._metrics = metrics
        self._silent = silent
        self._grace = grace
        self._leads = False
        # Two events and no counter: whoever waits for the end, and whoever waits for the hurry,
        # wait for different things.
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        # At the scrape: a gauge that is set at each change costs as much as what it measures, and
        # lies after an exception.
        metrics.at_scrape(self._looked_at)

    async def run(self, endpoints: Endpoints) -> int:
        """Run until a signal ends it, or a part of it.

        Returns:
            0 after SIGTERM or SIGINT, 1 where the lease was lost or a part ended.

        Raises:
            AddressError: An address is not free.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        # Served before there is anything to serve: the kubelet asks during the first list, which
        # may take long, and must not restart what is filling its caches.
        async with AsyncExitStack() as stack:
            if endpoints.probes is not None:
                port = await stack.enter_async_context(
                    served(probes(self._lacks), endpoints.probes)
                )
                _LOG.info("probes at port %d", port)
            if endpoints.diagnostics is not None:
                # A port of its own: probes must answer without credentials, and metrics must not.
                app = diagnostics(self._metrics, endpoints.guard)
                port = await stack.enter_async_context(
                    served(app, endpoints.diagnostics, endpoints.tls)
                )
                _LOG.info("metrics at port %d", port)
            # Inside the same stack, so that reports are taken until the very end: the replica that
            # drains is still the one that machines reach.
            for one in endpoints.more:
                port = await stack.enter_async_context(served(one.app, one.at, one.tls))
                _LOG.info("%s at port %d", one.name, port)
            return await self._run()

    @property
    def ending(self) -> bool:
        """It was told to end."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End it: what is begun is finished. A second time: at once."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _run(self) -> int:
        # Not among the parts: it must outlive them, and its end is no reason to end the process.
        sends = asyncio.ensure_future(self._events.run())
        stop = asyncio.ensure_future(self._stop.wait())
        parts: Sequence[asyncio.Future[Any]] = [
            # On standbys as well: warm caches are what makes a change of the leader take seconds.
            asyncio.ensure_future(self._controller.mirror()),
            asyncio.ensure_future(self._work() if self._election is None else self._lead()),
            *(asyncio.ensure_future(one()) for one in self._beside),
        ]
        try:
            done, _ = await asyncio.wait({stop, *parts}, return_when=asyncio.FIRST_COMPLETED)
            # Only where somebody asked for the end. If a part failed or the lease is lost, nothing
            # may be finished: another process may be working on it.
            if self._stop.is_set():
                await self._drained()
            # Work ends before the lease is given back: no two processes act at once.
            await cancelled(*parts)
            if self._election is not None:
                await self._given_back(self._election)
            # Last: the Lease comes first, since a standby waits for it, and nobody waits for an
            # Event.
            if not self._hurry.is_set():
                await self._events.flush(_LAST_WORDS)
        finally:
            self._leads = False
            await cancelled(stop, sends, *parts)
        # 0, so that a Deployment's rollout is not counted as a crash.
        if self._stop.is_set():
            _LOG.info("ended")
            return 0
        for task in done:
            _LOG.error("ended: %s", task.exception() or "the lease was lost")
        return 1

    async def _drained(self) -> None:
        _LOG.info("ending: %d objects are being worked on", self._controller.workers_busy)
        drain = asyncio.ensure_future(self._controller.drain())
        hurry = asyncio.ensure_future(self._hurry.wait())
        # What is cut off here is safe: every order of effects can be killed anywhere and repeated
        # (see bootstrap/act.py).
        await asyncio.wait({drain, hurry}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        if not drain.done():
            _LOG.warning("ended with work that was begun; it is repeated by whoever comes next")
        await cancelled(drain, hurry)

    async def _given_back(self, election: Election) -> None:
        # Bounded: an API server that hangs would hold us until the kubelet kills the process, and a
        # standby takes over all the same once the lease has run out.
        try:
            await asyncio.wait_for(election.release(), _LAST_WORDS)
        except asyncio.TimeoutError:
            _LOG.warning("giving the lease back: no answer in time")

    async def _work(self) -> None:
        # Before the work begins, so that a scrape never shows work without a leader.
        self._leads = True
        await self._controller.work()
        if self._stop.is_set():
            # Drained: the rest of the end is not for this part to begin.
            await asyncio.Event().wait()

    async def _lead(self) -> None:
        """Work while the lease is held; return when it is lost."""
        election = self._election
        if election is None:
            return
        await election.acquire()
        if self._lease is not None:
            note = f"{election.identity} became the leader"
            event = Event(type="Normal", reason="LeaderElection", action="Elect", note=note)
            self._events.tell(self._lease, event)
        work = asyncio.ensure_future(self._work())
        keep = asyncio.ensure_future(election.keep())
        try:
            # Whichever ends first: work that was drained, or a lease that was lost. The other one
            # is cancelled, work before anybody else may begin.
            done, _ = await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leads = False
            await cancelled(work, keep)
        for task in done:
            task.result()

    def _lacks(self) -> list[str]:
        if self._stop.is_set():
            # Not ready first, so that the Service sends no more reports here while what is begun is
            # finished.
            return ["it is about to end"]
        return self._controller.lacks()

    def _looked_at(self) -> Iterator[Metric]:
        controller = self._controller
        yield _gauge("leader", "1 while this process works, 0 while it stands by.", self._leads)
        yield _gauge("queue_depth", "Keys that wait for a free worker.", controller.queued)
        busy = controller.workers_busy
        yield _gauge("workers_busy", "Workers that look at an object at this moment.", busy)
        text = "Workload clusters that did not answer, and are not asked for the moment."
        yield _gauge("workload_clusters_silent", text, self._silent())
        kinds = {
            "cached_objects": ("Objects in the cache, by kind.", len),
            "lists_total": (
                "Lists of a whole kind: one at the start, more where watches fail.",
                _lists,
            ),
            "watches_total": ("Watches that were begun.", _watches),
            "watch_idle_total": ("Watches that were given up because they fell silent.", _idle),
        }
        for name, (help_, of) in kinds.items():
            make = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = make(f"machineadm_{name}", help_, labels=["kind"])
            for one in controller.reflectors:
                family.add_metric([one.kind], of(one))
            yield family
        text = "MachineBootstraps and adopted KubeadmConfigs by status and reason of Ready; both empty where nothing is said yet."
        family = GaugeMetricFamily("machineadm_bootstraps", text, labels=["ready", "reason"])
        for (status, reason), count in sorted(controller.by_readiness().items()):
            family.add_metric([status, reason], count)
        yield family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"machineadm_{name}", text, value=float(value))


def _lists(one: Reflector[Any]) -> int:
    return one.lists


def _watches(one: Reflector[Any]) -> int:
    return one.watches


def _idle(one: Reflector[Any]) -> int:
    return one.idle
