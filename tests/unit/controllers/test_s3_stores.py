"""Configurations in a bucket: signed as Amazon's own library judges it, one object for one content, gone when its time is over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from machineadm.api.infrastructure.v1alpha1.aws import AwsCredentials
from machineadm.controllers.runtime.resources import S3_STORES
from machineadm.controllers.runtime.serving import served
from machineadm.controllers.stores.aws import Identity
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.status import StoreKeeper
from tests.controllers_world import World, asked, configuration_in, dying, world
from tests.fakes.apiserver import Object
from tests.fakes.bucket import BUCKET, REGION, FakeBucket

pytest.importorskip("botocore", reason="it judges the signatures")

REFERENCE = {
    "apiGroup": "infrastructure.cluster.x-k8s.io",
    "kind": "S3BootstrapStore",
    "name": "main",
}
SIGNED = {"reporting": {"presignedURL": {"expiry": "2h"}}}
TOKEN = "token of the session"


class Shop:
    """A world with a bucket."""

    def __init__(self, one: World, bucket: FakeBucket, url: str) -> None:
        self.one = one
        self.bucket = bucket
        self.url = url

    async def store(self, **spec: Any) -> None:
        """The S3BootstrapStore and its Secret."""
        (id_, (secret, _)), *_ = self.bucket.keys.items()
        values = {"accessKeyID": id_, "secretAccessKey": secret}
        data = {name: base64.b64encode(one.encode()).decode() for name, one in values.items()}
        await self.one.management.put("secrets", {"metadata": {"name": "aws"}, "data": data})
        whole = {
            "bucket": BUCKET,
            "region": REGION,
            "endpoint": self.url,
            "forcePathStyle": True,
            "prefix": "clusters/prod",
            "credentials": {"secret": {"name": "aws"}},
        } | spec
        body = {"metadata": {"name": "main", "generation": 1}, "spec": whole}
        await self.one.management.put("s3bootstrapstores", body)

    def reference(self, name: str = "worker") -> Object:
        found: Object = configuration_in(self.one.data(name), "ConfigurationReference")["spec"]
        return found

    async def conditions(self) -> Mapping[str, tuple[str, str]]:
        """What the store's object says after a look."""
        one = self.one
        await one.refresh()
        keeper = StoreKeeper(
            one.client,
            one.controller.stores,
            one.controller.bootstraps,
            now=lambda: one.now,
            works=lambda: True,
            resource=S3_STORES,
        )
        await keeper.look(("default", "main"))
        status = one.management.get("s3bootstrapstores", "main")["status"]
        return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


Scene = Callable[[Shop], Coroutine[Any, Any, None]]


@asynccontextmanager
async def shop() -> AsyncIterator[Shop]:
    async with world() as one:
        bucket = FakeBucket(lambda: one.now)
        async with bucket.running() as url:
            yield Shop(one, bucket, url)


def play(scene: Scene) -> None:
    async def whole() -> None:
        async with shop() as one:
            await scene(one)

    asyncio.run(whole())


async def worker(one: World, **spec: Any) -> None:
    await one.certificates()
    await one.cluster(initialized=True)
    await one.machine("worker", **{"infrastructureRef": REFERENCE, **spec})


def test_the_data_has_a_url_for_its_own_configuration_and_nothing_else() -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)

        again = await one.settle()

        assert one.condition("worker") == ("True", "Available")
        assert one.condition("worker", "StoreSynced") == ("True", "Synced")
        ((path, kept),) = shop.bucket.objects.items()
        digest = hashlib.sha256(kept).hexdigest()
        assert path == f"clusters/prod/default/worker/{digest[:32]}.json"
        reference = shop.reference()
        assert reference["sha256"] == digest
        assert await asked("GET", reference["url"]) == (200, kept)
        assert again["worker"] == 300.0
        with pytest.raises(AssertionError, match="no MachineConfiguration"):
            configuration_in(one.data("worker"))

        other = reference["url"].replace("/worker/", "/other/")
        assert (await asked("GET", other))[0] == 403
        assert (await asked("PUT", reference["url"], b"x"))[0] == 403
        assert (await asked("DELETE", reference["url"]))[0] == 403
        one.passes(minutes=61)
        assert (await asked("GET", reference["url"]))[0] == 403

    play(scene)


