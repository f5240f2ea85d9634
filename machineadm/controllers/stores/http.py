"""Configurations on a web server that takes and serves files: `machineadm-store`, or any other."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec

from machineadm.api.formats import seconds
from machineadm.api.infrastructure.v1alpha1.http import HTTPBootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.store import StoreRetention
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin, Reporting
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.answers import UnansweredError, ask
from machineadm.controllers.stores.port import (
    CONFIGURATIONS,
    LARGEST_REPORT,
    NEVER,
    StoreError,
    tag_of,
)
from machineadm.controllers.stores.referring import referred
from machineadm.controllers.stores.tokens import FETCH, REPORT, issued
from machineadm.redaction import Secret
from machineadm.verification.release import LARGEST_DOCUMENT, RELEASE_FILE, Release

# A name after RFC 6761 that no machine has, so that a probe reads nobody's configuration.
_LONGEST_CALL: Final = 60.0
_NOBODY: Final = "machineadm.probe.invalid"

_AGAIN: Final = 10.0
"""Seconds after a failure that may pass by itself."""

_NOT_HAMMERED: Final = 300.0
"""Seconds after credentials were refused: a server counts those, and locks accounts."""

_RELEASED: Final = 60.0
"""Seconds after which a release is looked for again: no event says that somebody has put it there."""

ARCHITECTURES: Final = ("amd64", "arm64")

# Read so that the connection can be used again, and not shown.
_MOST_OF_AN_ANSWER: Final = 4096


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that a store serves."""

    url: str
    """With `{version}` and `{arch}` in it, as a download has it."""

    sha256: dict[str, str]
    """By architecture."""

    ca_bundle: str | None


