"""A bucket of S3 in memory, which judges every request's signature by botocore and its time by a clock of the test."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from aiohttp import web

from machineadm.controllers.runtime.serving import served

REGION = "eu-central-1"
BUCKET = "bootstrap-data"


class FakeBucket:
    """The server.

    Attributes:
        objects: What it keeps, by name.
        headers: Of the request that put an object, by name.
        calls: Method and path of each request that was let in.
        keys: Secret access keys by their ids, and the session token that belongs to them.
        fail: An HTTP status other than 0 is the answer, and nothing is done.
        lose: As `fail`, but it is done.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.keys: dict[str, tuple[str, str]] = {"AKIATEST": ("the secret of the key", "")}
        self.fail: Callable[[str, str], int] = lambda method, path: 0
        self.lose: Callable[[str, str], int] = lambda method, path: 0
        self._now = now

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve; the endpoint."""
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        async with served(app, ("127.0.0.1", 0)) as port:
            yield f"http://127.0.0.1:{port}"

    async def _answer(self, request: web.Request) -> web.Response:
        data = await request.read()
        if not self._is_signed(request, data):
            return _refused(403, "SignatureDoesNotMatch")
        bucket, _, path = request.path.removeprefix("/").partition("/")
        if bucket != BUCKET:
            return _refused(404, "NoSuchBucket")
        self.calls.append((request.method, path))
        status = self.fail(request.method, path)
        if status:
            return web.Response(status=status)
        answer = self._done(request, path, data)
        lost = self.lose(request.method, path)
        return web.Response(status=lost) if lost else answer

    def _done(self, request: web.Request, path: str, data: bytes) -> web.Response:
        if not path:
            prefix = request.query.get("prefix", "")
            found = sorted(name for name in self.objects if name.startswith(prefix))
            # Two at a time: what is listed is not all.
            keys = "".join(f"<Contents><Key>{quote(name)}</Key></Contents>" for name in found[:2])
            return web.Response(text=f"<ListBucketResult>{keys}</ListBucketResult>")
        if request.method == "PUT":
            self.objects[path] = data
            self.headers[path] = {name.lower(): one for name, one in request.headers.items()}
            return web.Response()
        if request.method == "DELETE":
            self.objects.pop(path, None)
            return web.Response(status=204)
        if path not in self.objects:
            return _refused(404, "NoSuchKey")
        tag = f'"{hashlib.sha256(self.objects[path]).hexdigest()[:32]}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304)
        return web.Response(body=self.objects[path], headers={"ETag": tag})

    def _is_signed(self, request: web.Request, data: bytes) -> bool:
        from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        query = dict(request.query)
        shown = query.pop("X-Amz-Signature", None)
        authorization = request.headers.get("Authorization", "")
        scope = (
            query.get("X-Amz-Credential")
            or authorization.partition("Credential=")[2].partition(",")[0]
        )
        id_, _, rest = scope.partition("/")
        if id_ not in self.keys or rest.split("/")[1:] != [REGION, "s3", "aws4_request"]:
            return False
        secret, token = self.keys[id_]
        who = Credentials(id_, secret, token or None)
        time = str(query.get("X-Amz-Date") or request.headers["X-Amz-Date"])
        began = datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        lasts = timedelta(seconds=int(query.get("X-Amz-Expires", "900")))
        if not began - timedelta(minutes=5) <= self._now() < began + lasts:
            return False
        url = f"{request.scheme}://{request.host}{request.raw_path.partition('?')[0]}"
        theirs = AWSRequest(request.method, url, data=data, params=query)
        theirs.context["timestamp"] = time
        if shown is None:
            names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
            if request.headers.get("X-Amz-Content-SHA256") != hashlib.sha256(data).hexdigest():
                return False
            auth: S3SigV4Auth = S3SigV4Auth(who, "s3", REGION)
            shown = authorization.partition("Signature=")[2]
            if token and request.headers.get("X-Amz-Security-Token") != token:
                return False
        else:
            names = query["X-Amz-SignedHeaders"].split(";")
            auth = S3SigV4QueryAuth(who, "s3", REGION)
            if token and query.get("X-Amz-Security-Token") != token:
                return False
        for name in names:
            theirs.headers[name] = request.headers[name]
        text = auth.string_to_sign(theirs, auth.canonical_request(theirs))
        return bool(auth.signature(text, theirs) == shown)


def _refused(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")
