"""Configurations on a web server that takes and serves files: `machineadm-store`, or any other."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp

from machineadm.api.formats import seconds
from machineadm.api.infrastructure.v1alpha1.http import HTTPBootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.v1alpha1.reference import ConfigurationReference, ConfigurationReferenceSpec
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.tokens import FETCH, issued
from machineadm.redaction import Secret

_AGAIN: Final = 10.0
"""Seconds after a failure that may pass by itself."""

_NOT_HAMMERED: Final = 300.0
"""Seconds after credentials were refused: a server counts those, and locks accounts."""

_MOST_OF_AN_ANSWER: Final = 4096


class HttpStore:
    """A web server, with all that is needed to use it.

    Args:
        session: Makes the calls.
        spec: Of the HTTPBootstrapStore.
        name: Its name, for messages.
        headers: Of the manager's requests; its credentials among them.
        tls: None: what the system trusts.
        key: Signs the tokens of machines.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: HTTPBootstrapStoreSpec,
        *,
        name: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        key: bytes,
    ) -> None:
        self._session = session
        self._spec = spec
        self._name = name
        self._headers = headers
        self._tls = tls
        self._key = key

    @property
    def retention(self) -> StoreRetention:
        """See the port."""
        return self._spec.retention

    async def put(self, key: Key, data: bytes) -> None:
        """See the port."""
        await self._call(self._spec.method, key, data)

    async def remove(self, key: Key) -> None:
        """See the port."""
        await self._call("DELETE", key, None)

    def reference(self, key: Key, data: bytes, now: float) -> ConfigurationReference:
        """See the port."""
        digest = hashlib.sha256(data).hexdigest()
        token = self._spec.fetch.token
        headers = {}
        if token is not None:
            text = issued(
                self._key, key, may=[FETCH], now=now, lasts=seconds(token.expiry), sha256=digest
            )
            headers["Authorization"] = Secret(f"Bearer {text}")
        return ConfigurationReference(
            api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
            kind="ConfigurationReference",
            spec=ConfigurationReferenceSpec(
                url=_at(self._spec.machine_url or self._spec.url, key),
                headers=headers,
                ca_bundle=self._spec.ca_bundle,
                sha256=digest,
            ),
        )

    async def _call(self, method: str, key: Key, data: bytes | None) -> None:
        timeout = aiohttp.ClientTimeout(total=seconds(self._spec.timeout))
        headers = dict(self._headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._session.request(
                method,
                _at(self._spec.url, key),
                # In pieces: 4 MiB at once would hold up all else.
                data=None if data is None else io.BytesIO(data),
                headers=headers,
                timeout=timeout,
                # It would carry a configuration and credentials to wherever it leads.
                allow_redirects=False,
                ssl=True if self._tls is None else self._tls,
            ) as response:
                # Read, so that the connection can be used again; never shown: it may quote what was sent.
                await response.content.read(_MOST_OF_AN_ANSWER)
                status = response.status
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            said = "no answer in time" if isinstance(error, asyncio.TimeoutError) else str(error)
            raise self._failed(said or type(error).__name__) from None
        if status in (401, 403):
            message = (
                f"{self._named} refuses the manager's credentials (HTTP {status}); fix them in"
                " spec.credentials"
            )
            raise StoreError("CredentialsRejected", message, again_after=_NOT_HAMMERED)
        gone = method == "DELETE" and status in (404, 410)
        if not gone and not 200 <= status < 300:
            raise self._failed(f"HTTP {status}")

    @property
    def _named(self) -> str:
        return f"HTTPBootstrapStore {self._name}"

    def _failed(self, why: str) -> StoreError:
        return StoreError("WriteFailed", f"{self._named}: {why}", again_after=_AGAIN)


def _at(directory: str, key: Key) -> str:
    return "/".join([directory.rstrip("/"), *key])