def test_an_object_costs_one_call_of_the_bucket_and_a_second_look_none() -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        await one.settle()
        assert [method for method, _ in shop.bucket.calls] == ["PUT"]
        shop.bucket.calls.clear()
        one.restart()
        await one.settle()
        assert not shop.bucket.calls

    play(scene)


def test_killed_between_any_two_calls_the_data_refers_to_what_the_bucket_has() -> None:
    async def prepare(shop: Shop) -> None:
        await shop.store()
        await worker(shop.one)

    whole: list[Any] = []

    async def undisturbed(shop: Shop) -> None:
        await prepare(shop)
        shop.one.management.calls.clear()
        await shop.one.settle()
        counts = shop.one.management.calls, shop.one.workload.calls, shop.bucket.calls
        whole.extend([dict(shop.bucket.objects), sum(map(len, counts))])

    play(undisturbed)
    kept, calls = whole

    for number in range(1, calls + 1):
        for way in ("fail", "lose"):

            async def killed(shop: Shop, number: int = number, way: str = way) -> None:
                await prepare(shop)
                with dying(number, way, shop.one.management, shop.one.workload, shop.bucket):
                    await shop.one.attempt()
                shop.one.passes(seconds=30)
                shop.one.restart()
                await shop.one.settle()
                assert shop.one.condition("worker") == ("True", "Available"), (number, way)
                assert shop.bucket.objects == kept, (number, way)
                assert (await asked("GET", shop.reference()["url"]))[0] == 200

            play(killed)


@pytest.mark.parametrize("edited", [False, True])
def test_what_a_machine_has_fetched_is_removed_with_all_that_was_put_before(edited: bool) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**SIGNED)
        shop.bucket.objects["clusters/prod/default/worker-1/x.json"] = b"another's"
        if edited:
            # What is left of specs that were edited before the data was made.
            for number in range(5):
                shop.bucket.objects[f"clusters/prod/default/worker/{number}.json"] = b"old"
        await worker(one)
        await one.settle()
        await one.joins("worker")
        again = await one.settle()
        assert again["worker"] == 3600.0
        one.passes(hours=1, seconds=1)
        await one.settle()
        assert list(shop.bucket.objects) == ["clusters/prod/default/worker-1/x.json"]
        assert one.condition("worker", "StoreSynced") == ("True", "Removed")

    play(scene)


def test_the_url_in_the_data_is_renewed_until_the_machine_is_made() -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store()
        await worker(one)
        await one.settle()
        first = shop.reference()["url"]
        for _ in range(9):
            one.passes(minutes=5)
            await one.settle()
        second = shop.reference()["url"]
        assert second != first
        one.passes(minutes=30)
        assert (await asked("GET", second))[0] == 200
        machine = one.management.get("machines", "worker")
        await one.management.change(
            "machines", "worker", spec=machine["spec"] | {"providerID": "aws:///i-1"}
        )
        one.passes(hours=3)
        await one.settle()
        assert shop.reference()["url"] == second

    play(scene)


def test_a_machine_reports_by_a_url_for_its_report_and_nothing_else() -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        await shop.store(**SIGNED)
        await worker(one)
        await one.settle()
        ((path, kept),) = shop.bucket.objects.items()
        url = msgspec.json.decode(kept)["spec"]["reporting"]["url"]
        assert (await asked("PUT", url, b'{"phase":"Failed"}'))[0] == 200
        assert (await asked("GET", url))[0] == 403
        assert (await asked("PUT", url.replace("report.json", path.rpartition("/")[2])))[0] == 403
        store = await one.controller.stores.opened(
            "default", "infrastructure.cluster.x-k8s.io", "S3BootstrapStore", "main"
        )
        found = await store.report(("default", "worker"), "")
        assert found is not None
        assert found[0] == b'{"phase":"Failed"}'
        assert await store.report(("default", "worker"), found[1]) is None
        assert (await asked("PUT", url, b"x" * (2 * 1024 * 1024 + 1)))[0] == 200
        with pytest.raises(StoreError, match="larger than"):
            await store.report(("default", "worker"), found[1])

    play(scene)


