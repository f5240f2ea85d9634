"""A bucket of SeaweedFS, which judges signatures and their times, as a store of configurations."""

from __future__ import annotations

import asyncio
import hashlib
import time
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import SignedUrl, StoreReporting
from machineadm.controllers.stores.bucket import BucketStore
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.s3 import S3Bucket
from machineadm.controllers.stores.signing import Credentials, Signer
from tests.stores import servers

KEY = ("default", "worker")
DATA = b'{"kind":"MachineConfiguration"}' * 1000


def asked(method: str, url: str, data: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=data, method=method)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""


def test_a_configuration_is_kept_fetched_reported_on_and_removed(tmp_path: Path) -> None:
    pytest.importorskip("boto3", reason="it makes the bucket")
    who = Credentials(
        key=servers.S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        secret=servers.S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
    )

    async def whole(endpoint: str) -> None:
        spec = S3BootstrapStoreSpec(
            bucket=servers.BUCKET,
            endpoint=endpoint,
            force_path_style=True,
            prefix="clusters/prod!",
            tags={"team": "a b"},
            reporting=StoreReporting(presigned_url=SignedUrl()),
        )
        async with aiohttp.ClientSession() as session:

            def store_of(who: Credentials) -> BucketStore:
                signer = Signer(who=who, region="us-east-1")
                bucket = S3Bucket(
                    session, spec, name="main", signer=signer, tls=None, now=time.time
                )
                return BucketStore(bucket, spec)

            store = store_of(who)
            await store.probe("default")
            await store.put(KEY, DATA)
            sha256, now = hashlib.sha256(DATA).hexdigest(), time.time()
            url = store.reference(KEY, sha256, now).spec.url or ""
            assert await asyncio.to_thread(asked, "GET", url) == (200, DATA)
            # Signed for that object, that verb, that time.
            assert (await asyncio.to_thread(asked, "PUT", url, b"x"))[0] == 403
            other = url.replace("/worker/", "/other/")
            assert (await asyncio.to_thread(asked, "GET", other))[0] == 403
            late = store.reference(KEY, sha256, now - 7200).spec.url or ""
            assert (await asyncio.to_thread(asked, "GET", late))[0] == 403

            assert await store.report(KEY, "") is None
            reporting = store.reporting(KEY, now)
            assert reporting is not None
            assert reporting.url is not None
            assert (await asyncio.to_thread(asked, "PUT", reporting.url, b'{"phase":1}'))[0] == 200
            found = await store.report(KEY, "")
            assert found is not None
            assert found[0] == b'{"phase":1}'
            assert await store.report(KEY, found[1]) is None

            for number in range(3):
                await store.put(KEY, DATA + bytes([number]))
            await store.put(("default", "worker-1"), DATA)
            await store.remove(KEY)
            await store.remove(KEY)
            assert (await asyncio.to_thread(asked, "GET", url))[0] == 404
            there = store.reference(("default", "worker-1"), sha256, now).spec.url or ""
            assert (await asyncio.to_thread(asked, "GET", there))[0] == 200

            wrong = store_of(Credentials(key=who.key, secret="another"))
            for call in (wrong.put(KEY, DATA), wrong.probe("default"), wrong.remove(KEY)):
                with pytest.raises(StoreError) as raised:
                    await call
                assert raised.value.reason == "CredentialsRejected"

    with servers.seaweedfs(tmp_path) as running:
        asyncio.run(whole(running.endpoint))
