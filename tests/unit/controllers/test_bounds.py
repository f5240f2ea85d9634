"""Bounds of the runtime hold in the thousandth failure, for an answer that is late, and for one that never comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timezone
from typing import Any, cast

import msgspec
import pytest

from machineadm.controllers.capi.types import SecretMeta, secret_meta
from machineadm.controllers.runtime.client import ApiError, Client, read
from machineadm.controllers.runtime.events import Events
from machineadm.controllers.runtime.lease import DEADLINE, DURATION, Election
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.process import Endpoints, Process
from machineadm.controllers.runtime.queue import Queue
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.resources import SECRETS
from machineadm.controllers.runtime.store import Store
from tests.virtual_time import run

AWAY = ApiError(0, "", "no route to host")
GONE = ApiError(410, "Expired", "too old resource version")
MORE = 1200
"""Failures: doubled as often, a pause is no float any more."""


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_key_that_has_failed_for_days_is_tried_again_within_five_minutes() -> None:
    async def whole() -> None:
        queue, key = Queue(interval=0.0), ("default", "a")
        queue.add(key)
        for _ in range(MORE):
            began = now()
            assert await queue.get() == key
            assert now() - began < 301
            queue.done(key, failed=True)

    run(whole())


# What an API server, or a proxy in its place, may do to a cache.


def secret(name: str, version: int, **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(version)}
    return {"metadata": meta | more}


def event(kind: str, value: object) -> bytes:
    return json.dumps({"type": kind, "object": value}).encode()


class Script:
    """An API server that does as it is told, as far as a Reflector asks one."""

    def __init__(
        self,
        *,
        lists: Callable[[int], object] = lambda _: (),
        watches: Callable[[int], Iterator[bytes]] = lambda _: iter(()),
    ) -> None:
        self._lists, self._watches = lists, watches
        self.listed = self.watched = 0
        self.times: list[float] = []

    async def list(self, *_: object, **__: object) -> tuple[list[msgspec.Raw], str]:
        self.listed += 1
        self.times.append(now())
        found = self._lists(self.listed)
        if isinstance(found, Exception):
            raise found
        items = cast(tuple[object, ...], found)
        return [msgspec.Raw(json.dumps(one).encode()) for one in items], "1"

    async def watch(self, *_: object, **__: object) -> AsyncIterator[bytes]:
        self.watched += 1
        self.times.append(now())
        await asyncio.sleep(0.01)
        for line in self._watches(self.watched):
            yield line
        await asyncio.sleep(300)


def mirrored(server: Script, until: Callable[[Store[SecretMeta]], bool]) -> None:
    async def whole() -> None:
        store: Store[SecretMeta] = Store()
        reflector = Reflector(cast(Client, server), SECRETS, secret_meta, store)
        task = asyncio.ensure_future(reflector.run())
        while not until(store):
            assert not task.done(), task.exception()
            assert now() < 1e5, "it never came to that"
            await asyncio.sleep(1)

    run(whole())


def failing(error: Exception, *before: bytes) -> Iterator[bytes]:
    yield from before
    raise error


def away(number: int) -> object:
    return AWAY if number <= MORE else [secret("back", 2)]


def odd_list(number: int) -> object:
    if number > MORE:
        return [secret("back", 2)]
    try:
        return read(b"<html>log in first</html>", dict)
    except ApiError as error:
        return error


def odd_event(number: int) -> Iterator[bytes]:
    return iter([b"<html>" if number <= MORE else event("ADDED", secret("back", 2))])


def forgotten(number: int) -> Iterator[bytes]:
    return failing(GONE) if number <= MORE else iter([event("ADDED", secret("back", 2))])


@pytest.mark.parametrize(
    "server",
    [
        Script(lists=away),
        Script(lists=odd_list),
        Script(watches=odd_event),
        Script(watches=forgotten),
    ],
    ids=["away", "a page instead of a list", "a page instead of events", "every version too old"],
)
def test_a_cache_outlives_whatever_a_server_says_for_hours_and_asks_it_seldom(
    server: Script,
) -> None:
    mirrored(server, lambda store: len(store) == 1)
    assert len([at for at in server.times if at <= 60]) < 40


def test_a_proxy_that_cuts_each_stream_is_not_taken_for_an_outage() -> None:
    def cut(number: int) -> Iterator[bytes]:
        return failing(AWAY, event("BOOKMARK", secret("", number)))

    server = Script(watches=cut)
    mirrored(server, lambda _: server.watched >= MORE)
    pauses = [late - early for early, late in zip(server.times, server.times[1:], strict=False)]
    assert max(pauses) < 2
    assert server.listed == 1


def test_an_object_that_cannot_be_read_any_more_is_not_decided_by_as_it_was() -> None:
    def odd(_: int) -> Iterator[bytes]:
        yield event("ADDED", secret("one", 2))
        yield event("ADDED", secret("two", 3))
        yield event("ADDED", secret("three", 4))
        yield event("MODIFIED", secret("one", 5, labels=["not", "a map"]))
        yield event("DELETED", secret("two", 6, labels=["not", "a map"]))

    names: list[str] = []

    def ends(store: Store[SecretMeta]) -> bool:
        names[:] = [one.name for one in store]
        return len(names) == 1

    mirrored(Script(watches=odd), ends)
    assert names == ["three"]


# The lead.


class Leases:
    """The Lease of an API server that answers late, or not at all."""

    def __init__(self, late: Callable[[float], float], fails: Callable[[float], bool]) -> None:
        self._late, self._fails = late, fails
        self._lease: dict[str, Any] | None = None
        self.written = 0.0
        self.writes = 0

    async def get(self, *_: object) -> bytes | None:
        if self._fails(now()):
            await asyncio.sleep(0.1)
            raise AWAY
        await asyncio.sleep(self._late(now()))
        return None if self._lease is None else json.dumps(self._lease).encode()

    async def create(self, _: object, __: object, body: dict[str, Any]) -> bytes:
        self.written, self.writes = now(), self.writes + 1
        self._lease = json.loads(msgspec.json.encode(body))
        await asyncio.sleep(self._late(now()))
        return b"{}"

    async def replace(
        self, resource: object, namespace: object, _: object, body: dict[str, Any]
    ) -> bytes:
        return await self.create(resource, namespace, body)


def never(_: float) -> bool:
    return False


@pytest.mark.parametrize(
    "server",
    [
        Leases(lambda at: 0.0 if at < 30 else 3600.0, never),
        Leases(lambda at: 0.0 if at < 38 else 3600.0, lambda at: 30 < at < 38),
        Leases(lambda at: 0.0 if at < 30 else 4.9, lambda at: at > 40),
        Leases(lambda at: 0.0, lambda at: at > 30),
    ],
    ids=["hangs", "fails, then hangs", "answers late, then fails", "fails"],
)
def test_whoever_cannot_renew_has_stopped_when_the_lease_runs_out(server: Leases) -> None:
    async def whole() -> None:
        one = Election(cast(Client, server), "default", "lease", "one", clock=now)
        await one.acquire()
        await one.keep()
        assert server.writes > 5
        assert now() - server.written <= DEADLINE + 0.2 < DURATION

    run(whole())


class Idle:
    """A controller that has nothing to do."""

    reflectors: list[Reflector[Any]] = []  # noqa: RUF012 - none, ever
    queued = workers_busy = 0

    async def mirror(self) -> None:
        await asyncio.sleep(1e9)

    async def work(self) -> None:
        await asyncio.sleep(1e9)

    async def drain(self) -> None:
        """Nothing is begun."""

    def lacks(self) -> list[str]:
        return []

    def by_readiness(self) -> dict[tuple[str, str], int]:
        return {}


def test_a_process_ends_in_time_though_the_lease_cannot_be_given_back() -> None:
    async def whole() -> None:
        server = Leases(lambda at: 0.0 if at < 9 else 3600.0, never)
        client = cast(Client, server)
        metrics = Metrics()
        process = Process(
            Idle(),
            election=Election(client, "default", "lease", "one", clock=now),
            events=Events(
                client,
                controller="c",
                instance="i",
                now=lambda: datetime.now(timezone.utc),
                metrics=metrics,
            ),
            metrics=metrics,
        )
        running = asyncio.ensure_future(process.run(Endpoints()))
        await asyncio.sleep(9.5)
        process.stop()
        assert await running == 0
        assert now() <= 9.5 + 3 + 0.1

    run(whole())