def test_a_plugin_is_told_the_object_in_its_own_terms() -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        by = {"plugin": {"name": "aws"}}
        await shop.store(fetch=by, reporting=by)
        await worker(one)
        await one.settle()
        ((path, kept),) = shop.bucket.objects.items()
        assert shop.reference()["plugin"] == {"name": "aws", "location": f"s3://{BUCKET}/{path}"}
        reporting = msgspec.json.decode(kept)["spec"]["reporting"]["plugin"]
        assert reporting["location"] == f"s3://{BUCKET}/clusters/prod/default/worker/report.json"

    play(scene)


def test_what_the_store_says_of_objects_is_asked_of_the_bucket() -> None:
    async def scene(shop: Shop) -> None:
        kept = {"algorithm": "aws:kms", "kmsKeyID": "alias/bootstrap"}
        await shop.store(encryption=kept, tags={"team": "a b", "x": "ä&="})
        await worker(shop.one)
        await shop.one.settle()
        (headers,) = shop.bucket.headers.values()
        assert headers["x-amz-server-side-encryption"] == "aws:kms"
        assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/bootstrap"
        assert headers["x-amz-tagging"] == "team=a%20b&x=%C3%A4%26%3D"

    play(scene)


@pytest.mark.parametrize(
    ("what", "reason", "seconds"),
    [
        ("a wrong key", "CredentialsRejected", 300.0),
        ("no such bucket", "WriteFailed", 10.0),
        ("down", "WriteFailed", 10.0),
        ("no Secret", "StoreNotReady", 10.0),
    ],
)
def test_a_bucket_that_cannot_be_used_leaves_no_data(
    what: str, reason: str, seconds: float
) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        more: dict[str, Any] = {"bucket": "another"} if what == "no such bucket" else {}
        await shop.store(**more)
        if what == "a wrong key":
            shop.bucket.keys["AKIATEST"] = ("another", "")
        if what == "down":
            shop.bucket.fail = lambda method, path: 503
        if what == "no Secret":
            await one.management.remove("secrets", "aws")
        await worker(one)
        again = await one.settle()
        assert one.condition("worker", "StoreSynced") == ("False", reason)
        assert again["worker"] == seconds
        assert "worker" not in one.management.names("secrets")
        assert "the secret of the key" not in one.message("worker")
        assert (await shop.conditions())["Ready"][0] == "False"

    play(scene)


def test_the_object_of_the_store_says_that_it_can_be_used() -> None:
    async def scene(shop: Shop) -> None:
        await shop.store()
        await worker(shop.one)
        await shop.one.settle()
        assert (await shop.conditions())["Ready"] == ("True", "Ready")
        assert shop.one.management.get("s3bootstrapstores", "main")["status"]["objects"] == 1

    play(scene)


# Who the manager is.

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
ROLE = "arn:aws:iam::123456789012:role/machineadm"
ANSWER = {
    "AccessKeyId": "ASIAROLE",
    "SecretAccessKey": "secret",
    "Token": TOKEN,
    "Expiration": "2026-11-30T13:00:00Z",
}


@asynccontextmanager
async def services(
    environment: dict[str, str], calls: list[Any]
) -> AsyncIterator[tuple[Identity, dict[str, str]]]:
    """Amazon's services that give credentials, and an identity that finds them there."""

    async def answer(request: web.Request) -> web.Response:
        calls.append((request.method, request.path, dict(request.headers), await request.text()))
        if request.path == "/latest/api/token":
            return web.Response(text="session")
        if request.path.endswith("security-credentials/"):
            return web.Response(text="the-role")
        if request.method == "POST":
            names = {"Token": "SessionToken"}
            parts = "".join(
                f"<{names.get(name, name)}>{one.replace(' ', '')}</{names.get(name, name)}>"
                for name, one in ANSWER.items()
            )
            return web.Response(text=f"<R>\n{parts}\n</R>")
        return web.json_response(ANSWER)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    async with served(app, ("127.0.0.1", 0)) as port, aiohttp.ClientSession() as session:
        here = {
            name: one.replace("HERE", f"http://127.0.0.1:{port}")
            for name, one in environment.items()
        }
        yield Identity(session, now=NOW.timestamp, environment=here), here