class HttpStore:
    """A web server, with all that is needed to use it.

    Args:
        session: Makes the calls.
        spec: Of the HTTPBootstrapStore.
        name: Its name, for messages.
        headers: Of the manager's requests; its credentials among them.
        tls: None: what the system trusts.
        key: Signs the tokens with which machines fetch; None: they do so by a plugin.
        report_key: Signs those with which they report; None: they do not report there, or by a plugin.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: HTTPBootstrapStoreSpec,
        *,
        name: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        key: bytes | None,
        report_key: bytes | None = None,
    ) -> None:
        self._session = session
        self._spec = spec
        self._name = name
        self._headers = headers
        self._tls = tls
        self._key = key
        self._report_key = report_key

    @property
    def retention(self) -> StoreRetention:
        """See the port."""
        return self._spec.retention

    async def put(self, key: Key, data: bytes) -> None:
        """See the port."""
        if self._spec.reporting is not None:
            # What a machine of the same name once reported is not this one's.
            await self._call("DELETE", (*key, "status"))
        await self._call(self._spec.method, key, data)

    async def probe(self, namespace: str) -> None:
        """See the port."""
        await self._call("GET", (namespace, _NOBODY))

    async def remove(self, key: Key) -> None:
        """See the port."""
        if self._spec.reporting is not None:
            await self._call("DELETE", (*key, "status"))
        await self._call("DELETE", key)

    def reporting(self, key: Key, now: float) -> Reporting | None:
        """See the port."""
        given, url = self._spec.reporting, _at(self._machines_url, (*key, "status"))
        if given is None:
            return None
        if given.plugin is not None:
            return Reporting(plugin=InfrastructurePlugin(name=given.plugin.name, location=url))
        if self._report_key is None or given.token is None:
            return None
        # A token of its own: the one to fetch is renewed and dies early, and reports go on for as
        # long as the machine is made.
        lasts = seconds(given.token.expiry)
        text = issued(self._report_key, key, may=[REPORT], now=now, lasts=lasts)
        return Reporting(
            url=url,
            headers={"Authorization": Secret(f"Bearer {text}")},
            ca_bundle=self._spec.ca_bundle,
        )

    async def report(self, key: Key, known: str) -> tuple[bytes, str] | None:
        """See the port.

        Raises:
            StoreError: It is too large to be a report.
        """
        answer = await self._call("GET", (*key, "status"), known=known)
        if answer is None:
            return None
        data, tag = answer
        if len(data) > LARGEST_REPORT:
            raise self._failed(f"a report larger than {LARGEST_REPORT} bytes")
        tag = tag_of(tag, data)
        return None if tag == known else (data, tag)

    def located(self, key: Key, sha256: str) -> None:
        """See the port."""

    async def agent(self, version: str) -> Served:
        """Find the agent that the store serves beside configurations.

        Args:
            version: As the agent's download names it.

        Raises:
            StoreError: It serves none, or not this one.
        """
        path = ("agent", version, RELEASE_FILE)
        answer = await self._call("GET", path, at=self._beside(self._spec.url))
        if answer is None:
            message = f"{self._named} serves no agent {version}: put that release's files, {RELEASE_FILE} among them, into its --agent-directory, in {version}"
            raise StoreError("StoreNotReady", message, again_after=_RELEASED)
        try:
            release = _release(answer[0])
        except ValueError as error:
            message = f"{self._named}: {RELEASE_FILE} of agent {version}: {error}"
            raise StoreError("StoreNotReady", message, again_after=_RELEASED) from None
        named = {one.name: one.sha256 for one in release.artifacts}
        sums = {
            arch: named[f"machineadm-linux-{arch}.pyz"]
            for arch in ARCHITECTURES
            if f"machineadm-linux-{arch}.pyz" in named
        }
        if release.version.removeprefix("v") != version.removeprefix("v") or not sums:
            message = f"{self._named}: {RELEASE_FILE} of agent {version} is that of {release.version}, or names no agent"
            raise StoreError("StoreNotReady", message, again_after=_RELEASED)
        url = _at(
            self._beside(self._machines_url), ("agent", "{version}", "machineadm-linux-{arch}.pyz")
        )
        return Served(url=url, sha256=sums, ca_bundle=self._spec.ca_bundle)

    def _beside(self, url: str) -> str:
        """The URL of a server of ours, from that of its configurations.

        Raises:
            StoreError: It is another's.
        """
        found = url.rstrip("/").removesuffix(CONFIGURATIONS)
        if found == url.rstrip("/"):
            message = f"{self._named}: only machineadm-store serves the agent, and the URL of its configurations ends in {CONFIGURATIONS}"
            raise StoreError("NotSupported", message)
        return found

    def expires(self, key: Key, now: float) -> int:
        """See the port."""
        return int(now + self._fresh_for) if self._spec.fetch.token is not None else NEVER

    def renew_in(self, key: Key, expires: int, now: float) -> float | None:
        """See the port."""
        if expires >= NEVER:
            return None
        # With a third of its life left: an hour's token leaves twenty minutes for a store or an API
        # server that is down.
        return expires - now - self._fresh_for / 3

    @property
    def _fresh_for(self) -> float:
        token = self._spec.fetch.token
        return seconds(token.expiry) if token is not None else 0.0

    def reference(self, key: Key, sha256: str, now: float) -> ConfigurationReference:
        """See the port."""
        url, plugin = _at(self._machines_url, key), self._spec.fetch.plugin
        if self._key is None or plugin is not None:
            return referred(sha256, plugin=plugin, location=url)
        text = issued(self._key, key, may=[FETCH], now=now, lasts=self._fresh_for, sha256=sha256)
        headers = {"Authorization": Secret(f"Bearer {text}")}
        return referred(sha256, url=url, headers=headers, ca_bundle=self._spec.ca_bundle)

    @property
    def _machines_url(self) -> str:
        # Machines may reach the store by another name than the manager does.
        return self._spec.machine_url or self._spec.url

    async def _call(
        self,
        method: str,
        path: Sequence[str],
        data: bytes | None = None,
        *,
        known: str = "",
        at: str = "",
    ) -> tuple[bytes, str] | None:
        """Make a call; the answer and its tag, or None where there is nothing (new).

        Raises:
            StoreError: The store refuses, or does not answer.
        """
        # A minute at most, whatever a store's author wants: the workers are everybody's.
        timeout = min(seconds(self._spec.timeout), _LONGEST_CALL)
        headers = dict(self._headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        if known:
            headers["If-None-Match"] = known
        try:
            status, answer, tag = await ask(
                self._session,
                method,
                _at(at or self._spec.url, path),
                headers=headers,
                timeout=timeout,
                # One more than is taken, so that too large can be told from just fitting.
                most=LARGEST_REPORT + 1 if method == "GET" else _MOST_OF_AN_ANSWER,
                data=data,
                tls=self._tls,
            )
        except UnansweredError as error:
            raise self._failed(str(error)) from None
        # Never the body: it may repeat the credentials that were sent.
        if status in (401, 403):
            message = (
                f"{self._named} refuses the manager's credentials (HTTP {status}); fix them in"
                " spec.credentials"
            )
            raise StoreError("CredentialsRejected", message, again_after=_NOT_HAMMERED)
        # A DELETE of what is not there has succeeded: it is the repeat of one whose answer was
        # lost.
        if (method in ("DELETE", "GET") and status in (404, 410)) or (known and status == 304):
            return None
        if not 200 <= status < 300:
            raise self._failed(f"HTTP {status}")
        return answer, tag

    @property
    def _named(self) -> str:
        return f"HTTPBootstrapStore {self._name}"

    def _failed(self, why: str) -> StoreError:
        return StoreError("WriteFailed", f"{self._named}: {why}", again_after=_AGAIN)


def _release(data: bytes) -> Release:
    """Read a release.json.

    Raises:
        ValueError: It is none.
    """
    if len(data) > LARGEST_DOCUMENT:
        raise ValueError(f"larger than {LARGEST_DOCUMENT} bytes")
    return msgspec.json.decode(data, type=Release)


def _at(directory: str, path: Sequence[str]) -> str:
    return "/".join([directory.rstrip("/"), *path])
