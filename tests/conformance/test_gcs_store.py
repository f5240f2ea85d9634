"""A bucket of fake-gcs-server as a store of configurations. It judges no signatures: Google's own library does so in the unit tests."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

import aiohttp

from machineadm.api.infrastructure.v1alpha1.gcs import GCSBootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import StoreFetch
from machineadm.api.meta import ProviderRef
from machineadm.controllers.stores.bucket import BucketStore
from machineadm.controllers.stores.gcs import GcsBucket
from tests.stores import servers

KEY = ("default", "worker")
DATA = b'{"kind":"MachineConfiguration"}' * 1000


def test_a_configuration_is_kept_listed_read_and_removed(tmp_path: Path) -> None:
    async def whole(endpoint: str) -> None:
        spec = GCSBootstrapStoreSpec(
            bucket=servers.BUCKET,
            endpoint=endpoint,
            prefix="clusters/prod!",
            labels={"team": "a b"},
            fetch=StoreFetch(plugin=ProviderRef(name="gcs")),
        )
        async with aiohttp.ClientSession() as session:
            bucket = GcsBucket(session, spec, name="main", token="t", account=None, tls=None)
            store = BucketStore(bucket, spec)
            await store.probe("default")
            for number in range(3):
                await store.put(KEY, DATA + bytes([number]))
            await store.put(("default", "worker-1"), DATA)
            prefix = "clusters/prod!/default/"
            kept = f"{prefix}worker-1/{hashlib.sha256(DATA).hexdigest()[:32]}.json"
            assert len(await bucket.listed(prefix)) == 4
            found = await bucket.get(kept, "", 1 << 20)
            assert found is not None
            assert found[0] == DATA
            assert await store.report(KEY, "") is None
            await bucket.put(f"{prefix}worker/report.json", b"{}")
            assert (await store.report(KEY, "") or (b"", ""))[0] == b"{}"
            await store.remove(KEY)
            await store.remove(KEY)
            assert await bucket.listed(prefix) == [kept]
            reference = store.reference(("default", "worker-1"), "a" * 64, time.time())
            assert reference.spec.plugin is not None

    with servers.fake_gcs_server(tmp_path) as running:
        asyncio.run(whole(running.endpoint))
