"""A store of another's kind: it gets a Secret for each machine and answers in its status, whoever writes that."""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from machineadm.controllers.reports.intake import Intake
from machineadm.controllers.reports.polling import Poller
from machineadm.controllers.runtime.tasks import cancelled
from machineadm.controllers.stores.contract import secret_name
from tests.controllers_world import World, configuration_in, dying, world
from tests.fakes.apiserver import Object

REFERENCE = {
    "apiGroup": "infrastructure.example.com",
    "kind": "VaultBootstrapStore",
    "name": "main",
}
STORES = "vaultbootstrapstores"
LOCATION = "https://vault.example.com/v1"


class StandIn:
    """What a provider's own controller does: it stores what it is given, says where, and forgets it when the Secret goes.

    Attributes:
        kept: What it stores, by name of the MachineBootstrap.
        more: Further fields of what it says of a machine.
    """

    def __init__(self, one: World) -> None:
        self.one = one
        self.kept: dict[str, bytes] = {}
        self.more: dict[str, Any] = {}

    async def store(self, **spec: Any) -> None:
        await self.one.management.put(STORES, {"metadata": {"name": "main"}, "spec": spec})

    async def act(self) -> None:
        """Look at each Secret once, as its documentation says."""
        management = self.one.management
        there: dict[str, Object] = {}
        for name in management.names("secrets"):
            secret = management.get("secrets", name)
            meta = secret["metadata"]
            if meta.get("labels", {}).get("machineadm.x-k8s.io/configuration") != "true":
                continue
            store = meta["annotations"]["machineadm.x-k8s.io/store"]
            if store == "VaultBootstrapStore.infrastructure.example.com/main":
                (owner,) = [each for each in meta["ownerReferences"] if each["controller"]]
                there[owner["name"]] = secret
        self.kept = {
            name: base64.b64decode(secret["data"]["value"]) for name, secret in there.items()
        }
        said = [
            {
                "name": name,
                "sha256": secret["metadata"]["annotations"]["machineadm.x-k8s.io/sha256"],
                "url": f"{LOCATION}/{name}",
            }
            | self.more
            for name, secret in sorted(there.items())
        ]
        for each in said:
            for gone in [key for key, value in each.items() if value is None]:
                del each[gone]
        await self.say(configurations=said)

    async def say(self, **said: Any) -> None:
        before = self.one.management.get(STORES, "main").get("status") or {}
        status = before | said
        if status != before:
            await self.one.management.change(STORES, "main", status=status)


