"""Configurations as objects of a bucket, whoever's cloud that is.

Each is at `<prefix>/<namespace>/<name>/<digest>.json`: what a signed URL names never becomes another machine's configuration, nor another
content while a machine reads it.
"""

from __future__ import annotations

import hashlib
from typing import Final, Protocol

from machineadm.api.formats import seconds
from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.gcs import GCSBootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin, Reporting
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.port import LARGEST_REPORT, NEVER, StoreError, tag_of
from machineadm.controllers.stores.referring import referred

SHORTEST: Final = 900.0
"""Seconds: a URL that is good for less dies before its machine has booted."""

_DEFAULT: Final = 3600.0
_NOBODY: Final = "machineadm.probe.invalid"
_AGAIN: Final = 60.0
_ROUNDS: Final = 100


class Bucket(Protocol):
    """A bucket that can be used. All raise `StoreError`."""

    @property
    def named(self) -> str:
        """Kind and name of its object, for messages."""

    @property
    def until(self) -> float | None:
        """When what is signed now ends at the latest, in seconds since 1970; None: it does not."""

    @property
    def longest(self) -> int:
        """Seconds for which a URL can be good."""

    async def put(self, path: str, data: bytes) -> None:
        """Keep an object, in place of what is there."""

    async def get(self, path: str, known: str, most: int) -> tuple[bytes, str] | None:
        """Read an object and its tag; None where there is none, or none but the one whose tag is known.

        Args:
            path: Its name.
            known: A tag; empty: none.
            most: Bytes that are read.
        """

    async def listed(self, prefix: str) -> list[str]:
        """Names of objects that begin so; some of them, where there are very many."""

    async def delete(self, path: str) -> None:
        """Remove an object; one that is not there is not an error."""

    def signed(self, method: str, path: str, now: float, lasts: int) -> str:
        """A URL that lets whoever has it do one thing with one object."""

    def location(self, path: str) -> str:
        """Where an object is, in the terms of the cloud's infrastructure plugin."""


class BucketStore:
    """A bucket as a store.

    Args:
        bucket: The bucket.
        spec: Of the store's object.
    """

    def __init__(self, bucket: Bucket, spec: S3BootstrapStoreSpec | GCSBootstrapStoreSpec) -> None:
        self._bucket = bucket
        self._spec = spec
        prefix = (spec.prefix or "").rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def retention(self) -> StoreRetention:
        """See the port."""
        return self._spec.retention

    async def put(self, key: Key, data: bytes) -> None:
        """See the port."""
        if self._spec.reporting is not None:
            # What a machine of the same name once reported is not this one's.
            await self._bucket.delete(self._report(key))
        await self._bucket.put(self._configuration(key, hashlib.sha256(data).hexdigest()), data)

    async def probe(self, namespace: str) -> None:
        """See the port."""
        await self._bucket.listed(self._of((namespace, _NOBODY)))

    async def remove(self, key: Key) -> None:
        """See the port. What was put of an edited spec before the data was made goes as well."""
        prefix = self._of(key)
        for _ in range(_ROUNDS):
            found = await self._bucket.listed(prefix)
            if not found:
                return
            for one in found:
                if not one.startswith(prefix):
                    raise self._failed("a list has what was not asked for")
                await self._bucket.delete(one)
        raise self._failed("what was removed is listed still")

    def reporting(self, key: Key, now: float) -> Reporting | None:
        """See the port."""
        given, path = self._spec.reporting, self._report(key)
        if given is None:
            return None
        if given.plugin is not None:
            location = self._bucket.location(path)
            return Reporting(plugin=InfrastructurePlugin(name=given.plugin.name, location=location))
        wanted = seconds(given.presigned_url.expiry) if given.presigned_url else _DEFAULT
        url = self._bucket.signed("PUT", path, now, self._long_enough(wanted, now))
        return Reporting(url=url, ca_bundle=self._spec.ca_bundle)

    async def report(self, key: Key, known: str) -> tuple[bytes, str] | None:
        """See the port.

        Raises:
            StoreError: It is too large to be a report.
        """
        # Whoever has the URL may put what they like there: no more is read than a report can be.
        found = await self._bucket.get(self._report(key), known, LARGEST_REPORT + 1)
        if found is None:
            return None
        if len(found[0]) > LARGEST_REPORT:
            raise self._failed(f"a report larger than {LARGEST_REPORT} bytes")
        tag = tag_of(found[1], found[0])
        return None if tag == known else (found[0], tag)

    def located(self, key: Key, sha256: str) -> None:
        """See the port."""

    def expires(self, key: Key, now: float) -> int:
        """See the port."""
        if self._spec.fetch is not None and self._spec.fetch.plugin is not None:
            return NEVER
        return int(now + self._lasts(self._wanted, now))

    def renew_in(self, key: Key, expires: int, now: float) -> float | None:
        """See the port."""
        if expires >= NEVER:
            return None
        # Of what a new one would get: where credentials end sooner than what is wanted, a third of that would be due for ever.
        return expires - now - self._lasts(self._wanted, now) / 3

    def reference(self, key: Key, sha256: str, now: float) -> ConfigurationReference:
        """See the port.

        Raises:
            StoreError: The credentials end too soon for a URL.
        """
        path = self._configuration(key, sha256)
        plugin = self._spec.fetch.plugin if self._spec.fetch is not None else None
        if plugin is not None:
            return referred(sha256, plugin=plugin, location=self._bucket.location(path))
        url = self._bucket.signed("GET", path, now, self._long_enough(self._wanted, now))
        return referred(sha256, url=url, ca_bundle=self._spec.ca_bundle)

    @property
    def _wanted(self) -> float:
        fetch = self._spec.fetch
        signed = fetch.presigned_url if fetch is not None else None
        return seconds(signed.expiry) if signed is not None else _DEFAULT

    def _long_enough(self, wanted: float, now: float) -> int:
        """Seconds for which a URL is signed.

        Raises:
            StoreError: The credentials end too soon for one.
        """
        lasts = self._lasts(wanted, now)
        if lasts < min(SHORTEST, wanted):
            message = (
                f"{self._bucket.named}: the manager's credentials end in {int(lasts)} s, and with them what they sign;"
                " use some that live longer"
            )
            raise StoreError("URLExpiresTooSoon", message, again_after=_AGAIN)
        return int(lasts)

    def _lasts(self, wanted: float, now: float) -> float:
        until = self._bucket.until
        return max(
            1.0, min(wanted, self._bucket.longest, *([] if until is None else [until - now]))
        )

    def _of(self, key: Key) -> str:
        # With a slash behind it: `worker` is not `worker-1`.
        return f"{self._prefix}{key[0]}/{key[1]}/"

    def _configuration(self, key: Key, sha256: str) -> str:
        return f"{self._of(key)}{sha256[:32]}.json"

    def _report(self, key: Key) -> str:
        return f"{self._of(key)}report.json"

    def _failed(self, why: str) -> StoreError:
        return StoreError("WriteFailed", f"{self._bucket.named}: {why}", again_after=_AGAIN)
