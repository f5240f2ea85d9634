"""Infrastructure `aws`: configurations and reports in S3, at `s3://BUCKET/KEY`, as the machine's own role or with a key of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from machineadm.plugins.sdk import CallError, Infrastructure, serve
from machineadm.plugins.sdk.aws import BYTES, SETTINGS, Account, object_url
from machineadm.plugins.sdk.web import AbsentError, Web, all_of, require_url

MOST = 64 << 20
"""Bytes that are stored."""


class Aws(Infrastructure):
    """Objects of buckets."""

    version = "0.1.0"
    description = "configurations and reports in S3"
    settings_schema: ClassVar = {
        "type": "object",
        "required": ["region"],
        "properties": {
            **SETTINGS,
            "bucket": {"type": "string", "description": "where Store puts what it is given"},
            "prefix": {"type": "string", "description": "before the names that are stored"},
            "endpoint": {"type": "string", "description": "of an S3 that is not Amazon's"},
        },
    }

    def __init__(self) -> None:
        self._web = Web()
        self._account: Account | None = None
        self._bucket = self._prefix = self._endpoint = ""

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - self.settings_schema["properties"].keys():
            raise CallError(f"there is no setting {min(unknown)!r}")
        if odd := [name for name, value in settings.items() if not isinstance(value, str)]:
            raise CallError(f"{odd[0]} must be a string")
        # Judged before anything is kept: settings that are refused change nothing.
        account = Account(self._web, settings)
        endpoint = settings.get("endpoint", "")
        # The signature covers the host, but the data would be in the clear over http.
        if endpoint:
            require_url(endpoint)
        self._account = account
        self._endpoint = endpoint.rstrip("/")
        self._bucket, self._prefix = settings.get("bucket", ""), settings.get("prefix", "")

    def fetch(self, location: str) -> Iterator[bytes]:
        """See `Infrastructure`."""
        url, account = self._url(location)
        yield from self._web.pieces(url, headers=account.signed("GET", url, b"", service="s3"))

    def report(self, location: str, status: bytes) -> None:
        """See `Infrastructure`; the object is replaced."""
        self._ask("PUT", location, status)

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See `Infrastructure`."""
        location = self._location(name)
        self._ask("PUT", location, all_of(data, MOST))
        return location

    def locate(self, name: str) -> str | None:
        """See `Infrastructure`."""
        location = self._location(name)
        try:
            self._ask("HEAD", location)
        except AbsentError:
            return None
        return location

    def delete(self, location: str) -> None:
        """See `Infrastructure`."""
        try:
            self._ask("DELETE", location)
        except AbsentError:
            pass

    def _ask(self, method: str, location: str, data: bytes | None = None) -> None:
        url, account = self._url(location)
        extra = {} if data is None else BYTES
        headers = account.signed(method, url, data or b"", service="s3", headers=extra)
        # The answer's body is not read: what counts is the status, which ask() has judged.
        self._web.ask(method, url, data, headers=headers).close()

    def _url(self, location: str) -> tuple[str, Account]:
        """Where an object is, and who asks for it.

        Raises:
            CallError: It is not a location, or the region is missing.
        """
        if self._account is None:
            raise CallError("the setting region is missing")
        return object_url(location, self._account.region, self._endpoint), self._account

    def _location(self, name: str) -> str:
        if not self._bucket:
            raise CallError("the setting bucket says where things are stored, and is missing")
        return f"s3://{self._bucket}/{self._prefix}{name}"


if __name__ == "__main__":
    serve(Aws())
