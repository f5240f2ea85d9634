"""Caches follow the server through cuts and forgotten pasts; keys are worked on once at a time; one process leads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from machineadm.controllers.capi.types import SecretMeta, secret_meta
from machineadm.controllers.runtime.client import ApiError, Client, Connection
from machineadm.controllers.runtime.kubeconfig import KubeconfigError, from_kubeconfig, from_pod
from machineadm.controllers.runtime.lease import Election
from machineadm.controllers.runtime.queue import Queue, Urgency
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.resources import LEASES, SECRETS
from machineadm.controllers.runtime.store import Store
from tests.controllers_world import world
from tests.fakes.apiserver import ApiServer, client_of


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    for _ in range(int(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def names(store: Store[SecretMeta]) -> list[str]:
    return sorted(one.name for one in store)


@pytest.mark.parametrize("fault", ["none", "cut", "compacted", "refused"])
def test_a_cache_ends_like_the_server_whatever_happens_to_its_stream(fault: str) -> None:
    async def whole() -> None:
        server = ApiServer()
        for number in range(5):
            await server.put("secrets", {"metadata": {"name": f"s{number}"}, "data": {"x": "eA=="}})
        async with client_of(server) as client:
            store: Store[SecretMeta] = Store()
            reflector = Reflector(client, SECRETS, secret_meta, store, metadata_only=True)
            task = asyncio.ensure_future(reflector.run())
            await reflector.synced.wait()
            assert names(store) == server.names("secrets")
            await until(lambda: server.watches > 0)
            await server.put("secrets", {"metadata": {"name": "more"}})
            await until(lambda: "more" in names(store))
            if fault == "refused":
                server.fail = lambda method, path: 500
            await server.remove("secrets", "s0")
            if fault == "compacted":
                server.compact()
            if fault != "none":
                await server.cut_watches()
            await server.put("secrets", {"metadata": {"name": "last"}})
            server.fail = lambda method, path: 0
            await until(lambda: names(store) == server.names("secrets"))
            # What was seen is gone on from; only a forgotten past is listed anew.
            assert reflector.lists <= (2 if fault == "compacted" else 1)
            task.cancel()

    asyncio.run(whole())


def test_a_cache_never_goes_back_behind_what_a_write_returned() -> None:
    store: Store[SecretMeta] = Store()
    told = []
    store.on_change(lambda old, new: told.append(new))
    one = SecretMeta(namespace="a", name="b", uid="u", version="10", cluster="new")
    store.put(one)
    store.put(msgspec.structs.replace(one, version="9", cluster="old"))
    assert [value.cluster for value in store] == ["new"]
    store.put(msgspec.structs.replace(one, uid="made anew", version="9", cluster="other"))
    assert [value.cluster for value in store] == ["other"]
    assert len(told) == 2


def test_an_index_follows_an_object_and_forgets_it() -> None:
    store: Store[SecretMeta] = Store(cluster=lambda one: [(one.namespace, one.cluster)])
    one = SecretMeta(namespace="a", name="b", uid="u", version="1", cluster="x")
    store.put(one)
    store.put(msgspec.structs.replace(one, version="2", cluster="y"))
    assert store.by("cluster", ("a", "x")) == ()
    assert [value.name for value in store.by("cluster", ("a", "y"))] == ["b"]
    store.replace([])
    assert store.by("cluster", ("a", "y")) == ()


def queueing(scene: Callable[[Queue], Awaitable[None]], *, interval: float = 0.0) -> None:
    async def whole() -> None:
        await asyncio.wait_for(scene(Queue(interval=interval)), 20)

    asyncio.run(whole())


def test_a_key_is_queued_once_and_the_urgent_come_first() -> None:
    async def scene(queue: Queue) -> None:
        for name, urgency in (("t", Urgency.TIMER), ("c", Urgency.CHANGED), ("n", Urgency.NEW)):
            queue.add(("", name), urgency)
        queue.add(("", "t"), Urgency.NEW)
        queue.add(("", "c"))
        assert [(await queue.get())[1] for _ in range(3)] == ["n", "t", "c"]
        assert len(queue) == 0

    queueing(scene)


def test_what_changes_while_it_is_worked_on_is_worked_on_again_and_never_twice_at_once() -> None:
    async def scene(queue: Queue) -> None:
        key = ("", "a")
        queue.add(key)
        assert await queue.get() == key
        queue.add(key)
        queue.add(key)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(queue.get(), 0.05)
        queue.done(key)
        assert await queue.get() == key
        queue.done(key)
        assert len(queue) == 0

    queueing(scene)


def test_a_key_that_is_asked_for_in_a_loop_waits_for_its_interval() -> None:
    async def scene(queue: Queue) -> None:
        key = ("", "a")
        queue.add(key)
        await queue.get()
        queue.done(key)
        queue.add(key)
        assert len(queue) == 0
        assert await queue.get() == key

    queueing(scene, interval=0.2)


def test_of_several_times_the_earliest_counts_and_a_forgotten_key_never_comes() -> None:
    async def scene(queue: Queue) -> None:
        queue.add_after(("", "a"), 30)
        queue.add_after(("", "a"), 0.01)
        queue.add_after(("", "a"), 60)
        assert (await queue.get())[1] == "a"
        queue.add(("", "b"))
        queue.add(("", "c"))
        queue.forget(("", "b"))
        assert (await queue.get())[1] == "c"

    queueing(scene)


def electing(client: Client, name: str, clock: Callable[[], float]) -> Election:
    return Election(
        client, "default", "lease", name, clock=clock, duration=15, deadline=10, pause=0.01
    )


def test_one_process_leads_and_another_takes_over_when_the_lease_has_run_out() -> None:
    async def whole() -> None:
        server = ApiServer()
        now = [0.0]
        async with client_of(server) as client:
            first, second = (electing(client, name, lambda: now[0]) for name in ("first", "second"))
            await first.acquire()
            assert not await second._try(10)
            now[0] += 14
            assert not await second._try(10)
            assert await first._try(10)
            now[0] += 14
            assert not await second._try(10)
            now[0] += 16
            await second.acquire()
            assert not await first._try(10)
            lease = server.get("leases", "lease")["spec"]
            assert (lease["holderIdentity"], lease["leaseTransitions"]) == ("second", 1)
            await asyncio.wait_for(first.keep(), 10)  # it returns: another leads

            await second.release()
            assert await first._try(10)

    asyncio.run(whole())


def test_who_cannot_renew_stops_before_the_lease_runs_out() -> None:
    async def whole() -> None:
        server = ApiServer()
        now = [0.0]

        def clock() -> float:
            now[0] += 1.0
            return now[0]

        async with client_of(server) as client:
            one = electing(client, "one", clock)
            await one.acquire()
            renewed = now[0]
            server.fail = lambda method, path: 500
            await asyncio.wait_for(one.keep(), 10)
            assert now[0] - renewed < 15

    asyncio.run(whole())


def test_the_whole_controller_serves_what_comes_and_wakes_who_waits() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.machine("worker")
            mirror = asyncio.ensure_future(one.controller.mirror())
            work = asyncio.ensure_future(one.controller.work())

            def waits() -> bool:
                return one.condition("worker") == ("False", "WaitingForControlPlaneInitialized")

            await until(waits)
            await one.cluster(initialized=True)
            await until(lambda: one.condition("worker") == ("True", "Available"))
            (token,) = one.tokens()
            await one.joins("worker")
            await until(lambda: not one.tokens())
            await one.machine("late")
            await until(lambda: one.condition("late") == ("True", "Available"))
            assert token not in one.tokens()
            for task in (mirror, work):
                task.cancel()

    asyncio.run(whole())


def test_a_call_that_passes_is_made_again_and_one_that_is_refused_is_not() -> None:
    async def whole() -> None:
        server = ApiServer()
        left = [2]

        def fails(method: str, path: str) -> int:
            left[0] -= 1
            return 503 if left[0] >= 0 else 0

        server.fail = fails
        async with server.running() as url, Client(Connection(server=url)) as client:
            assert await client.get(SECRETS, "default", "x") is None
            assert len(server.calls) == 3
            server.fail = lambda method, path: 403
            with pytest.raises(ApiError) as caught:
                await client.get(LEASES, "default", "x")
            assert caught.value.status == 403
            assert len(server.calls) == 4

    asyncio.run(whole())


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://h:6443", tls-server-name: api}}]
users: [{name: u, user: %s}]
contexts: [{name: c, context: {cluster: a, user: u, namespace: n}}]
current-context: c
"""


def test_a_kubeconfig_gives_server_namespace_and_credentials() -> None:
    found = from_kubeconfig((KUBECONFIG % "{token: t}").encode())
    assert (found.server, found.namespace, found.tls_name) == ("https://h:6443", "n", "api")
    assert found.headers() == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(
    "data",
    [
        "nothing: here",
        "[",
        KUBECONFIG % "{exec: {command: aws}}",
        KUBECONFIG % "{tokenFile: /etc/shadow}",
        KUBECONFIG % "{client-certificate: /etc/shadow, client-key: /etc/shadow}",
        KUBECONFIG % "{client-certificate-data: c2VjcmV0LXBhcnQ=}",
        (KUBECONFIG % "{token: t}").replace("current-context: c", "current-context: d"),
    ],
)
def test_a_kubeconfig_from_a_secret_that_cannot_be_used_says_why_and_shows_nothing(
    data: str,
) -> None:
    with pytest.raises(KubeconfigError) as caught:
        from_kubeconfig(data.encode())
    assert str(caught.value)
    assert "secret-part" not in str(caught.value)


def test_outside_a_pod_it_is_said_what_to_give() -> None:
    with pytest.raises(KubeconfigError, match="--kubeconfig"):
        from_pod({})
