"""A bucket of S3, or of a store that speaks its protocol."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import aiohttp
from yarl import URL

from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStoreSpec
from machineadm.controllers.stores.answers import UnansweredError, ask
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.signing import LONGEST, Signer, encoded

_TIMEOUT: Final = 30.0
_AGAIN: Final = 10.0
_NOT_HAMMERED: Final = 300.0
_LARGEST_LIST: Final = 4 * 1024 * 1024
_LARGEST_ANSWER: Final = 4096
_KEY: Final = re.compile(r"<Key>([^<>&]{1,4096})</Key>")
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class S3Bucket:
    """A bucket.

    Args:
        session: Makes the calls.
        spec: Of the S3BootstrapStore.
        name: Its name, for messages.
        signer: Signs.
        tls: None: what the system trusts.
        now: Seconds since 1970.

    Raises:
        StoreError: The endpoint cannot be used.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: S3BootstrapStoreSpec,
        *,
        name: str,
        signer: Signer,
        tls: ssl.SSLContext | None,
        now: Callable[[], float],
    ) -> None:
        self._session = session
        self._spec = spec
        self._name = name
        self._signer = signer
        self._tls = tls
        self._now = now
        try:
            self._base = _base(spec, signer.region)
        except ValueError:
            message = f"{self.named}: the bucket's name cannot stand in front of the host of spec.endpoint; set spec.forcePathStyle"
            raise StoreError("StoreNotReady", message) from None

    @property
    def named(self) -> str:
        """See `Bucket`."""
        return f"S3BootstrapStore {self._name}"

    @property
    def until(self) -> float | None:
        """See `Bucket`."""
        return self._signer.who.until

    @property
    def longest(self) -> int:
        """See `Bucket`."""
        return LONGEST

    async def put(self, path: str, data: bytes) -> None:
        """See `Bucket`."""
        headers = {"content-type": "application/json"}
        kept = self._spec.encryption
        if kept is not None:
            headers["x-amz-server-side-encryption"] = kept.algorithm
            if kept.kms_key_id is not None:
                headers["x-amz-server-side-encryption-aws-kms-key-id"] = kept.kms_key_id
        if self._spec.tags:
            headers["x-amz-tagging"] = encoded(self._spec.tags)
        await self._call("PUT", path, data=data, headers=headers)

    async def get(self, path: str, known: str, most: int) -> tuple[bytes, str] | None:
        """See `Bucket`."""
        headers = {"if-none-match": known} if known else {}
        return await self._call("GET", path, headers=headers, most=most)

    async def listed(self, prefix: str) -> list[str]:
        """See `Bucket`."""
        # Encoded, so that a name is nothing that XML could mean otherwise.
        query = {"list-type": "2", "encoding-type": "url", "max-keys": "1000", "prefix": prefix}
        found = await self._call("GET", "", query=query, most=_LARGEST_LIST)
        if found is None:
            raise self._failed(f"there is no bucket {self._spec.bucket}")
        text = found[0].decode(errors="replace")
        # Any other page has no keys either, and would be taken for a bucket where nothing is left.
        if "<ListBucketResult" not in text or "</ListBucketResult>" not in text:
            raise self._failed("its list of objects cannot be read")
        return [unquote(one) for one in _KEY.findall(text)]

    async def delete(self, path: str) -> None:
        """See `Bucket`."""
        await self._call("DELETE", path)

    def signed(self, method: str, path: str, now: float, lasts: int) -> str:
        """See `Bucket`."""
        return self._signer.url(method, self._url(path), _utc(now), lasts)

    def location(self, path: str) -> str:
        """See `Bucket`."""
        return f"s3://{self._spec.bucket}/{path}"

    async def _call(
        self,
        method: str,
        path: str,
        *,
        data: bytes = b"",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = _LARGEST_ANSWER,
    ) -> tuple[bytes, str] | None:
        """Make a call; the answer and its tag, or None where there is nothing (new).

        Raises:
            StoreError: The store refuses, or does not answer.
        """
        url = self._url(path)
        signed = self._signer.headers(
            method, url, data, _utc(self._now()), query=query, headers=headers
        )
        try:
            status, answer, tag = await ask(
                self._session,
                method,
                # As it was signed, and not as aiohttp would encode it.
                URL(f"{url}?{encoded(query)}" if query else url, encoded=True),
                headers=signed,
                timeout=_TIMEOUT,
                most=most,
                data=data if method == "PUT" else None,
                tls=self._tls,
            )
        except UnansweredError as error:
            raise self._failed(str(error)) from None
        # The word alone: an answer may quote what was sent.
        found = _CODE.search(answer[:_LARGEST_ANSWER]) if status >= 300 else None
        code = f" {found[1].decode()}" if found else ""
        if status in (401, 403):
            message = (
                f"{self.named} refuses the manager's credentials (HTTP {status}{code}): they need s3:PutObject,"
                " s3:GetObject and s3:DeleteObject below the prefix, and s3:ListBucket"
            )
            raise StoreError("CredentialsRejected", message, again_after=_NOT_HAMMERED)
        if status == 304 or (status == 404 and code != " NoSuchBucket" and method != "PUT"):
            return None
        if not 200 <= status < 300:
            raise self._failed(f"HTTP {status}{code}")
        return answer, tag

    def _url(self, path: str) -> str:
        return f"{self._base}/{quote(path, safe='/-_.~')}"

    def _failed(self, why: str) -> StoreError:
        return StoreError("WriteFailed", f"{self.named}: {why}", again_after=_AGAIN)


def _base(spec: S3BootstrapStoreSpec, region: str) -> str:
    """The URL below which objects are, without a slash behind it."""
    bucket = spec.bucket
    if spec.endpoint is None:
        host = f"s3.{region}.amazonaws.com"
        # A certificate for *.s3 covers no name with a dot in it.
        below = spec.force_path_style or "." in bucket
        return f"https://{host}/{bucket}" if below else f"https://{bucket}.{host}"
    parts = urlsplit(spec.endpoint.rstrip("/"))
    # A client leaves the default port out of Host, which is signed.
    host = parts.netloc.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ":"))
    if spec.force_path_style:
        return f"{parts.scheme}://{host}{parts.path}/{bucket}"
    found = f"{parts.scheme}://{bucket}.{host}{parts.path}"
    # An address takes no name before it.
    urlsplit(found)
    return found


def _utc(now: float) -> datetime:
    return datetime.fromtimestamp(now, timezone.utc)
