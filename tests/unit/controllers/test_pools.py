"""One configuration for many machines, which come at any time: a pool's data always holds a token that is good."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from machineadm.controllers.bootstrap.act import ReportTo
from machineadm.controllers.runtime.client import ApiError
from machineadm.controllers.runtime.queue import Queue
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.resources import MACHINE_POOLS
from tests.controllers_world import World, dying, world

Scene = Callable[[World], Coroutine[Any, Any, None]]
EPOCH = "machineadm.x-k8s.io/token-epoch"


def play(scene: Scene) -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            await scene(one)

    asyncio.run(asyncio.wait_for(whole(), 120))


def token(one: World) -> str:
    """The token in the pool's data."""
    kubernetes = one.configuration("pool")["spec"]["kubernetes"]
    return str(kubernetes["role"]["discovery"]["token"])


def expires(one: World, name: str) -> str:
    data = one.workload.get("secrets", name, "kube-system")["data"]
    return base64.b64decode(data["expiration"]).decode()


def secret_name(of: str) -> str:
    return f"bootstrap-token-{of.partition('.')[0]}"


async def completed(one: World) -> None:
    """A pool all of whose machines have joined, whose token has less than half of its life left."""
    await one.pool("pool", replicas=2)
    await one.settle()
    await one.pool_joins("pool", 2)
    one.passes(minutes=8)


def test_a_pool_waits_for_the_control_plane_and_joins_as_a_worker() -> None:
    async def scene(one: World) -> None:
        await one.cluster(initialized=False)
        await one.pool("pool")
        await one.settle()
        assert one.condition("pool") == ("False", "WaitingForControlPlaneInitialized")
        await one.cluster(initialized=True)
        again = await one.settle()
        assert one.condition("pool") == ("True", "Available")
        kubernetes = one.configuration("pool")["spec"]["kubernetes"]
        assert kubernetes["role"]["type"] == "JoinWorker"
        assert kubernetes["version"] == "v1.34.4"
        assert one.tokens() == [secret_name(token(one))]
        assert again["pool"] == 300.0

    play(scene)


@pytest.mark.parametrize("there", [0, 1])
def test_while_machines_are_on_their_way_their_token_is_extended_however_long_it_takes(
    there: int,
) -> None:
    async def scene(one: World) -> None:
        await one.pool("pool", replicas=2)
        await one.settle()
        data = one.data("pool")
        await one.pool_joins("pool", there)
        for _ in range(3):
            one.passes(hours=20)
            await one.settle()
        assert one.data("pool") == data
        assert expires(one, secret_name(token(one))) == "2026-12-03T00:15:00Z"
        assert one.condition("pool", "TokenAvailable") == ("True", "Available")

    play(scene)


def test_a_token_that_all_have_used_is_followed_by_another_and_lives_to_its_end() -> None:
    async def scene(one: World) -> None:
        await one.pool("pool", replicas=2)
        await one.settle()
        first, before = token(one), one.configuration("pool")
        await one.pool_joins("pool", 2)
        one.passes(minutes=7)
        await one.settle()
        assert token(one) == first
        one.passes(minutes=1)
        await one.settle()
        second, after = token(one), one.configuration("pool")
        assert second != first
        assert one.tokens() == sorted([secret_name(first), secret_name(second)])
        assert expires(one, secret_name(first)) == "2026-11-30T12:15:00Z"
        assert expires(one, secret_name(second)) == "2026-11-30T12:23:00Z"
        # Nothing else of the data has changed, nor whose it is.
        before["spec"]["kubernetes"]["role"]["discovery"]["token"] = second
        assert after == before
        secret = one.management.get("secrets", "pool")
        assert secret["metadata"]["annotations"][EPOCH] == "1"
        assert secret["metadata"]["ownerReferences"][0]["kind"] == "MachineBootstrap"
        one.passes(minutes=8)
        await one.settle()
        assert one.management.get("secrets", "pool")["metadata"]["annotations"][EPOCH] == "2"
        assert token(one) not in (first, second)

    play(scene)


