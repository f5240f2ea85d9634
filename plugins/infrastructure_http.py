"""Infrastructure `http`: configurations at https URLs, reports by PUT to https URLs; for the manager's side PUT, HEAD and DELETE below a base URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import quote

from machineadm.plugins.sdk import CallError, Infrastructure, serve
from machineadm.plugins.sdk.web import TIMEOUT, AbsentError, Web, all_of, require_url

MOST = 64 << 20
"""Bytes that are stored: they are held in memory, for a request that says its length."""

_KEYS = {"headers", "caFile", "timeoutSeconds", "baseURL"}


class Http(Infrastructure):
    """Asks web servers, with headers of the settings, which no redirect takes to another server."""

    version = "0.1.0"
    description = "configurations and reports over https"
    settings_schema: ClassVar = {
        "type": "object",
        "properties": {
            "headers": {
                "type": "object",
                "description": "sent with each request, such as Authorization",
            },
            "caFile": {"type": "string", "description": "certificates trusted beside the system's"},
            "timeoutSeconds": {"type": "number", "description": "without any byte (default 30)"},
            "baseURL": {"type": "string", "description": "where Store puts what it is given"},
        },
    }

    def __init__(self) -> None:
        self._web = Web()
        self._base = ""

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - _KEYS:
            raise CallError(f"there is no setting {min(unknown)!r}")
        headers = settings.get("headers", {})
        if not isinstance(headers, dict) or not all(
            isinstance(one, str) for one in headers.values()
        ):
            raise CallError("headers must be an object of strings")
        # A newline in a value would begin a header of its own.
        if any(re.search(r"[^\x20-\x7e]", f"{name}{value}") for name, value in headers.items()):
            raise CallError("headers must be printable ASCII")
        timeout = settings.get("timeoutSeconds", TIMEOUT)
        # True is an int to Python, and would be a second.
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
            raise CallError("timeoutSeconds must be a number")
        # An hour: longer than any call has, and sockets take neither a NaN nor centuries.
        if not 0 < timeout <= 3600:
            raise CallError("timeoutSeconds must be more than 0, and at most 3600")
        base = settings.get("baseURL", "")
        if base:
            require_url(base)
        # Made before it is kept: settings that are refused change nothing.
        web = Web(headers=headers, ca_file=settings.get("caFile", ""), timeout=float(timeout))
        self._web, self._base = web, str(base).rstrip("/")

    def fetch(self, location: str) -> Iterator[bytes]:
        """See `Infrastructure`."""
        yield from self._web.pieces(location)

    def report(self, location: str, status: bytes) -> None:
        """See `Infrastructure`; a PUT of JSON, as the agent itself reports and machineadm-store takes it."""
        # urllib would call a body without a type a form.
        headers = {"Content-Type": "application/json"}
        self._web.ask("PUT", location, status, headers=headers).close()

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See `Infrastructure`."""
        location = self._location(name)
        headers = {"Content-Type": "application/octet-stream"}
        self._web.ask("PUT", location, all_of(data, MOST), headers=headers).close()
        return location

    def locate(self, name: str) -> str | None:
        """See `Infrastructure`."""
        location = self._location(name)
        try:
            self._web.ask("HEAD", location).close()
        except AbsentError:
            return None
        return location

    def delete(self, location: str) -> None:
        """See `Infrastructure`."""
        try:
            self._web.ask("DELETE", location).close()
        except AbsentError:
            pass

    def _location(self, name: str) -> str:
        if not self._base:
            raise CallError("the setting baseURL says where things are stored, and is missing")
        # Servers and proxies fold such segments, also encoded ones, and would leave the base URL.
        if name in ("", ".", "..") or "/" in name:
            raise CallError(f"{name!r} is not a name that can be stored")
        return f"{self._base}/{quote(name, safe='')}"


if __name__ == "__main__":
    serve(Http())
