"""Signature Version 4, by which Amazon's services, and what speaks S3, know who asks. Pure.

Written from docs.aws.amazon.com: "Authenticating Requests (AWS Signature Version 4)", with headers and with query parameters.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

LONGEST: Final = 7 * 86400
"""Seconds for which a signed URL can be good."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks."""

    key: str
    """Access key id."""

    secret: str
    token: str = ""
    """Of a session; empty: there is none."""

    until: float | None = None
    """Seconds since 1970; what was signed with them ends as well. None: they do not end."""

    def __repr__(self) -> str:
        return f"Credentials(key={self.key!r})"


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Signs for one service in one region."""

    who: Credentials
    region: str
    service: str = "s3"

    def headers(
        self,
        method: str,
        url: str,
        data: bytes,
        now: datetime,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """The headers of a request, the given ones among them.

        Args:
            method: Such as GET.
            url: Encoded already, without a query.
            data: The body.
            now: The time, UTC.
            query: Its query.
            headers: Further ones, in lower case; they are signed.
        """
        time, digest = _time(now), hashlib.sha256(data).hexdigest()
        signed = {"x-amz-content-sha256": digest, "x-amz-date": time, **(headers or {})}
        if self.who.token:
            signed["x-amz-security-token"] = self.who.token
        signature, names = self._signature(
            method,
            url,
            encoded(query or {}),
            {"host": urlsplit(url).netloc, **signed},
            digest,
            time,
        )
        credential = f"Credential={self.who.key}/{self._scope(time)}"
        signed["Authorization"] = (
            f"{_ALGORITHM} {credential},SignedHeaders={names},Signature={signature}"
        )
        return signed

    def url(self, method: str, url: str, now: datetime, lasts: int) -> str:
        """A URL that lets whoever has it do one thing.

        Args:
            method: What.
            url: Encoded already, without a query.
            now: The time, UTC.
            lasts: Seconds for which it is good.
        """
        time = _time(now)
        query = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.who.key}/{self._scope(time)}",
            "X-Amz-Date": time,
            "X-Amz-Expires": str(lasts),
            "X-Amz-SignedHeaders": "host",
        }
        if self.who.token:
            query["X-Amz-Security-Token"] = self.who.token
        text = encoded(query)
        host = {"host": urlsplit(url).netloc}
        signature, _ = self._signature(method, url, text, host, _UNSIGNED, time)
        return f"{url}?{text}&X-Amz-Signature={signature}"

    def _signature(
        self, method: str, url: str, query: str, headers: Mapping[str, str], digest: str, time: str
    ) -> tuple[str, str]:
        """The signature, and the names of what it covers."""
        names = sorted(headers)
        lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
        listed = ";".join(names)
        request = "\n".join([method, urlsplit(url).path or "/", query, *lines, "", listed, digest])
        hashed = hashlib.sha256(request.encode()).hexdigest()
        key = f"AWS4{self.who.secret}".encode()
        for word in (time[:8], self.region, self.service, "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        text = "\n".join([_ALGORITHM, time, self._scope(time), hashed])
        return hmac.digest(key, text.encode(), "sha256").hex(), listed

    def _scope(self, time: str) -> str:
        return f"{time[:8]}/{self.region}/{self.service}/aws4_request"


def encoded(query: Mapping[str, str]) -> str:
    """A query in the one form that is signed: sorted, and all but the unreserved characters escaped."""
    pairs = sorted((quote(name, safe="-_.~"), quote(query[name], safe="-_.~")) for name in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _time(now: datetime) -> str:
    return now.strftime("%Y%m%dT%H%M%SZ")