def test_a_machine_more_gets_a_token_that_stays_until_it_has_joined() -> None:
    async def scene(one: World) -> None:
        await completed(one)
        await one.settle()
        current = token(one)
        await one.pool_joins("pool", 2, replicas=3)
        one.passes(minutes=14)
        await one.settle()
        assert token(one) == current
        assert expires(one, secret_name(current)) == "2026-11-30T12:37:00Z"

    play(scene)


@pytest.mark.parametrize("complete", [True, False])
def test_a_lost_token_is_made_again_because_it_stands_in_the_data(complete: bool) -> None:
    async def scene(one: World) -> None:
        await one.pool("pool", replicas=2)
        await one.settle()
        data, tokens = one.data("pool"), one.tokens()
        await one.pool_joins("pool", 2 if complete else 1)
        one.workload.objects.clear()
        one.passes(hours=3)
        await one.settle()
        assert one.data("pool") == data
        assert one.tokens() == tokens

    play(scene)


def test_killed_between_any_two_calls_of_a_change_of_tokens_it_ends_in_the_same_data() -> None:
    whole: list[Any] = []

    async def undisturbed(one: World) -> None:
        await completed(one)
        one.management.calls.clear()
        one.workload.calls.clear()
        await one.settle()
        calls = len(one.management.calls) + len(one.workload.calls)
        whole.extend([one.data("pool"), one.tokens(), calls])

    play(undisturbed)
    data, tokens, calls = whole
    assert len(tokens) == 2
    for number in range(1, calls + 1):
        for way in ("fail", "lose"):

            async def killed(one: World, number: int = number, way: str = way) -> None:
                await completed(one)
                with dying(number, way, one.management, one.workload):
                    await one.attempt()
                one.restart()
                await one.settle()
                assert (one.data("pool"), one.tokens()) == (data, tokens), (number, way)

            play(killed)


def test_after_a_move_the_pool_goes_on_with_the_token_it_has() -> None:
    async def scene(one: World) -> None:
        await completed(one)
        await one.settle()
        data, tokens = one.data("pool"), one.tokens()
        moved = json.loads(json.dumps(one.management.get("machinebootstraps", "pool")))
        moved.pop("status")
        await one.management.remove("machinebootstraps", "pool")
        moved["metadata"]["uid"] = "another-uid"
        await one.management.put("machinebootstraps", moved)
        one.workload.objects.clear()
        one.restart()
        await one.settle()
        assert one.data("pool") == data
        # Of the two, the one that stands in the data.
        assert one.tokens() == [secret_name(token(one))]
        assert set(one.tokens()) < set(tokens)
        one.passes(minutes=8)
        await one.settle()
        assert one.management.get("secrets", "pool")["metadata"]["annotations"][EPOCH] == "2"

    play(scene)


@pytest.mark.parametrize("what", ["a reference is gone", "the spec is broken"])
def test_where_the_data_cannot_be_made_anew_the_token_is_extended_and_the_reason_said(
    what: str,
) -> None:
    async def scene(one: World) -> None:
        body = {"metadata": {"name": "site"}, "data": {"x": "eA=="}}
        await one.management.put("secrets", body)
        source = {"secret": {"name": "site", "key": "x"}}
        machine = {"files": [{"path": "/etc/x", "contentFrom": source}]}
        await one.pool("pool", replicas=1, machine=machine)
        await one.settle()
        data, first = one.data("pool"), token(one)
        await one.pool_joins("pool", 1)
        one.passes(minutes=8)
        if what == "a reference is gone":
            await one.management.remove("secrets", "site")
        else:
            broken = {"machine": {"linuxConfiguration": {"sysctls": {"a b": "1"}}}}
            await one.management.change("machinebootstraps", "pool", spec=broken)
        await one.settle()
        assert one.data("pool") == data
        assert expires(one, secret_name(first)) == "2026-11-30T12:23:00Z"
        assert one.condition("pool", "TokenAvailable") == ("True", "Available")
        said = one.message("pool", "TokenAvailable")
        assert said.startswith("the token was extended instead of changed: spec.machine.")
        # It is tried again, and the reason goes when there is none any more.
        if what == "a reference is gone":
            await one.management.put("secrets", body)
        else:
            await one.management.change("machinebootstraps", "pool", spec={})
        one.passes(minutes=8)
        await one.settle()
        assert token(one) != first
        assert one.message("pool", "TokenAvailable") == ""

    play(scene)


