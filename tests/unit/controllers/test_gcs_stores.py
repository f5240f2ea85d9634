"""Configurations in a bucket of Google's: signed as Google's own library does it, asked for with a token, gone when their time is over."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import aiohttp
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from machineadm.controllers.runtime.serving import served
from machineadm.controllers.stores.gcs import ServiceAccount, Tokens, is_googles
from machineadm.controllers.stores.port import StoreError
from tests.controllers_world import World, asked, configuration_in, world
from tests.fakes.apiserver import Object

signing = pytest.importorskip("google.cloud.storage._signing", reason="it judges the signatures")

EMAIL = "store@project.iam.gserviceaccount.com"
BUCKET = "bootstrap-data"
REFERENCE = {
    "apiGroup": "infrastructure.cluster.x-k8s.io",
    "kind": "GCSBootstrapStore",
    "name": "main",
}


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    return (
        key()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


class Google:
    """A bucket and a service of tokens. Requests without the token, or whose signature Google's library would not make, are refused.

    Attributes:
        objects: What is kept, by name.
        labels: Of each object, by name.
        calls: Method and path of each request.
        fail: An HTTP status other than 0 is the answer.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.objects: dict[str, bytes] = {}
        self.labels: dict[str, Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], int] = lambda method, path: 0
        self.url = ""
        self._now = now

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        async with served(app, ("127.0.0.1", 0)) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    async def _answer(self, request: web.Request) -> web.Response:
        path, data = request.raw_path.partition("?")[0], await request.read()
        self.calls.append((request.method, path))
        if status := self.fail(request.method, path):
            return web.Response(status=status)
        if path == "/token":
            return self._token(data.decode())
        if "X-Goog-Signature" in request.query:
            if not self._is_signed(request):
                return web.Response(status=403)
            return self._object(request.method, unquote(path).removeprefix(f"/{BUCKET}/"), data)
        if request.headers.get("Authorization") != "Bearer a-token":
            return web.Response(status=401)
        if path == f"/upload/storage/v1/b/{BUCKET}/o":
            _, head, body, _ = data.split(b"--machineadm-object")
            described = json.loads(head.partition(b"\r\n\r\n")[2])
            self.objects[described["name"]] = body.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            self.labels[described["name"]] = described["metadata"]
            return web.json_response({})
        if path == f"/storage/v1/b/{BUCKET}/o":
            found = sorted(one for one in self.objects if one.startswith(request.query["prefix"]))
            return web.json_response(
                {"items": [{"name": one} for one in found[:2]]} if found else {}
            )
        if path.startswith(f"/storage/v1/b/{BUCKET}/o/"):
            return self._object(request.method, unquote(path.rpartition("/")[2]), data)
        return web.Response(status=404)

    def _object(self, method: str, name: str, data: bytes) -> web.Response:
        if method == "PUT":
            self.objects[name] = data
            return web.Response()
        if name not in self.objects:
            return web.Response(status=404)
        if method == "DELETE":
            del self.objects[name]
            return web.Response(status=204)
        return web.Response(body=self.objects[name], headers={"ETag": "tag"})

    def _token(self, text: str) -> web.Response:
        (assertion,) = parse_qs(text)["assertion"]
        signed, _, signature = assertion.rpartition(".")
        key().public_key().verify(
            base64.urlsafe_b64decode(signature + "=="),
            signed.encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
        assert claims["iss"] == EMAIL
        assert claims["aud"] == f"{self.url}/token"
        assert claims["iat"] == int(self._now().timestamp())
        return web.json_response({"access_token": "a-token", "expires_in": 3600})

    def _is_signed(self, request: web.Request) -> bool:
        from google.oauth2.service_account import Credentials

        time, lasts = request.query["X-Goog-Date"], int(request.query["X-Goog-Expires"])
        began = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        made: Any = Credentials
        theirs = signing.generate_signed_url_v4(
            made.from_service_account_info(
                {"client_email": EMAIL, "private_key": pem(), "token_uri": "https://x/token"}
            ),
            resource=request.raw_path.partition("?")[0],
            expiration=timedelta(seconds=lasts),
            api_access_endpoint=self.url,
            method=request.method,
            _request_timestamp=time,
        )
        return theirs == f"{self.url}{request.raw_path}" and self._now() < began + timedelta(
            seconds=lasts
        )


class Shop:
    """A world with such a bucket."""

    def __init__(self, one: World, google: Google) -> None:
        self.one = one
        self.google = google

    async def store(self, file: str | None = None, **spec: Any) -> None:
        """The GCSBootstrapStore and its Secret."""
        whole = {
            "type": "service_account",
            "client_email": EMAIL,
            "private_key": pem(),
            "token_uri": f"{self.google.url}/token",
        }
        text = json.dumps(whole) if file is None else file
        data = {"key.json": base64.b64encode(text.encode()).decode()}
        await self.one.management.put("secrets", {"metadata": {"name": "gcs"}, "data": data})
        body: Object = {
            "bucket": BUCKET,
            "endpoint": self.google.url,
            "prefix": "clusters/prod/",
            "credentials": {"secret": {"name": "gcs", "key": "key.json"}},
        }
        await self.one.management.put(
            "gcsbootstrapstores", {"metadata": {"name": "main"}, "spec": body | spec}
        )

    def reference(self) -> Object:
        found: Object = configuration_in(self.one.data("worker"), "ConfigurationReference")["spec"]
        return found


Scene = Callable[[Shop], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def whole() -> None:
        async with world() as one:
            google = Google(lambda: one.now)
            async with google.running():
                await scene(Shop(one, google))

    asyncio.run(whole())


async def worker(one: World) -> None:
    await one.certificates()
    await one.cluster(initialized=True)
    await one.machine("worker", infrastructureRef=REFERENCE)


def test_who_names_another_s_account_with_a_key_of_their_own_gets_nothing_of_it() -> None:
    async def whole() -> None:
        theirs = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        asked: list[str] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            asked.append(request.path)
            # In two pieces, as a network gives it.
            reply = web.StreamResponse()
            await reply.prepare(request)
            text = json.dumps({"access_token": f"t{len(asked)}", "expires_in": 3600}).encode()
            for piece in (text[:5], text[5:]):
                await reply.write(piece)
                await asyncio.sleep(0.01)
            return reply

        app = web.Application()
        app.router.add_post("/token", answer)
        async with served(app, ("127.0.0.1", 0), None) as port, aiohttp.ClientSession() as session:
            file = {"client_email": EMAIL, "token_uri": f"http://127.0.0.1:{port}/token"}
            victim, other = (
                ServiceAccount(json.dumps(file | {"private_key": key}).encode())
                for key in (pem(), theirs.decode())
            )
            tokens = Tokens(session, now=lambda: 1000.0)
            assert [await tokens.token(one) for one in (victim, victim, other)] == [
                "t1",
                "t1",
                "t2",
            ]

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("endpoint", "googles"),
    [
        ("https://storage.googleapis.com", True),
        ("https://storage.googleapis.com:443", True),
        ("https://storage.europe-west3.rep.googleapis.com", True),
        ("http://storage.googleapis.com", False),
        ("https://storage.googleapis.com.evil.example", False),
        ("https://evilgoogleapis.com", False),
        ("https://storage.googleapis.com@evil.example", False),
        ("https://storage.googleapis.com:8443", False),
        ("https://evil.example/storage.googleapis.com", False),
        ("https://[::1", False),
    ],
)
def test_the_manager_s_own_token_goes_to_google_alone(endpoint: str, *, googles: bool) -> None:
    assert is_googles(endpoint) is googles


def test_a_configuration_is_stored_fetched_by_its_url_alone_reported_on_and_removed() -> None:
    async def scene(shop: Shop) -> None:
        one, google = shop.one, shop.google
        await shop.store(
            reporting={"presignedURL": {"expiry": "2h"}}, labels={"team": "a b", "x": "ä"}
        )
        await worker(one)

        await one.settle()

        assert one.condition("worker") == ("True", "Available")
        ((path, kept),) = google.objects.items()
        digest = hashlib.sha256(kept).hexdigest()
        assert path == f"clusters/prod/default/worker/{digest[:32]}.json"
        assert google.labels[path] == {"team": "a b", "x": "ä"}
        url = shop.reference()["url"]
        assert shop.reference()["sha256"] == digest
        assert await asked("GET", url) == (200, kept)
        assert (await asked("PUT", url, b"x"))[0] == 403
        assert (await asked("GET", url.replace("/worker/", "/other/")))[0] == 403
        report = msgspec.json.decode(kept)["spec"]["reporting"]["url"]
        assert (await asked("PUT", report, b'{"phase":"Failed"}'))[0] == 200
        store = await one.controller.stores.opened("default", *REFERENCE.values())
        found = await store.report(("default", "worker"), "")
        assert found == (b'{"phase":"Failed"}', "tag")

        one.passes(minutes=61)
        assert (await asked("GET", url))[0] == 403
        await one.joins("worker")
        await one.settle()
        one.passes(hours=1, seconds=1)
        await one.settle()
        assert not google.objects
        assert google.calls.count(("POST", "/token")) >= 2, "a token ends"

    play(scene)


def test_without_a_key_a_plugin_fetches_and_a_url_is_refused() -> None:
    async def scene(shop: Shop) -> None:
        one, google = shop.one, shop.google
        by = {"plugin": {"name": "gcs"}}
        await shop.store(fetch=by, reporting=by)
        await worker(one)
        await one.settle()
        ((path, kept),) = google.objects.items()
        assert shop.reference()["plugin"] == {"name": "gcs", "location": f"gs://{BUCKET}/{path}"}
        location = msgspec.json.decode(kept)["spec"]["reporting"]["plugin"]["location"]
        assert location == f"gs://{BUCKET}/clusters/prod/default/worker/report.json"

    play(scene)


@pytest.mark.parametrize(
    ("what", "type_", "reason"),
    [
        ("refused", "StoreSynced", "CredentialsRejected"),
        ("down", "StoreSynced", "WriteFailed"),
        ("no bucket", "StoreSynced", "WriteFailed"),
        ("no token", "StoreSynced", "StoreNotReady"),
        ("not a file", "StoreSynced", "StoreNotReady"),
        ("not a key", "StoreSynced", "StoreNotReady"),
        ("impersonation", "DataSecretAvailable", "NotSupported"),
    ],
)
def test_a_bucket_that_cannot_be_used_leaves_no_data(what: str, type_: str, reason: str) -> None:
    async def scene(shop: Shop) -> None:
        one = shop.one
        file = {"not a file": "[]", "not a key": '{"client_email":"a","private_key":"SECRET"}'}
        more: dict[str, Any] = {"bucket": "another"} if what == "no bucket" else {}
        if what == "impersonation":
            more["credentials"] = {"impersonateServiceAccount": EMAIL}
        await shop.store(file.get(what), **more)
        codes = {"refused": 403, "down": 503}
        shop.google.fail = lambda method, path: (
            400 if path == "/token" and what == "no token"
            else 0 if path == "/token" else codes.get(what, 0)
        )  # fmt: skip
        await worker(one)
        await one.settle()
        assert one.condition("worker", type_) == ("False", reason)
        assert "worker" not in one.management.names("secrets")
        assert "SECRET" not in one.message("worker")

    play(scene)


@pytest.mark.parametrize("answer", ["", "[]", '{"access_token":"a\\nb","expires_in":1}', "\xff"])
def test_what_is_no_token_is_refused(answer: str) -> None:
    async def whole() -> None:
        async def answered(request: web.Request) -> web.Response:
            assert request.headers["Metadata-Flavor"] == "Google"
            return web.Response(body=answer.encode("latin-1"))

        app = web.Application()
        app.router.add_get("/token", answered)
        async with served(app, ("127.0.0.1", 0)) as port, aiohttp.ClientSession() as session:
            tokens = Tokens(session, now=lambda: 0.0, metadata=f"http://127.0.0.1:{port}/token")
            with pytest.raises(StoreError) as raised:
                await tokens.token(None)
            assert raised.value.reason == "StoreNotReady"

    asyncio.run(whole())
