"""A configuration goes into a store and a reference to it into the data: whole, for its machine alone, and only as long as it is needed."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from machineadm.api.infrastructure.v1alpha1.http import HttpAccess, HTTPBootstrapStoreSpec
from machineadm.controllers.reports.intake import Intake
from machineadm.controllers.reports.polling import Poller
from machineadm.controllers.runtime.serving import served
from machineadm.controllers.runtime.tasks import cancelled
from machineadm.controllers.stores.disk import Disk, DiskBackend
from machineadm.controllers.stores.http import HttpStore
from machineadm.controllers.stores.server import LARGEST, Identities, StoreServer
from machineadm.controllers.stores.status import StoreKeeper
from tests.controllers_world import World, configuration_in, dying, pairs, world
from tests.fakes.apiserver import Object

KEY = b"k" * 32
MANAGER = "the-manager-s-own-token"
PATH = "/v1/configurations"
REFERENCE = {
    "apiGroup": "infrastructure.cluster.x-k8s.io",
    "kind": "HTTPBootstrapStore",
    "name": "edge",
}


class Shop:
    """A world with a store.

    Attributes:
        disk: What the store keeps.
        calls: Method and path of each request, in their order.
        fail: An HTTP status other than 0 is the answer to a request, which has no effect.
        lose: As `fail`, but the request has its effect.
    """

    def __init__(self, one: World, disk: Disk, url: str) -> None:
        self.one = one
        self.disk = disk
        self.url = url
        self.calls: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], int] = lambda method, path: 0
        self.lose: Callable[[str, str], int] = lambda method, path: 0

    async def store(self, **spec: Any) -> None:
        """The HTTPBootstrapStore and its Secret."""
        secret = {
            "key": base64.b64encode(KEY).decode(),
            "token": base64.b64encode(MANAGER.encode()).decode(),
        }
        await self.one.management.put("secrets", {"metadata": {"name": "edge"}, "data": secret})
        whole = {
            "url": f"{self.url}{PATH}",
            "credentials": {"bearerTokenFrom": {"name": "edge", "key": "token"}},
            "fetch": {"token": {"keyFrom": {"name": "edge", "key": "key"}}},
        } | spec
        await self.one.management.put(
            "httpbootstrapstores", {"metadata": {"name": "edge"}, "spec": whole}
        )

    def kept(self, name: str = "worker") -> bytes | None:
        """What the store has of a machine."""
        return self.disk.get(("default", name), "configuration")

    def reference(self, name: str = "worker") -> Object:
        """The reference in a data Secret."""
        found: Object = configuration_in(self.one.data(name), "ConfigurationReference")["spec"]
        return found


@asynccontextmanager
async def shop(directory: Path) -> AsyncIterator[Shop]:
    async with world() as one:
        disk = Disk(directory / "store")
        server = StoreServer(
            DiskBackend(disk),
            Identities(managers=lambda: [MANAGER.encode()], keys=lambda: [KEY]),
            agents=directory / "agents",
            now=lambda: one.now.timestamp(),
            clock=lambda: one.now.timestamp(),
        )
        app = server.app()
        found: list[Shop] = []

        @web.middleware
        async def told(request: web.Request, handler: Any) -> Any:
            call = request.method, request.path
            found[0].calls.append(call)
            status = found[0].fail(*call)
            if status:
                return web.Response(status=status)
            answer = await handler(request)
            lost = found[0].lose(*call)
            return web.Response(status=lost) if lost else answer

        app.middlewares.append(told)
        async with served(app, ("127.0.0.1", 0)) as port:
            found.append(Shop(one, disk, f"http://127.0.0.1:{port}"))
            yield found[0]


Scene = Callable[[Shop], Coroutine[Any, Any, None]]


def play(directory: Path, scene: Scene) -> None:
    async def whole() -> None:
        async with shop(directory) as one:
            await scene(one)

    asyncio.run(whole())


async def worker(one: World, **spec: Any) -> None:
    await one.certificates()
    await one.cluster(initialized=True)
    await one.machine("worker", **{"infrastructureRef": REFERENCE, **spec})


def test_the_store_has_the_configuration_and_the_data_no_more_than_where_it_is(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)

        await one.settle()

        assert one.condition("worker") == ("True", "Available")
        assert one.condition("worker", "StoreSynced") == ("True", "Synced")
        kept = shop.kept()
        assert kept is not None
        stored = msgspec.json.decode(kept)
        token = stored["spec"]["kubernetes"]["role"]["discovery"]["token"]
        assert one.tokens() == [f"bootstrap-token-{token.partition('.')[0]}"]
        # Who reads the Secret sees neither that nor any other secret of the machine.
        with pytest.raises(AssertionError, match="no MachineConfiguration"):
            configuration_in(one.data("worker"))
        reference = shop.reference()
        assert reference["url"] == f"{shop.url}{PATH}/default/worker"
        assert reference["sha256"] == hashlib.sha256(kept).hexdigest()
        async with (
            aiohttp.ClientSession() as session,
            session.get(reference["url"], headers=reference["headers"]) as answer,
        ):
            assert (answer.status, await answer.read()) == (200, kept)

    play(tmp_path, scene)


def test_a_store_costs_one_write_of_the_object_and_one_of_the_store_and_a_second_look_none(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        await one.settle()
        one.management.calls.clear()
        await one.machine("second", infrastructureRef=REFERENCE)
        shop.calls.clear()
        await one.settle()
        writes = [call for call in one.management.calls if call[0] != "GET"]
        assert writes == [
            ("PATCH", "machinebootstraps/second"),
            ("POST", "secrets"),
            ("PATCH", "machinebootstraps/second/status"),
        ]
        assert shop.calls == [("PUT", f"{PATH}/default/second")]

        one.management.calls.clear()
        shop.calls.clear()
        one.restart()
        await one.settle()
        assert not [call for call in one.management.calls if call[0] != "GET"]
        assert not shop.calls

    play(tmp_path, scene)


@pytest.mark.parametrize("role", ["Initialize", "JoinControlPlane", "JoinWorker"])
def test_killed_between_any_two_calls_the_data_refers_to_what_the_store_has(
    role: str, tmp_path: Path
) -> None:
    async def prepare(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await one.certificates()
        await one.cluster(initialized=role != "Initialize")
        await one.machine("worker", control_plane="Worker" not in role, infrastructureRef=REFERENCE)

    whole: list[Any] = []

    async def undisturbed(shop: Shop) -> None:
        await prepare(shop)
        shop.one.management.calls.clear()
        await shop.one.settle()
        calls = shop.one.management.calls, shop.one.workload.calls, shop.calls
        whole.extend([shop.kept(), sum(map(len, calls))])

    play(tmp_path / "whole", undisturbed)
    kept, calls = whole
    assert kept

    for number in range(1, calls + 1):
        for way in ("fail", "lose"):

            async def killed(shop: Shop, number: int = number, way: str = way) -> None:
                await prepare(shop)
                with dying(number, way, shop.one.management, shop.one.workload, shop):
                    await shop.one.attempt()
                # The next process starts later, and its token for fetching ends later.
                shop.one.passes(seconds=30)
                shop.one.restart()
                await shop.one.settle()
                assert shop.one.condition("worker") == ("True", "Available"), (number, way)
                assert shop.kept() == kept, (number, way)
                assert shop.reference()["sha256"] == hashlib.sha256(kept).hexdigest()
                there = shop.one.management.get("machinebootstraps", "worker")["metadata"]
                assert there["finalizers"], (number, way)

            play(tmp_path / f"{number}-{way}", killed)


def test_an_edit_between_the_data_and_the_status_never_changes_what_the_data_refers_to(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        one.management.fail = lambda method, path: 500 if path.endswith("/status") else 0
        await one.attempt()
        one.management.fail = lambda method, path: 0
        kept = shop.kept()
        assert kept is not None
        hostname = {"hostname": {"name": "another"}}
        spec = {"infrastructureRef": REFERENCE, "machine": hostname}
        await one.management.change("machinebootstraps", "worker", spec=spec)
        one.restart()

        await one.settle()

        assert shop.kept() == kept
        assert shop.reference()["sha256"] == hashlib.sha256(kept).hexdigest()

    play(tmp_path, scene)


def test_a_joined_machine_s_configuration_is_removed_when_its_time_is_over(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(retention={"gracePeriod": "10m"})
        await worker(one)
        await one.settle()
        one.passes(hours=2)
        await one.settle()
        assert shop.kept(), "a machine may come late"

        await one.joins("worker")
        again = await one.settle()
        assert again["worker"] == 600.0
        assert shop.kept()

        one.passes(minutes=10)
        one.restart()
        await one.settle()
        assert shop.kept() is None
        assert one.condition("worker", "StoreSynced") == ("True", "Removed")
        there = one.management.get("machinebootstraps", "worker")["metadata"]
        assert not there["finalizers"]
        assert not there["annotations"]
        assert one.condition("worker", "Ready") == ("True", "Ready")

    play(tmp_path, scene)


@pytest.mark.parametrize("policy", ["AfterBootstrap", "WithMachineBootstrap", "Retain"])
def test_a_deleted_object_goes_when_the_store_has_forgotten_it(policy: str, tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(retention={"policy": policy})
        await worker(one)
        await one.settle()
        shop.fail = lambda method, path: 503 if method == "DELETE" else 0
        there = one.management.get("machinebootstraps", "worker")
        meta = there["metadata"] | {"deletionTimestamp": "2026-11-30T12:00:00Z"}
        await one.management.change("machinebootstraps", "worker", metadata=meta)

        again = await one.settle()

        there = one.management.get("machinebootstraps", "worker")["metadata"]
        if policy == "Retain":
            assert not there["finalizers"]
            assert shop.kept()
            return
        assert there["finalizers"], "the store may have it still"
        assert one.condition("worker", "StoreSynced") == ("False", "WriteFailed")
        assert again["worker"] == 10.0
        shop.fail = lambda method, path: 0
        await one.settle()
        assert not one.management.get("machinebootstraps", "worker")["metadata"]["finalizers"]
        assert shop.kept() is None

    play(tmp_path, scene)


@pytest.mark.parametrize("how", ["moved", "paused"])
def test_what_goes_to_another_management_cluster_stays_in_the_store(
    how: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        await one.settle()
        there = one.management.get("machinebootstraps", "worker")
        meta = there["metadata"] | {"deletionTimestamp": "2026-11-30T12:00:00Z"}
        if how == "moved":
            moved = {"clusterctl.cluster.x-k8s.io/delete-for-move": ""}
            meta["annotations"] = meta["annotations"] | moved
        else:
            await one.cluster(initialized=True, paused=True)
        await one.management.change("machinebootstraps", "worker", metadata=meta)
        await one.settle()
        assert shop.kept()
        # As it arrives there: without its finalizers, with its annotations.
        if how == "moved":
            meta = {k: v for k, v in meta.items() if k not in ("deletionTimestamp", "finalizers")}
            await one.management.change("machinebootstraps", "worker", metadata=meta)
            await one.settle()
            assert one.management.get("machinebootstraps", "worker")["metadata"]["finalizers"]

    play(tmp_path, scene)


def test_a_store_that_is_down_leaves_no_data_and_is_tried_again(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        for status, reason, after in ((503, "WriteFailed", 10.0), (401, "CredentialsRejected", 300.0),
                                      (307, "WriteFailed", 10.0), (507, "WriteFailed", 10.0)):  # fmt: skip
            shop.fail = lambda method, path, status=status: status  # type: ignore[misc]
            again = await one.settle()
            assert one.condition("worker", "StoreSynced") == ("False", reason)
            assert one.condition("worker") == ("False", "StoreNotSynced")
            assert one.condition("worker", "Ready")[1] == reason
            assert again["worker"] == after
            assert MANAGER not in one.message("worker", "StoreSynced")
            assert "worker" not in one.management.names("secrets")
        shop.fail = lambda method, path: 0
        await one.settle()
        assert one.condition("worker") == ("True", "Available")
        assert one.condition("worker", "Ready") == ("True", "Ready")

    play(tmp_path, scene)


def test_a_store_that_is_missing_is_named_and_served_when_it_is_there(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await one.machine("worker", infrastructureRef=REFERENCE)
        await one.certificates()
        # Also while the machine has to wait for something else.
        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "StoreNotFound")
        assert "spec.infrastructureRef" in one.message("worker")
        assert one.condition("worker", "Ready")[0] == "False"
        await one.cluster(initialized=True)
        await one.settle()
        await one.refresh()
        while len(one.controller.queue):
            key = await one.controller.queue.get()
            one.controller.queue.done(key, failed=False)

        await shop.store()
        await one.refresh()
        assert len(one.controller.queue) == 1, "nobody woke it"
        await one.settle()
        assert one.condition("worker") == ("True", "Available")

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"key": ""}, "32 bytes"),
        ({"key": base64.b64encode(b"short").decode()}, "32 bytes"),
        ({"token": ""}, "one line of text"),
        ({"token": base64.b64encode(b"a\r\nX-Other: b").decode()}, "one line of text"),
        ({"token": base64.b64encode(b"\xff\xfe").decode()}, "one line of text"),
        ({"token": None}, "no key token"),
    ],
)
def test_a_secret_of_a_store_that_cannot_be_used_is_named_and_never_shown(
    change: dict[str, str | None], says: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        there = one.management.get("secrets", "edge")["data"] | change
        data = {name: value for name, value in there.items() if value is not None}
        await one.management.change("secrets", "edge", data=data)
        await worker(one)
        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "StoreNotReady")
        assert says in one.message("worker", "StoreSynced")
        assert "X-Other" not in one.message("worker", "StoreSynced")
        assert not shop.calls

    play(tmp_path, scene)


@pytest.mark.parametrize("kind", ["SecretsManagerBootstrapStore", "pool"])
def test_what_cannot_be_stored_yet_is_refused_and_never_put_into_user_data(
    kind: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await one.certificates()
        await one.cluster(initialized=True)
        reference = REFERENCE | ({} if kind == "pool" else {"kind": kind})
        make = one.pool if kind == "pool" else one.machine
        await make("worker", infrastructureRef=reference)
        await one.settle()
        assert one.condition("worker") == ("False", "NotSupported")
        assert "worker" not in one.management.names("secrets")

    play(tmp_path, scene)


BY_PLUGIN = {"fetch": {"plugin": {"name": "http"}}, "reporting": {"plugin": {"name": "http"}}}


@pytest.mark.parametrize("machine_url", ["", "https://inside.example.com/configurations"])
def test_a_plugin_fetches_and_reports_where_the_store_has_it(
    machine_url: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**BY_PLUGIN, **({"machineURL": machine_url} if machine_url else {}))
        await worker(one)

        again = await one.settle()

        assert one.condition("worker") == ("True", "Available")
        kept = shop.kept()
        assert kept is not None
        location = f"{machine_url or shop.url + PATH}/default/worker"
        # No token: the machine shows who it is.
        assert shop.reference() == {
            "plugin": {"name": "http", "location": location},
            "sha256": hashlib.sha256(kept).hexdigest(),
        }
        reporting = msgspec.json.decode(kept)["spec"]["reporting"]
        assert reporting["plugin"] == {"name": "http", "location": f"{location}/status"}
        assert again["worker"] == 300.0, "the token of the cluster, and nothing that expires"

        shop.disk.put(("default", "worker"), "status", msgspec.json.encode(FAILED))
        assert await polled(shop) == {"written": 1}
        one.passes(hours=20)
        shop.calls.clear()
        await one.settle()
        assert not shop.calls
        assert shop.reference()["plugin"]["location"] == location

    play(tmp_path, scene)


@pytest.mark.parametrize("of", ["fetch", "reporting"])
@pytest.mark.parametrize(
    "more", [{"inputs": {"a": 1}}, {"secretInputs": {"a": "b"}}, {"output": "data"}]
)
def test_what_a_reference_cannot_say_of_a_plugin_is_refused(
    of: str, more: Object, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**BY_PLUGIN | {of: {"plugin": {"name": "http", **more}}})
        await worker(one)
        await one.settle()
        assert one.condition("worker") == ("False", "NotSupported")
        assert f"spec.{of}.plugin" in one.message("worker")
        assert "worker" not in one.management.names("secrets")

    play(tmp_path, scene)


AUTHORITY = pairs()[0].certificate
DIGESTS = {"amd64": "a" * 64, "arm64": "b" * 64}


def released(directory: Path, version: str = "v1.2.0", **changes: Any) -> None:
    """A release, as it is copied into --agent-directory."""
    artifacts = [
        {"name": f"machineadm-linux-{arch}.pyz", "sha256": digest, "size": 7, "mediaType": "a/zip"}
        for arch, digest in DIGESTS.items()
    ]
    whole = {
        "schemaVersion": 1,
        "version": version,
        "date": "2026-11-30T12:00:00Z",
        "commit": "0123456",
        "artifacts": artifacts,
    } | changes
    there = directory / "agents" / version
    there.mkdir(parents=True, exist_ok=True)
    (there / "release.json").write_bytes(msgspec.json.encode(whole))


def agent_from(one: World, name: str = "worker") -> str:
    """The script that fetches the agent, in a data Secret."""
    import yaml

    for file in yaml.safe_load(one.data(name))["write_files"]:
        data = file["content"]
        data = data.encode() if isinstance(data, str) else data
        if "b64" in file.get("encoding", "") or "base64" in file.get("encoding", ""):
            data = base64.b64decode(data)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if b"machineadm-linux-" in data:
            return str(data, "utf-8")
    raise AssertionError("no script that fetches the agent")


@pytest.mark.parametrize("by", ["name", "infrastructureRef", "another version", "pinned"])
def test_the_manager_says_where_a_store_has_the_agent_and_what_its_digest_is(
    by: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        released(tmp_path)
        await shop.store(caBundle=AUTHORITY)
        await one.certificates()
        await one.cluster(initialized=True)
        download: Object = {"version": "v1.2.0", "fromStore": {"name": "edge"}}
        spec: Object = {"agent": {"download": download}}
        if by == "infrastructureRef":
            download["fromStore"] = {}
            spec["infrastructureRef"] = REFERENCE
        if by == "another version":
            download["version"] = "v1.2.1"
        if by == "pinned":
            download["sha256"] = "c" * 64
        await one.machine("worker", **spec)

        again = await one.settle()

        if by == "another version":
            assert one.condition("worker", "StoreSynced") == ("False", "StoreNotReady")
            assert "v1.2.1" in one.message("worker")
            assert again["worker"] == 60.0
            released(tmp_path, "v1.2.1")
            await one.settle()
            download["version"] = "v1.2.1"
        assert one.condition("worker") == ("True", "Available")
        script = agent_from(one)
        assert f"{shop.url}/agent/{download['version']}/machineadm-linux-" in script
        assert AUTHORITY.splitlines()[1] in script
        wanted = ["c" * 64] if by == "pinned" else list(DIGESTS.values())
        assert all(digest in script for digest in wanted)
        assert not (by == "pinned" and DIGESTS["amd64"] in script)

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("no store is named", "NotSupported"),
        ("the store is missing", "StoreNotSynced"),
        ("another server", "NotSupported"),
        ("not a release", "StoreNotSynced"),
        ("another release", "StoreNotSynced"),
        ("a release without agents", "StoreNotSynced"),
        ("larger than a release", "StoreNotSynced"),
    ],
)
def test_an_agent_that_a_store_does_not_serve_is_named_and_no_data_is_made(
    what: str, reason: str, tmp_path: Path
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        released(tmp_path)
        file = tmp_path / "agents/v1.2.0/release.json"
        if what == "not a release":
            file.write_text("[")
        if what == "another release":
            released(tmp_path, "v1.3.0")
            file.write_bytes((tmp_path / "agents/v1.3.0/release.json").read_bytes())
        if what == "a release without agents":
            artifact = {"name": "LICENSE", "sha256": "a" * 64, "size": 7, "mediaType": "a/zip"}
            released(tmp_path, artifacts=[artifact])
        if what == "larger than a release":
            file.write_bytes(b" " * (1 << 20) + b"{}")
        if what != "the store is missing":
            url = {"url": f"{shop.url}/elsewhere"} if what == "another server" else {}
            await shop.store(**url)
        await one.certificates()
        await one.cluster(initialized=True)
        named: Object = {} if what == "no store is named" else {"name": "edge"}
        download = {"version": "v1.2.0", "fromStore": named}
        await one.machine("worker", agent={"download": download})

        await one.settle()

        assert one.condition("worker") == ("False", reason)
        assert "spec.agent.download.fromStore" in one.message("worker")
        assert "worker" not in one.management.names("secrets")

    play(tmp_path, scene)


def test_a_release_is_looked_up_once_for_many_machines(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        released(tmp_path)
        await shop.store()
        await one.certificates()
        await one.cluster(initialized=True)
        download = {"version": "v1.2.0", "fromStore": {"name": "edge"}}
        for number in range(3):
            await one.machine(f"worker-{number}", agent={"download": download})
        await one.settle()
        assert [one.condition(f"worker-{number}")[0] for number in range(3)] == ["True"] * 3
        assert shop.calls == [("GET", "/agent/v1.2.0/release.json")]

    play(tmp_path, scene)


def test_the_machine_names_the_store_where_its_bootstrap_does_not(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one, infrastructureRef=None)

        there = one.management.get("machinebootstraps", "worker")["spec"]
        there.pop("infrastructureRef")
        await one.management.change("machinebootstraps", "worker", spec=there)
        machine = one.management.get("machines", "worker")["spec"]
        spec = machine | {"bootstrap": {"infrastructureRef": REFERENCE}}
        await one.management.change("machines", "worker", spec=spec)
        await one.settle()
        assert shop.kept()
        assert shop.reference()["url"].endswith("/default/worker")

    play(tmp_path, scene)


def test_an_encrypted_configuration_is_stored_encrypted(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        phrase = base64.b64encode(b"correct horse battery staple").decode()
        await one.management.put(
            "secrets", {"metadata": {"name": "phrase"}, "data": {"phrase": phrase}}
        )
        secret = {"secret": {"name": "phrase", "key": "phrase"}}
        await worker(
            one, encryption={"provider": "file", "passphraseFrom": secret, "iterations": 10000}
        )
        await one.settle()
        kept = shop.kept()
        assert kept is not None
        assert msgspec.json.decode(kept)["kind"] == "EncryptedData"

    play(tmp_path, scene)


def test_a_configuration_larger_than_a_store_takes_is_refused(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        files = [
            {"path": f"/etc/{number}", "content": "x" * 260_000}
            for number in range(LARGEST // 260_000 + 1)
        ]
        await worker(one, machine={"files": files})
        await one.settle()
        assert one.condition("worker") == ("False", "DataTooLarge")
        assert not shop.calls

    play(tmp_path, scene)


async def polled(shop: Shop) -> Counter[str]:
    """Look once into the store for reports.

    Returns:
        What became of them.
    """
    one = shop.one
    await one.refresh()
    intake = Intake(
        one.client,
        bootstraps=one.controller.bootstraps,
        secrets=one.controller.secrets,
        clusters=one.controller.clusters,
        now=lambda: one.now,
        clock=lambda: one.now.timestamp(),
    )
    stores = one.controller.stores
    poller = Poller(
        stores, one.controller.bootstraps, intake, metrics=one.client.metrics, works=lambda: True
    )
    running = asyncio.ensure_future(intake.run())
    before = counted(one)
    try:
        await poller.look()
        # What was read is known: a second look takes nothing.
        calls = len(one.management.calls)
        await poller.look()
        assert len(one.management.calls) == calls
    finally:
        await cancelled(running)
    return counted(one) - before


def counted(one: World) -> Counter[str]:
    found: Counter[str] = Counter()
    for family in one.client.metrics.registry.collect():
        for sample in family.samples:
            if sample.name == "machineadm_reports_total":
                found[sample.labels["result"]] += int(sample.value)
    return found


REPORTING = {"reporting": {"token": {"keyFrom": {"name": "edge", "key": "key"}}}}
FAILED = {
    "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
    "kind": "BootstrapStatus",
    "phase": "Failed",
    "steps": [{"name": "kubeadm-join", "state": "Failed"}],
    "error": {"code": "MA5001", "message": "kubeadm join failed"},
}


@pytest.mark.parametrize("tag", [b'"\xff"', "“a”".encode(), b"", b'"' + b"a" * 300 + b'"'])
def test_a_tag_that_cannot_be_sent_back_does_not_end_the_reading(tag: bytes) -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\nETag: "
        writer.write(head + tag + b"\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def whole() -> None:
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            spec = HTTPBootstrapStoreSpec(url=f"http://127.0.0.1:{port}", fetch=HttpAccess())
            store = HttpStore(session, spec, name="edge", headers={}, tls=None, key=b"k" * 32)
            first = await store.report(("default", "worker"), "")
            assert first is not None
            assert first[0] == b"{}"
            assert await store.report(("default", "worker"), first[1]) is None
        server.close()

    asyncio.run(whole())


async def told(shop: Shop, body: bytes, name: str = "worker") -> int:
    """Report as a machine does, to where its configuration says."""
    kept = shop.kept(name)
    assert kept is not None
    reporting = msgspec.json.decode(kept)["spec"]["reporting"]
    async with (
        aiohttp.ClientSession() as session,
        session.put(
            reporting["url"], headers=reporting["headers"], data=io.BytesIO(body)
        ) as answer,
    ):
        return answer.status


def test_a_report_in_the_store_makes_the_object_not_ready_with_the_code(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING)
        await worker(one)
        await one.settle()
        assert not await polled(shop)
        assert await told(shop, msgspec.json.encode(FAILED)) == 204

        assert await polled(shop) == {"written": 1}

        report = one.management.get("machinebootstraps", "worker")["status"]["report"]
        assert (report["phase"], report["code"]) == ("Failed", "MA5001")
        await one.settle()
        assert one.condition("worker", "Ready") == ("False", "BootstrapFailed")

        assert await told(shop, msgspec.json.encode(FAILED | {"phase": "Succeeded", "error": None}))
        assert await polled(shop) == {"written": 1}
        assert one.condition("worker", "BootstrapSucceeded") == ("True", "Succeeded")
        shop.calls.clear()
        await polled(shop)
        assert not shop.calls, "it has told all that it will"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[" * 100_000, b'{"kind":"Secret"}', b"\xff" * 100, b"x" * 2_000_000],
    ids=["empty", "cut", "null", "deep", "other", "binary", "large"],
)
def test_what_is_not_a_report_changes_nothing_and_is_counted(body: bytes, tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING)
        await worker(one)
        await one.settle()
        assert await told(shop, body) == 204
        assert await polled(shop) == {"malformed": 1}
        assert "report" not in one.management.get("machinebootstraps", "worker")["status"]

    play(tmp_path, scene)


def test_what_an_earlier_machine_of_the_name_reported_is_not_the_next_one_s(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING, retention={"policy": "Retain"})
        await worker(one)
        await one.settle()
        await told(shop, msgspec.json.encode(FAILED))
        for plural in ("machinebootstraps", "machines", "secrets"):
            await one.management.remove(plural, "worker")
        await worker(one)
        await one.settle()
        assert not await polled(shop)
        assert one.condition("worker", "Ready") == ("True", "Ready")

    play(tmp_path, scene)


def test_a_store_that_does_not_answer_hides_no_other_machine_s_report(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING)
        await worker(one)
        await one.machine("second", infrastructureRef=REFERENCE)
        await one.settle()
        for name in ("worker", "second"):
            await told(shop, msgspec.json.encode(FAILED), name)
        shop.fail = lambda method, path: 500 if "/worker/" in path else 0
        assert await polled(shop) == {"written": 1}
        assert one.condition("second", "BootstrapSucceeded") == ("False", "Failed")
        assert one.condition("worker", "BootstrapSucceeded") == ("", "")

    play(tmp_path, scene)


def test_with_a_token_to_report_the_data_still_refers_to_what_the_store_has_after_a_crash(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING)
        await worker(one)
        # The data is there, and nobody learns of it: its token of the first attempt must stay the stored one.
        one.management.lose = lambda method, path: 500 if method == "POST" else 0
        await one.attempt()
        one.management.lose = lambda method, path: 0
        one.passes(minutes=5)
        one.restart()
        await one.settle()
        kept = shop.kept()
        assert kept is not None
        assert shop.reference()["sha256"] == hashlib.sha256(kept).hexdigest()

    play(tmp_path, scene)


async def fetched(shop: Shop) -> int:
    """HTTP status of what the machine gets with its data as it is."""
    reference = shop.reference()
    async with (
        aiohttp.ClientSession() as session,
        session.get(reference["url"], headers=reference["headers"]) as answer,
    ):
        return answer.status


def test_the_token_in_the_data_is_good_for_as_long_as_the_infrastructure_takes(
    tmp_path: Path,
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**REPORTING)
        await worker(one)
        await one.settle()
        kept, first = shop.kept(), shop.reference()
        before = one.management.get("secrets", "worker")
        for _ in range(6):
            one.passes(minutes=41)
            one.restart()
            again = await one.settle()
            assert again["worker"] is not None
            assert await fetched(shop) == 200
        reference = shop.reference()
        assert reference["headers"] != first.pop("headers")
        assert {k: v for k, v in reference.items() if k != "headers"} == first
        assert shop.kept() == kept
        # Nothing else of the Secret changed: it is the one that the Machine names.
        after = one.management.get("secrets", "worker")
        for meta in (before["metadata"], after["metadata"]):
            meta["annotations"].pop("machineadm.x-k8s.io/stored")
            meta.pop("resourceVersion")
        assert after["metadata"] == before["metadata"]
        assert after["data"]["format"] == before["data"]["format"]

        machine = one.management.get("machines", "worker")
        spec = machine["spec"] | {"providerID": "cloud:///1"}
        await one.management.change("machines", "worker", spec=spec)
        consumed = one.data("worker")
        one.passes(hours=3)
        await one.settle()
        assert one.data("worker") == consumed, "the infrastructure has read it"

    play(tmp_path, scene)


@pytest.mark.parametrize("why", ["edited", "store gone", "template gone"])
def test_a_token_that_cannot_be_renewed_is_told_before_it_expires(why: str, tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        template = {
            "template": '#cloud-config\nwrite_files:\n- path: /run/machineadm/x\n  permissions: "0600"\n  content: {{ machine_config | quote }}\n'
        }
        spec: dict[str, Any] = {}
        if why == "template gone":
            await one.management.put(
                "configmaps", {"metadata": {"name": "own"}, "apiVersion": "v1", "data": template}
            )
            spec = {"machine": {"bootstrapperTemplateConfigMapName": "own"}}
        await worker(one, **spec)
        await one.settle()
        assert one.condition("worker") == ("True", "Available"), one.message("worker")
        data = one.data("worker")
        if why == "edited":
            there = one.management.get("machinebootstraps", "worker")
            meta = there["metadata"] | {"generation": 2}
            await one.management.change("machinebootstraps", "worker", metadata=meta)
        elif why == "store gone":
            await one.management.remove("httpbootstrapstores", "edge")
        else:
            await one.management.remove("configmaps", "own")
        one.passes(minutes=41)
        await one.settle()
        assert one.data("worker") == data
        status, reason = one.condition("worker", "StoreSynced")
        assert status == "False"
        assert reason in ("URLExpiresTooSoon", "StoreNotFound")
        assert one.condition("worker") == ("True", "Available")

    play(tmp_path, scene)


def test_a_store_that_comes_back_goes_on_with_what_it_kept(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(retention={"gracePeriod": "0s"})
        await worker(one)
        await one.settle()
        await one.management.remove("httpbootstrapstores", "edge")
        await one.joins("worker")
        await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", "StoreNotFound")
        assert one.condition("worker", "Ready") == ("True", "Ready")
        assert one.management.get("machinebootstraps", "worker")["metadata"]["finalizers"]
        while len(one.controller.queue):
            key = await one.controller.queue.get()
            one.controller.queue.done(key, failed=False)

        await shop.store(retention={"gracePeriod": "0s"})
        await one.refresh()
        assert len(one.controller.queue) == 1, "nobody woke it"
        await one.settle()
        assert shop.kept() is None

    play(tmp_path, scene)


async def looked(shop: Shop) -> dict[str, tuple[str, str]]:
    """Have the store's status written.

    Returns:
        Status and reason of each condition.
    """
    one = shop.one
    await one.refresh()
    keeper = StoreKeeper(
        one.client,
        one.controller.stores,
        one.controller.bootstraps,
        now=lambda: one.now,
        works=lambda: True,
    )
    await keeper.look(("default", "edge"))
    status = one.management.get("httpbootstrapstores", "edge")["status"]
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_a_store_says_whether_it_can_be_used_and_how_much_it_keeps(tmp_path: Path) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        assert await looked(shop) == {
            "Ready": ("True", "Ready"),
            "CredentialsAvailable": ("True", "Available"),
            "Reachable": ("True", "Reachable"),
        }
        await worker(one)
        await one.settle()
        await looked(shop)
        status = one.management.get("httpbootstrapstores", "edge")["status"]
        assert status["objects"] == 1
        version = one.management.objects_version
        one.passes(minutes=1)
        await looked(shop)
        assert one.management.objects_version == version, "nothing is new"

        for status_code, ready, reachable in (
            (401, "CredentialsRejected", "True"),
            (503, "Unreachable", "False"),
        ):
            shop.fail = lambda method, path, code=status_code: code  # type: ignore[misc]
            found = await looked(shop)
            assert found["Ready"] == ("False", ready)
            assert found["Reachable"][0] == reachable
        shop.fail = lambda method, path: 0
        assert (await looked(shop))["Ready"] == ("True", "Ready")
        await one.management.remove("secrets", "edge")
        one.restart()
        found = await looked(shop)
        assert found["CredentialsAvailable"] == ("False", "StoreNotReady")
        assert found["Reachable"][0] == "Unknown"

    play(tmp_path, scene)
