"""Infrastructure `http`: configurations at https URLs, reports to https URLs; for the manager's side PUT, HEAD and DELETE below a base URL."""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, urlsplit

from machineadm.plugins.sdk import CallError, Infrastructure, serve

TIMEOUT = 30.0
MOST = 64 << 20
"""Bytes that are stored: they are held in memory, for a request that says its length."""

_PIECE = 1 << 20
_HERE = ("localhost", "127.0.0.1", "::1")
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
        self._headers: dict[str, str] = {}
        self._context = ssl.create_default_context()
        self._timeout = TIMEOUT
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
        if any(re.search(r"[^\x20-\x7e]", f"{name}{value}") for name, value in headers.items()):
            raise CallError("headers must be printable ASCII")
        timeout = settings.get("timeoutSeconds", TIMEOUT)
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0:
            raise CallError("timeoutSeconds must be a positive number")
        base = settings.get("baseURL", "")
        if base:
            _require_url(base)
        context = ssl.create_default_context()
        if path := settings.get("caFile"):
            try:
                context.load_verify_locations(path)
            except (OSError, TypeError) as error:
                raise CallError(f"caFile cannot be used: {error}") from error
        self._headers, self._timeout, self._context = dict(headers), float(timeout), context
        self._base = str(base).rstrip("/")

    def fetch(self, location: str) -> Iterator[bytes]:
        """See `Infrastructure`.

        Raises:
            CallError: It is not there, or broke off.
        """
        with closing(self._ask("GET", location)) as answer:
            wanted = answer.headers.get("Content-Length", "")
            came = 0
            try:
                while piece := answer.read(_PIECE):
                    came += len(piece)
                    yield piece
            except (OSError, http.client.HTTPException) as error:
                raise CallError(f"{_shown(location)} broke off after {came} bytes") from error
            # A sized answer that ends early ends without an error.
            if wanted.isdecimal() and came != int(wanted):
                raise CallError(f"{_shown(location)} broke off after {came} of {wanted} bytes")

    def report(self, location: str, status: bytes) -> None:
        """See `Infrastructure`; a POST of JSON."""
        self._ask("POST", location, status, "application/json").close()

    def store(self, name: str, data: Iterator[bytes]) -> str:
        """See `Infrastructure`.

        Raises:
            CallError: There is no base URL, or it is too much.
        """
        location = self._location(name)
        held = bytearray()
        for piece in data:
            held += piece
            if len(held) > MOST:
                raise CallError(f"{name} is larger than {MOST} bytes")
        self._ask("PUT", location, bytes(held), "application/octet-stream").close()
        return location

    def locate(self, name: str) -> str | None:
        """See `Infrastructure`."""
        location = self._location(name)
        try:
            self._ask("HEAD", location).close()
        except _AbsentError:
            return None
        return location

    def delete(self, location: str) -> None:
        """See `Infrastructure`."""
        try:
            self._ask("DELETE", location).close()
        except _AbsentError:
            pass

    def _location(self, name: str) -> str:
        if not self._base:
            raise CallError("the setting baseURL says where things are stored, and is missing")
        if name in ("", ".", "..") or "/" in name:
            raise CallError(f"{name!r} is not a name that can be stored")
        return f"{self._base}/{quote(name, safe='')}"

    def _ask(
        self, method: str, url: str, data: bytes | None = None, kind: str = ""
    ) -> http.client.HTTPResponse:
        _require_url(url)
        request = urllib.request.Request(url, data=data, headers=dict(self._headers), method=method)  # noqa: S310 - judged above
        if kind:
            request.add_header("Content-Type", kind)
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self._context), _Redirects()
        )
        try:
            answer: http.client.HTTPResponse = opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            error.close()
            absent = error.code in (404, 410)
            raise (_AbsentError if absent else CallError)(
                f"{_shown(url)} answers {error.code} to {method}"
            ) from None
        except urllib.error.URLError as error:
            _unreachable(url, error.reason)
        except (OSError, http.client.HTTPException) as error:
            _unreachable(url, error)
        return answer


class _AbsentError(CallError):
    """Nothing lies there."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to https alone, and takes no header of ours to another server."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Make the next request.

        Raises:
            CallError: It leads to where nobody should follow.
        """
        there, here = urlsplit(newurl), urlsplit(req.full_url)
        if there.scheme != "https" and there.scheme != here.scheme:
            fp.close()
            raise CallError(f"{_shown(req.full_url)} redirects from https to less")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and (there.scheme, there.netloc) != (here.scheme, here.netloc):
            following.headers = {}
        return following


def _require_url(url: object) -> None:
    """Refuse what is not an https URL, or http of this machine.

    Raises:
        CallError: It is not one.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    good = host and re.fullmatch(r"[\x21-\x7e]+", str(url)) and parts.username is None
    if not good or (parts.scheme != "https" and not (parts.scheme == "http" and host in _HERE)):
        raise CallError(f"{_shown(str(url))} is not an https URL without user and password")


def _shown(url: str) -> str:
    """A URL without what may be secret."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"[:200]


def _unreachable(url: str, reason: object) -> NoReturn:
    if isinstance(reason, CallError):
        raise reason
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    raise CallError(f"{_shown(url)} cannot be reached: {words}")


if __name__ == "__main__":
    serve(Http())