Scene = Callable[[StandIn], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def whole() -> None:
        async with world() as one:
            await scene(StandIn(one))

    asyncio.run(whole())


async def worker(one: World, name: str = "worker", **spec: Any) -> None:
    await one.certificates()
    await one.cluster(initialized=True)
    await one.machine(name, **{"infrastructureRef": REFERENCE, **spec})


async def served(other: StandIn) -> None:
    await other.one.settle()
    await other.act()
    await other.one.settle()


def reference(one: World, name: str = "worker") -> Object:
    found: Object = configuration_in(one.data(name), "ConfigurationReference")["spec"]
    return found


def test_the_configuration_is_handed_over_and_the_data_says_where_it_was_put() -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await worker(one)

        await one.settle()

        assert one.condition("worker", "StoreSynced") == ("False", "WaitingForLocation")
        assert one.condition("worker", "Ready") == ("Unknown", "WaitingForLocation")
        assert "worker" not in one.management.names("secrets"), "it would point to nothing"
        handed = one.management.get("secrets", "worker-configuration")
        assert handed["type"] == "machineadm.x-k8s.io/configuration"

        await other.act()
        await one.settle()

        assert one.condition("worker") == ("True", "Available")
        assert one.condition("worker", "StoreSynced") == ("True", "Synced")
        kept = other.kept["worker"]
        token = msgspec.json.decode(kept)["spec"]["kubernetes"]["role"]["discovery"]["token"]
        assert one.tokens() == [f"bootstrap-token-{token.partition('.')[0]}"]
        assert reference(one) == {
            "url": f"{LOCATION}/worker",
            "sha256": hashlib.sha256(kept).hexdigest(),
        }
        with pytest.raises(AssertionError, match="no MachineConfiguration"):
            configuration_in(one.data("worker"))

    play(scene)


@pytest.mark.parametrize("role", ["Initialize", "JoinControlPlane", "JoinWorker"])
def test_killed_between_any_two_calls_the_same_bytes_are_handed_over_and_referred_to(
    role: str,
) -> None:
    async def prepare(other: StandIn) -> None:
        one = other.one
        await other.store()
        await one.certificates()
        await one.cluster(initialized=role != "Initialize")
        await one.machine("worker", control_plane="Worker" not in role, infrastructureRef=REFERENCE)

    whole: list[Any] = []

    async def undisturbed(other: StandIn) -> None:
        await prepare(other)
        other.one.management.calls.clear()
        await served(other)
        calls = len(other.one.management.calls) + len(other.one.workload.calls)
        whole.extend([other.kept["worker"], other.one.data("worker"), calls])

    play(undisturbed)
    kept, data, calls = whole

    for number in range(1, calls + 1):
        for way in ("fail", "lose"):

            async def killed(other: StandIn, number: int = number, way: str = way) -> None:
                one = other.one
                await prepare(other)
                with dying(number, way, one.management, one.workload):
                    await one.attempt()
                    await other.act()
                    await one.attempt()
                one.passes(seconds=30)
                one.restart()
                await served(other)
                assert one.condition("worker") == ("True", "Available"), (number, way)
                assert other.kept["worker"] == kept, (number, way)
                assert one.data("worker") == data, (number, way)
                there = one.management.get("machinebootstraps", "worker")["metadata"]
                assert there["finalizers"], (number, way)

            play(killed)


def test_a_second_look_writes_nothing_and_only_who_was_answered_is_woken() -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await worker(one)
        await one.machine("second", infrastructureRef=REFERENCE)
        await served(other)
        one.restart()
        one.management.calls.clear()
        await one.settle()
        assert not [call for call in one.management.calls if call[0] != "GET"]

        while len(one.controller.queue):
            key = await one.controller.queue.get()
            one.controller.queue.done(key, failed=False)
        status = copy.deepcopy(one.management.get(STORES, "main")["status"])
        status["configurations"][0]["expires"] = "2030-01-01T00:00:00Z"
        await other.say(configurations=status["configurations"])
        await one.refresh()
        assert len(one.controller.queue) == 1
        assert await one.controller.queue.get() == (
            "default",
            status["configurations"][0]["name"],
        )

    play(scene)


def test_an_edit_before_the_answer_is_handed_over_and_an_answer_for_the_old_one_is_not_taken() -> (
    None
):
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await worker(one)
        await one.settle()
        await other.act()
        old = other.kept["worker"]
        spec = {
            "infrastructureRef": REFERENCE,
            "machine": {"files": [{"path": "/etc/x", "content": "y"}]},
        }
        await one.management.change("machinebootstraps", "worker", spec=spec)

        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "WaitingForLocation")
        await other.act()
        await one.settle()

        assert other.kept["worker"] != old
        assert reference(one)["sha256"] == hashlib.sha256(other.kept["worker"]).hexdigest()

    play(scene)


