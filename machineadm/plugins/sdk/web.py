"""Web requests for plugins: https only, no header is sent to another server, and errors contain no secrets.

from machineadm.plugins.sdk.web import AbsentError, Web

with Web(headers={"Authorization": "Bearer ..."}).ask("GET", url) as answer:
    data = answer.read()
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from machineadm.plugins.sdk.errors import CallError

# Of silence and not of the whole: what is fetched has any size, and a call has its own deadline.
TIMEOUT: Final = 30.0
"""Seconds without any byte after which a request has failed."""

PIECE: Final = 1 << 20
# A refusal says why in its first lines; the rest may be a page of HTML, or have no end.
_MOST_REFUSAL: Final = 16384
# Any other name is looked up, and may lead off this machine.
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class AbsentError(CallError):
    """There is nothing at this URL: 404 or 410."""


class Web:
    """Asks web servers.

    Args:
        headers: Sent with each request, and taken to no other server by a redirect.
        ca_file: Certificates that are trusted beside the system's; empty: none.
        timeout: Seconds without any byte.

    Raises:
        CallError: The certificates cannot be read.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        ca_file: str = "",
        timeout: float = TIMEOUT,
    ) -> None:
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._context = ssl.create_default_context()
        if ca_file:
            try:
                self._context.load_verify_locations(ca_file)
            except (OSError, TypeError) as error:
                raise CallError(f"{ca_file} cannot be used: {error}") from error

    def ask(
        self,
        method: str,
        url: str,
        data: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        plain: bool = False,
        explain: Callable[[bytes], str] | None = None,
    ) -> http.client.HTTPResponse:
        """Make a request; the caller closes the answer.

        Args:
            method: Such as GET.
            url: https, or http of this machine.
            data: The body, if there is one.
            headers: Further ones.
            plain: http of any machine is fine, as for a cloud's metadata.
            explain: Gets the beginning of a refusal's body, and returns what of it the error says; it must not be secret.

        Raises:
            AbsentError: There is nothing at the URL.
            CallError: It cannot be reached, or refuses.
        """
        require_url(url, plain=plain)
        request = urllib.request.Request(  # noqa: S310 - judged above
            url, data=data, headers={**self._headers, **(headers or {})}, method=method
        )
        # Made anew: it costs little beside a request, and calls run in several threads.
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=self._context), _Redirects()
        )
        try:
            answer: http.client.HTTPResponse = opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            # Only what the plugin picks out: a body may quote the request with its secrets.
            words = _explained(error, explain)
            error.close()
            # 410 is gone for good (RFC 9110, 15.5.11), which to us is the same.
            kind = AbsentError if error.code in (404, 410) else CallError
            raise kind(f"{shown(url)} answers {error.code} to {method}{words}") from None
        except urllib.error.URLError as error:
            _unreachable(url, error.reason)
        except (OSError, http.client.HTTPException) as error:
            _unreachable(url, error)
        # A header with two lines, or beyond Latin-1, or a redirect to what is no URL. Without its words: they
        # quote the header, which may be a token.
        except ValueError:
            raise CallError(
                f"{shown(url)} cannot be asked: a header or a redirect is unfit"
            ) from None
        return answer

    def whole(
        self, method: str, url: str, data: bytes | None = None, *, most: int = 65536, **how: Any
    ) -> bytes:
        """Make a request, and read the answer's body.

        Args:
            method: See `ask`.
            url: See `ask`.
            data: See `ask`.
            most: Bytes; what comes after them is left.
            how: The rest of what `ask` takes.

        Raises:
            AbsentError: There is nothing at the URL.
            CallError: It cannot be reached, refuses, or breaks off.
        """
        return b"".join(_pieces(self.ask(method, url, data, **how), url, most))

    def pieces(self, url: str, *, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Yield the data at a URL, in pieces.

        Raises:
            CallError: It is not there, or broke off.
        """
        yield from _pieces(self.ask("GET", url, headers=headers), url)


def _pieces(answer: http.client.HTTPResponse, url: str, most: int | None = None) -> Iterator[bytes]:
    """Read an answer to its end, or as many bytes of it, and close it.

    Raises:
        CallError: It broke off.
    """
    with closing(answer):
        wanted = answer.headers.get("Content-Length", "")
        came = 0
        try:
            while piece := answer.read(PIECE if most is None else min(PIECE, most - came)):
                came += len(piece)
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise CallError(f"{shown(url)} broke off after {came} bytes") from error
        # A sized answer that ends early ends without an error.
        if wanted.isdecimal() and came != most and came != int(wanted[:18]):
            raise CallError(f"{shown(url)} broke off after {came} of {wanted} bytes")


def require_url(url: object, *, plain: bool = False) -> None:
    """Refuse what is not an https URL, or http of this machine.

    Raises:
        CallError: It is not one.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    # No blank and no control character: http.client would refuse the URL, and quote all of it.
    good = host and re.fullmatch(r"[\x21-\x7e]+", str(url)) and parts.username is None
    may_be_plain = parts.scheme == "http" and (plain or host in _HERE)
    if not good or not (parts.scheme == "https" or may_be_plain):
        raise CallError(f"{shown(str(url))} is not an https URL without user and password")


def shown(url: str) -> str:
    """A URL without what may be secret."""
    scheme, _, rest = url.partition("://")
    # Without its query, which may hold a signature, and what is before an @.
    authority, slash, path = rest.partition("?")[0].partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"[:200]


def all_of(data: Iterator[bytes], most: int) -> bytes:
    """All pieces, for a request that says its length.

    Raises:
        CallError: They are more than `most` bytes.
    """
    held = bytearray()
    for piece in data:
        # In pieces: a size is only what somebody claims.
        held += piece
        if len(held) > most:
            raise CallError(f"more than {most} bytes are not stored")
    return bytes(held)


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
        same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        # In the clear only to the server itself, or within this machine: what a metadata service or a local
        # server answers must not come from anybody on the network in the end.
        within = here.scheme == there.scheme == "http" and {here.hostname, there.hostname} <= _HERE
        if there.scheme != "https" and not same and not within:
            fp.close()
            less = (
                "from https to less" if here.scheme == "https" else "to another server in the clear"
            )
            raise CallError(f"{shown(req.full_url)} redirects {less}")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and not same:
            # All of them: which are secret only the plugin knows.
            following.headers = {}
        return following


def _explained(error: urllib.error.HTTPError, explain: Callable[[bytes], str] | None) -> str:
    if explain is None:
        return ""
    try:
        words = explain(error.read(_MOST_REFUSAL))
    except (OSError, http.client.HTTPException):
        return ""  # the refusal itself is what counts
    return f": {words}" if words else ""


def _unreachable(url: str, reason: object) -> NoReturn:
    # Some errors have neither words nor a number: then the type is all there is.
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    raise CallError(f"{shown(url)} cannot be reached: {words}")
