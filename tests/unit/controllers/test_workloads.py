"""A workload cluster that hangs, refuses or comes back costs the others nothing."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from machineadm.controllers.capi.workload import UnreachableError, Workloads
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.resources import SECRETS
from tests.virtual_time import run

KUBECONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "http://h"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}
PROD = ("default", "prod")


def now() -> float:
    return asyncio.get_running_loop().time()


class Management:
    """The management cluster, of which the kubeconfig is all that is read."""

    def __init__(self) -> None:
        self.metrics = Metrics()

    async def get(self, *_: object) -> bytes:
        value = base64.b64encode(json.dumps(KUBECONFIG).encode()).decode()
        return json.dumps({"data": {"value": value}}).encode()


class Cluster:
    """The client of a workload cluster that does as it is told."""

    def __init__(self, does: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.does = does
        self.calls: list[float] = []

    async def __aenter__(self) -> Cluster:
        return self

    async def close(self) -> None:
        """Nothing is open."""

    async def create(self, *_: object) -> bytes:
        self.calls.append(now())
        await self.does()
        return b"{}"


def workloads(cluster: Cluster) -> Workloads:
    def connect(*_: object) -> Client:
        return cast(Client, cluster)

    return Workloads(cast(Client, Management()), connect=connect)


async def asked(found: Workloads) -> float:
    """Seconds for which a worker was held, whatever came of it."""
    began = now()
    try:
        await found.call(PROD, "create", SECRETS, "kube-system", {})
    except UnreachableError:
        return now() - began
    return now() - began


async def hangs() -> None:
    await asyncio.sleep(20.1)
    raise ApiError(0, "", "no answer in time")


async def answers() -> None:
    await asyncio.sleep(0.01)


def test_a_cluster_that_hangs_holds_each_worker_for_one_call_and_then_one_worker() -> None:
    async def whole() -> None:
        cluster = Cluster(hangs)
        found = workloads(cluster)
        first = await asyncio.gather(*(asked(found) for _ in range(100)))
        assert max(first) < 21
        assert len(cluster.calls) == 10
        for _ in range(20):
            await asyncio.sleep(10)
            held = await asyncio.gather(*(asked(found) for _ in range(100)))
            assert len([one for one in held if one > 0]) <= 1
        cluster.does = answers
        await asyncio.sleep(60)
        assert found.silent() == 0
        assert await asked(found) > 0
        again = await asyncio.gather(*(asked(found) for _ in range(100)))
        assert min(again) > 0, "all are asked again"

    run(whole())


def test_a_cluster_is_asked_again_though_the_one_that_finds_out_is_cancelled() -> None:
    async def whole() -> None:
        cluster = Cluster(hangs)
        found = workloads(cluster)
        await asked(found)
        await asyncio.sleep(11)
        probe = asyncio.ensure_future(asked(found))
        await asyncio.sleep(1)
        probe.cancel()
        cluster.does = answers
        await asyncio.sleep(30)
        assert await asked(found) > 0
        assert found.silent() == 0

    run(whole())


@pytest.mark.parametrize("status", [403, 404, 405, 422])
def test_what_a_workload_cluster_refuses_is_not_taken_for_the_management_cluster_s_word(
    status: int,
) -> None:
    async def refuses() -> None:
        raise ApiError(status, "", f"HTTP status {status}")

    async def whole() -> None:
        with pytest.raises(UnreachableError, match=str(status)):
            await workloads(Cluster(refuses)).call(PROD, "create", SECRETS, "kube-system", {})

    run(whole())


def test_what_is_there_already_is_told_as_that() -> None:
    async def exists() -> None:
        raise ApiError(409, "AlreadyExists", "it is there")

    async def whole() -> None:
        with pytest.raises(ApiError, match="AlreadyExists"):
            await workloads(Cluster(exists)).call(PROD, "create", SECRETS, "kube-system", {})

    run(whole())