def test_what_is_secret_of_a_location_comes_from_secrets_and_is_read_anew() -> None:
    async def scene(other: StandIn) -> None:
        one = other.one

        async def signed(text: str, expires: str) -> None:
            data = {"url": f"{LOCATION}?sig={text}", "token": f"Bearer {text}"}
            body = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
            await one.management.put("secrets", {"metadata": {"name": "signed"}, "data": body})
            other.more = {
                "url": None,
                "urlFrom": {"name": "signed", "key": "url"},
                "headersFrom": {"Authorization": {"name": "signed", "key": "token"}},
                "expires": expires,
            }
            await other.act()

        await other.store()
        await worker(one)
        await one.settle()
        await signed("first", "2026-11-30T13:00:00Z")
        again = await one.settle()
        assert reference(one)["headers"] == {"Authorization": "Bearer first"}
        assert reference(one)["url"] == f"{LOCATION}?sig=first"
        # Its token is looked after before the location expires.
        assert again["worker"] == 300.0
        assert "first" not in msgspec.json.encode(one.management.get(STORES, "main")).decode()

        one.passes(minutes=40)
        await signed("second", "2026-11-30T14:00:00Z")
        await one.settle()
        assert reference(one)["url"] == f"{LOCATION}?sig=second"
        assert one.condition("worker", "StoreSynced") == ("True", "Synced")

        one.passes(hours=2)
        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "URLExpiresTooSoon")
        assert one.condition("worker") == ("True", "Available")

        machine = one.management.get("machines", "worker")
        await one.management.change(
            "machines", "worker", spec=machine["spec"] | {"providerID": "cloud:///1"}
        )
        consumed = one.data("worker")
        await signed("third", "2026-11-30T18:00:00Z")
        await one.settle()
        assert one.data("worker") == consumed, "the infrastructure has read it"

    play(scene)


def test_a_plugin_finds_it_and_reports_where_the_store_says_so() -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await other.say(reporting={"plugin": "vault"})
        await worker(one)
        await one.settle()
        other.more = {"url": None, "plugin": {"name": "vault", "location": "machines/worker"}}
        await other.act()
        await one.settle()
        assert reference(one)["plugin"] == {"name": "vault", "location": "machines/worker"}
        reporting = msgspec.json.decode(other.kept["worker"])["spec"]["reporting"]
        assert reporting["plugin"] == {"name": "vault", "location": "default/worker"}

    play(scene)


HOSTILE: dict[str, Any] = {
    "no list": {"configurations": {"worker": {}}},
    "no name": {"configurations": [{"url": LOCATION}]},
    "no status": None,
    "numbers": {"configurations": [{"name": "worker", "sha256": 1, "url": 2}]},
    "two ways": {"plugin": {"name": "vault", "location": "x"}},
    "no way": {"url": None},
    "not a url": {"url": "javascript:alert(1)"},
    "a line break": {"url": f"{LOCATION}\r\nX-Other: secret"},
    "another scheme": {"url": "gopher://secret.example.com"},
    "header": {"headersFrom": {"A: b": {"name": "signed", "key": "url"}}},
    "no secret": {"headersFrom": {"Authorization": {"name": "gone", "key": "token"}}},
    "plugin": {"url": None, "plugin": {"name": "../../bin/sh", "location": "x"}},
    "another content": {"sha256": "0" * 64},
    "refused": {"message": "no space left \x1b[31m"},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_not_an_answer_makes_no_data_and_is_told(what: str) -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await worker(one)
        await one.settle()
        value = HOSTILE[what]
        if value is not None and "configurations" not in value:
            other.more = value
            await other.act()
        else:
            await one.management.change(STORES, "main", status=value)
        await one.settle()
        assert "worker" not in one.management.names("secrets")
        status, reason = one.condition("worker", "StoreSynced")
        assert (status, reason) in (("False", "StoreNotReady"), ("False", "WaitingForLocation"))
        message = one.message("worker", "StoreSynced")
        assert "secret.example.com" not in message
        assert message.isprintable()

        # It holds up nobody else, and an answer is all that is needed.
        other.more = {}
        await other.act()
        await one.settle()
        assert one.condition("worker") == ("True", "Available")

    play(scene)


@pytest.mark.parametrize("why", ["object", "kind", "rights"])
def test_a_store_that_is_not_there_or_may_not_be_read_is_named_and_nothing_is_handed_over(
    why: str,
) -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        if why == "kind":
            one.management.absent.add(STORES)
        elif why == "rights":
            one.management.forbidden_lists.add(STORES)
        await worker(one)
        again = await one.settle()
        reason = "StoreNotReady" if why == "rights" else "StoreNotFound"
        assert one.condition("worker", "StoreSynced") == ("False", reason)
        assert "spec.infrastructureRef" in one.message("worker", "StoreSynced")
        if why == "rights":
            label = "machineadm.x-k8s.io/aggregate-to-bootstrap-controller"
            assert label in one.message("worker", "StoreSynced")
        assert "worker-configuration" not in one.management.names("secrets")
        assert (again["worker"] is None) == (why == "object")

        one.management.absent.clear()
        one.management.forbidden_lists.clear()
        await other.store()
        await served(other)
        assert one.condition("worker") == ("True", "Available")

    play(scene)


@pytest.mark.parametrize("whose", ["another", "nobody"])
def test_another_s_secret_of_the_name_is_never_overwritten(whose: str) -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y", "controller": True}
        meta = {"name": "worker-configuration"} | (
            {"ownerReferences": [owner]} if whose == "another" else {}
        )
        before = await one.management.put("secrets", {"metadata": meta, "data": {"value": "eA=="}})
        await worker(one)
        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "WriteFailed")
        assert one.management.get("secrets", "worker-configuration") == before
        await one.management.remove("secrets", "worker-configuration")
        await served(other)
        assert one.condition("worker") == ("True", "Available")

    play(scene)


