"""Infrastructure `gcs`: configurations and reports in Google Cloud Storage, at `gs://BUCKET/OBJECT`, as the machine's own service account."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

from machineadm.plugins.sdk import CallError, Infrastructure, serve
from machineadm.plugins.sdk.web import AbsentError, Web, all_of, require_url

ENDPOINT = "https://storage.googleapis.com"
METADATA = "http://metadata.google.internal"
# The account that the instance was given; `default` is its alias.
ACCOUNT = "computeMetadata/v1/instance/service-accounts/default/token"
MOST = 64 << 20
"""Bytes that are stored."""

_LOCATION = r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.{1,1024})"
_KEYS = {"bucket", "prefix", "endpoint", "anonymous", "metadataEndpoint"}


class Gcs(Infrastructure):
    """Objects of buckets."""

    version = "0.1.0"
    description = "configurations and reports in Google Cloud Storage"
    settings_schema: ClassVar = {
        "type": "object",
        "properties": {
            "bucket": {"type": "string", "description": "where Store puts what it is given"},
            "prefix": {"type": "string", "description": "before the names that are stored"},
            "endpoint": {"type": "string", "description": f"default {ENDPOINT}"},
            "anonymous": {"type": "boolean", "description": "ask without a token"},
            "metadataEndpoint": {
                "type": "string",
                "description": f"of the instance's metadata; default {METADATA}",
            },
        },
    }

    def __init__(self) -> None:
        self._web = Web()
        self._bucket = self._prefix = ""
        self._endpoint, self._metadata = ENDPOINT, METADATA
        self._anonymous = False
        self._token, self._good_until = "", 0.0

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - _KEYS:
            raise CallError(f"there is no setting {min(unknown)!r}")
        for name in ("bucket", "prefix", "endpoint", "metadataEndpoint"):
            if not isinstance(settings.get(name, ""), str):
                raise CallError(f"{name} must be a string")
        endpoint = settings.get("endpoint", ENDPOINT)
        require_url(endpoint)
        # Plain http is the metadata server's only protocol; it is reached over a link-local
        # address.
        metadata = settings.get("metadataEndpoint", METADATA)
        require_url(metadata, plain=True)
        self._endpoint, self._metadata = endpoint.rstrip("/"), metadata.rstrip("/")
        self._bucket = settings.get("bucket", "")
        self._prefix = settings.get("prefix", "")
        self._anonymous = settings.get("anonymous") is True

    def fetch(self, location: str) -> Iterator[bytes]:
        """See `Infrastructure`."""
        # alt=media: without it the answer is the object's metadata.
        yield from self._web.pieces(f"{self._object(location)}?alt=media", headers=self._headers())

    def report(self, location: str, status: bytes) -> None:
        """See `Infrastructure`; the object is replaced."""
        self._put(location, status, "application/json")

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See `Infrastructure`."""
        location = self._location(name)
        self._put(location, all_of(data, MOST), "application/octet-stream")
        return location

    def locate(self, name: str) -> str | None:
        """See `Infrastructure`."""
        location = self._location(name)
        try:
            self._web.ask("GET", self._object(location), headers=self._headers()).close()
        except AbsentError:
            return None
        return location

    def delete(self, location: str) -> None:
        """See `Infrastructure`."""
        try:
            self._web.ask("DELETE", self._object(location), headers=self._headers()).close()
        except AbsentError:
            pass

    def _put(self, location: str, data: bytes, kind: str) -> None:
        bucket, name = _parts(location)
        # uploadType=media is one request; an existing object is replaced whole.
        url = f"{self._endpoint}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}"
        headers = {"Content-Type": kind, **self._headers()}
        self._web.ask("POST", url, data, headers=headers).close()

    def _object(self, location: str) -> str:
        bucket, name = _parts(location)
        # With its slashes encoded: in this API the object's name is one segment of the path.
        return f"{self._endpoint}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"

    def _location(self, name: str) -> str:
        if not self._bucket:
            raise CallError("the setting bucket says where things are stored, and is missing")
        return f"gs://{self._bucket}/{self._prefix}{name}"

    def _headers(self) -> dict[str, str]:
        """The token of the machine's service account, kept until a minute before its end.

        Raises:
            CallError: There is none.
        """
        if self._anonymous:
            return {}
        # monotonic: a clock that is set during the boot must not keep an old token.
        if time.monotonic() > self._good_until:
            # Before the question: how long it took counts against the token.
            began = time.monotonic()
            # Without this header the metadata server refuses, so that no redirect can ask it.
            headers = {"Metadata-Flavor": "Google"}
            url = f"{self._metadata}/{ACCOUNT}"
            answer = self._web.whole("GET", url, headers=headers, plain=True)
            try:
                found = json.loads(answer)
                token = str(found["access_token"])
                good_until = began + float(found["expires_in"]) - 60
            except (ValueError, KeyError, TypeError, RecursionError):
                raise CallError("the metadata server gives no token") from None
            # It becomes a header, where a second line would be another one.
            if not token.isprintable():
                raise CallError("the metadata server gives a token with more than one line")
            self._token, self._good_until = token, good_until
        return {"Authorization": f"Bearer {self._token}"}


def _parts(location: str) -> tuple[str, str]:
    """Bucket and object.

    Raises:
        CallError: It is not a location.
    """
    found = re.fullmatch(_LOCATION, location)
    if found is None:
        raise CallError(f"{location[:100]!r} is not gs://BUCKET/OBJECT")
    return found[1], found[2]


if __name__ == "__main__":
    serve(Gcs())