@pytest.mark.parametrize(
    ("environment", "paths"),
    [
        (
            {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "HERE"},
            ["/latest/api/token", "/latest/meta-data/iam/security-credentials/",
             "/latest/meta-data/iam/security-credentials/the-role"],
        ),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "HERE/credentials"}, ["/credentials"]),
        (
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "FILE", "AWS_ROLE_ARN": ROLE, "AWS_ENDPOINT_URL_STS": "HERE"},
            ["/"],
        ),
    ],
    ids=["instance", "container", "web identity"],
)  # fmt: skip
def test_the_manager_is_whom_its_pod_or_machine_says_and_asks_once(
    environment: dict[str, str], paths: list[str], tmp_path: Any
) -> None:
    (tmp_path / "token").write_text("the-web-token\n")
    environment = {
        name: str(tmp_path / "token") if one == "FILE" else one for name, one in environment.items()
    }

    async def whole() -> None:
        calls: list[Any] = []
        async with services(environment, calls) as (identity, _):
            for _ in range(2):
                found = await identity.credentials(None, {}, REGION)
            assert (found.key, found.secret) == ("ASIAROLE", "secret")
            assert found.token.replace(" ", "") == TOKEN.replace(" ", "")
            assert found.until == NOW.timestamp() + 3600
            assert [path for _, path, *_ in calls] == paths
            assert "secret" not in repr(found)
            if "AWS_ROLE_ARN" in environment:
                assert "WebIdentityToken=the-web-token" in calls[0][3]

    asyncio.run(whole())


def test_a_role_is_assumed_with_the_key_of_the_secret() -> None:
    async def whole() -> None:
        calls: list[Any] = []
        async with services({"AWS_ENDPOINT_URL_STS": "HERE"}, calls) as (identity, _):
            given = AwsCredentials(role_arn=ROLE, external_id="ours")
            values = {"accessKeyID": "AKIATEST", "secretAccessKey": "s"}
            found = await identity.credentials(given, values, REGION)
        assert found.key == "ASIAROLE"
        ((method, _, headers, body),) = calls
        assert method == "POST"
        assert (
            "Credential=AKIATEST/20261130/eu-central-1/sts/aws4_request" in headers["Authorization"]
        )
        assert "Action=AssumeRole&" in body
        assert "ExternalId=ours" in body

    asyncio.run(whole())


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_EC2_METADATA_DISABLED": "true"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/credentials"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": ROLE},
    ],
    ids=["nobody", "elsewhere by http", "no file"],
)
def test_without_credentials_the_store_is_not_ready(environment: dict[str, str]) -> None:
    async def whole() -> None:
        async with services(environment, []) as (identity, _):
            with pytest.raises(StoreError) as raised:
                await identity.credentials(None, {}, REGION)
            assert raised.value.reason == "StoreNotReady"

    asyncio.run(whole())


@pytest.mark.parametrize("left", [600, 1800])
def test_what_is_signed_with_a_session_ends_with_it_and_is_refused_where_that_is_too_soon(
    left: int,
) -> None:
    from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStoreSpec
    from machineadm.controllers.stores.bucket import BucketStore
    from machineadm.controllers.stores.s3 import S3Bucket
    from machineadm.controllers.stores.signing import Credentials, Signer

    async def whole() -> None:
        now = NOW.timestamp()
        who = Credentials(key="ASIA", secret="s", token=TOKEN, until=now + left)
        spec = S3BootstrapStoreSpec(bucket="with.dots", region=REGION)
        async with aiohttp.ClientSession() as session:
            bucket = S3Bucket(
                session,
                spec,
                name="main",
                signer=Signer(who=who, region=REGION),
                tls=None,
                now=lambda: now,
            )
            store = BucketStore(bucket, spec)
            if left < 900:
                with pytest.raises(StoreError) as raised:
                    store.reference(("a", "b"), "c" * 64, now)
                assert raised.value.reason == "URLExpiresTooSoon"
                return
            url = store.reference(("a", "b"), "c" * 64, now).spec.url or ""
            assert url.startswith(f"https://s3.{REGION}.amazonaws.com/with.dots/a/b/")
            assert "X-Amz-Expires=1800" in url
            assert store.expires(("a", "b"), now) == now + left

    asyncio.run(whole())