def test_a_secret_that_somebody_changed_meanwhile_is_not_written_over() -> None:
    async def scene(one: World) -> None:
        await completed(one)
        await one.refresh()
        changed = json.loads(json.dumps(one.management.get("secrets", "pool")))
        changed["metadata"]["labels"]["mine"] = "yes"
        await one.management.put("secrets", changed)
        data = one.data("pool")
        with pytest.raises(ApiError) as caught:
            await one.controller.reconcile(("default", "pool"))
        assert caught.value.status == 409
        assert one.data("pool") == data
        await one.settle()
        assert one.data("pool") != data
        assert one.management.get("secrets", "pool")["metadata"]["labels"]["mine"] == "yes"

    play(scene)


def test_while_paused_no_token_changes() -> None:
    async def scene(one: World) -> None:
        await completed(one)
        data = one.data("pool")
        await one.cluster(initialized=True, paused=True)
        one.management.calls.clear()
        one.workload.calls.clear()
        await one.settle()
        assert one.data("pool") == data
        assert not one.workload.calls
        writes = [call for call in one.management.calls if call[0] != "GET"]
        assert writes == [("PATCH", "machinebootstraps/pool/status")]

    play(scene)


def test_lost_data_of_a_pool_is_made_again_for_the_machines_that_come_later() -> None:
    async def scene(one: World) -> None:
        await one.pool("pool", replicas=2)
        await one.settle()
        await one.pool_joins("pool", 2)
        await one.management.remove("secrets", "pool")

        again = await one.settle()

        assert one.condition("pool") == ("True", "Available")
        assert one.tokens() == [secret_name(token(one))]
        assert again["pool"] == 300.0

    play(scene)


def test_a_machine_and_a_pool_of_one_name_are_two() -> None:
    async def scene(one: World) -> None:
        await one.pool("pool")
        pool = one.management.get("machinebootstraps", "pool")
        await one.machine("same")
        # A Machine that has the pool's name, and joined.
        await one.management.put("machines", {"metadata": {"name": "pool"}, "spec": {}})
        await one.management.change("machines", "pool", status={"nodeRef": {"name": "pool"}})
        await one.settle()
        assert one.condition("pool", "TokenAvailable") == ("True", "Available")
        one.controller.queue = Queue(interval=0.0)
        await one.management.change("machines", "pool", status={})
        await one.refresh()
        assert len(one.controller.queue) == 0
        await one.pool_joins("pool", 2)
        await one.refresh()
        assert await one.controller.queue.get() == ("default", pool["metadata"]["name"])

    play(scene)


def test_a_pool_has_no_report_that_could_be_one_of_its_machines() -> None:
    async def scene(one: World) -> None:
        one.report_to = ReportTo(url="https://reports.example.com")
        one.restart()
        await one.pool("pool")
        await one.settle()
        assert "reporting" not in one.configuration("pool")["spec"]

    play(scene)


def test_a_cluster_without_pools_is_served_and_looks_for_them() -> None:
    async def scene(one: World) -> None:
        one.management.absent = {"machinepools"}
        await one.machine("worker")
        mirror = asyncio.ensure_future(one.controller.mirror())
        work = asyncio.ensure_future(one.controller.work())
        while one.condition("worker") != ("True", "Available"):
            await asyncio.sleep(0.01)
        assert not one.controller.lacks()
        for task in (mirror, work):
            task.cancel()

    play(scene)


def test_a_kind_that_must_be_there_is_waited_for() -> None:
    async def scene(one: World) -> None:
        one.management.absent = {"machinepools"}
        reflector: Reflector[Any] = Reflector(
            one.client, MACHINE_POOLS, lambda data: None, one.controller.pools
        )
        task = asyncio.ensure_future(reflector.run())
        while reflector.lists < 2:
            await asyncio.sleep(0.01)
        assert not reflector.synced.is_set()
        task.cancel()

    play(scene)