@pytest.mark.parametrize("how", ["joined", "deleted"])
def test_what_is_needed_no_more_is_taken_back(how: str) -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store(retention={"gracePeriod": "10m"})
        await worker(one)
        await served(other)
        if how == "joined":
            await one.joins("worker")
            await one.settle()
            assert "worker-configuration" in one.management.names("secrets")
            one.passes(minutes=10)
        else:
            there = one.management.get("machinebootstraps", "worker")
            meta = there["metadata"] | {"deletionTimestamp": "2026-11-30T12:00:00Z"}
            await one.management.change("machinebootstraps", "worker", metadata=meta)
        await one.settle()
        assert "worker-configuration" not in one.management.names("secrets")
        assert not one.management.get("machinebootstraps", "worker")["metadata"]["finalizers"]
        await other.act()
        assert not other.kept

    play(scene)


def test_a_report_in_the_answer_makes_the_object_not_ready_with_the_code() -> None:
    async def scene(other: StandIn) -> None:
        one = other.one
        await other.store()
        await worker(one)
        await served(other)
        other.more = {
            "report": {
                "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
                "kind": "BootstrapStatus",
                "phase": "Failed",
                "steps": [{"name": "kubeadm-join", "state": "Failed"}],
                "error": {"code": "MA5001", "message": "kubeadm join failed"},
            }
        }
        await other.act()
        await one.refresh()
        intake = Intake(
            one.client,
            bootstraps=one.controller.bootstraps,
            secrets=one.controller.secrets,
            clusters=one.controller.clusters,
            now=lambda: one.now,
            clock=lambda: one.now.timestamp(),
        )
        poller = Poller(
            one.controller.stores,
            one.controller.bootstraps,
            intake,
            metrics=one.client.metrics,
            works=lambda: True,
        )
        running = asyncio.ensure_future(intake.run())
        try:
            await poller.look()
        finally:
            await cancelled(running)
        await one.settle()
        assert one.condition("worker", "BootstrapSucceeded") == ("False", "Failed")
        assert one.condition("worker", "Ready") == ("False", "BootstrapFailed")
        assert "MA5001" in one.message("worker", "Ready")

    play(scene)


@pytest.mark.parametrize("length", [1, 200, 239, 240, 253])
def test_the_secret_s_name_is_a_name_for_any_machine_and_no_other_s(length: int) -> None:
    one, other = "a" * length, "a" * (length - 1) + "b"
    assert len(secret_name(one)) <= 253
    assert secret_name(one) != secret_name(other)
