"""One HTTP request and its answer, over urllib: restricted redirects, no leaked headers, coded errors."""

from __future__ import annotations

import _thread
import contextlib
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator, Mapping
from email.message import Message
from pathlib import Path
from typing import IO

from machineadm.api.formats import address, pem
from machineadm.errors import HostError
from machineadm.redaction import Secret
from machineadm.sources.shown import shown
from machineadm.version import VERSION

# As urllib and most browsers' order of magnitude; registries and mirrors need two or three.
MOST_REDIRECTS = 10
# read(n) of http.client waits until all of it is there: with more, a slow server would be seen less
# often.
_CHUNK = 256 * 1024
_PUBLIC = ("User-agent", "Range")
"""Headers that another server may see, too; as urllib spells them."""

# 408, 425 and 429 ask for another try (RFC 9110, 15.5.9; RFC 8470; RFC 6585); 5xx of servers and
# proxies that are starting.
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
# Python has no name for it.
_NOT_YET_VALID = 9
"""X509_V_ERR_CERT_NOT_YET_VALID in OpenSSL's x509_vfy.h."""
_HINTS = {
    401: "check the headers: the server requires credentials",
    403: "check the headers; a pre-signed URL may have expired",
    404: "check the URL",
    407: "the proxy requires credentials; check https_proxy",
}


def _state_of_the_store() -> tuple[int, int] | None:
    """What tells two states of the system's bundle apart; of a directory of certificates OpenSSL reads what it needs when it needs it."""
    bundle = ssl.get_default_verify_paths().cafile
    try:
        found = Path(bundle).stat() if bundle else None
    except OSError:
        return None
    # Inode and time: update-ca-certificates renames a new file into place.
    return None if found is None else (found.st_ino, found.st_mtime_ns)


class PassingError(HostError):
    """The failure may go away by itself, so a retry makes sense."""


class Web:
    """HTTP and HTTPS with the proxies of the environment.

    Args:
        ca_file: Certificates that are trusted besides the system's; empty: none.
        ca_bundle: The same, in PEM.
        timeout: Seconds without any byte after which a request fails.
    """

    def __init__(self, *, ca_file: str = "", ca_bundle: str = "", timeout: float = 30.0) -> None:
        self._ca_file = ca_file
        self._ca_bundle = ca_bundle
        # Read when the first https URL comes: Debian's bundle takes 20 ms to parse, which plain
        # http need not pay.
        self._trusted: ssl.SSLContext | None = None
        self._store: tuple[int, int] | None = None
        self.timeout = timeout

    def chunks(self, url: str, headers: Mapping[str, str | Secret]) -> Iterator[bytes]:
        """Yield the body as it arrives; it is complete when the iterator ends without an error.

        Raises:
            PassingError: Name, connection, timeout, or an answer such as 503; MA3103 when the body broke off.
            HostError: What will fail again: certificate, refusal, a redirect that is not followed.
        """
        answer = self._open(url, headers)
        yield from self._body(answer, url, answer.read)

    def answer(
        self, url: str, headers: Mapping[str, str | Secret], data: bytes | None = None
    ) -> tuple[int, Message, Generator[bytes, None, None]]:
        """Return the answer, whatever its status: status, headers, and the body as in `chunks`.

        Args:
            url: What is asked.
            headers: Of the request.
            data: What is posted; no redirect is followed then.

        Raises:
            PassingError: Name, connection, or timeout.
            HostError: As of `chunks`.
        """
        # For catalogs: 401 carries the challenge that says where a token is had, and 404 is an
        # answer.
        answer = self._open(
            url, headers, any_status=True, data=data, method="GET" if data is None else "POST"
        )
        if answer.status >= 400:
            # The body of an error may be anything, of any size: it is not read.
            answer.close()
            return answer.status, answer.headers, _nothing()
        # read1, not read: the caller, who counts the time, must see every byte of a body that drips.
        return answer.status, answer.headers, self._body(answer, url, answer.read1)

    def put(self, url: str, data: bytes, headers: Mapping[str, str | Secret]) -> None:
        """Put JSON; no redirect is followed, and the answer's body is not read.

        Raises:
            PassingError: As of `chunks`.
            HostError: As of `chunks`.
        """
        self._open(
            url, {"Content-Type": "application/json", **headers}, data=data, method="PUT"
        ).close()

    def _body(
        self, answer: http.client.HTTPResponse, url: str, read: Callable[[int], bytes]
    ) -> Generator[bytes, None, None]:
        with contextlib.closing(answer):
            wanted, came = _length(answer.headers), 0
            while chunk := _read(read, url, came):
                came += len(chunk)
                yield chunk
            # http.client ends a sized read silently when the connection does.
            if wanted is not None and came != wanted:
                raise PassingError(*_broken(url, came, wanted))

    def _open(
        self,
        url: str,
        headers: Mapping[str, str | Secret],
        *,
        any_status: bool = False,
        data: bytes | None = None,
        method: str = "GET",
    ) -> http.client.HTTPResponse:
        # Not build_opener: that adds handlers for ftp, file and data, to which a redirect could
        # lead.
        opener = urllib.request.OpenerDirector()
        for handler in (
            # It reads the variables now, at each request: the configuration may have set the run's
            # proxies meanwhile.
            urllib.request.ProxyHandler(),
            _Plain(),
            _Secure(self._context),
            _Redirects(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            opener.add_handler(handler)
        try:
            answer: http.client.HTTPResponse = opener.open(
                _request(url, headers, data, method), timeout=self.timeout
            )
        except urllib.error.HTTPError as error:
            if any_status and isinstance(error.fp, http.client.HTTPResponse):
                # A status of 400 and above is an answer as well for whoever asked for any; urllib
                # calls it an error.
                return error.fp
            error.close()
            raise _refused(url, error.code) from None
        except urllib.error.URLError as error:
            raise _unreachable(url, error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(url, error) from error
        except ValueError:
            # It quotes the header or URL that it dislikes.
            raise HostError(
                "MA3106",
                f"cannot download {shown(url)}: URL or headers are malformed",
                hint="look for line breaks, blanks, non-ASCII characters, or a host that programs read differently",
            ) from None
        return answer

    def _context(self) -> ssl.SSLContext:
        """Read the trusted certificates once, and again where a run has changed them meanwhile."""
        state = _state_of_the_store()
        if self._trusted is None or state != self._store:
            self._trusted, self._store = self._read_trusted(), state
        return self._trusted

    def _read_trusted(self) -> ssl.SSLContext:
        # Host names are checked and certificates required, which a bare SSLContext does not do.
        context = ssl.create_default_context()
        # Debian's and Red Hat's own settings differ; a fetch must not depend on the distribution.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # In addition to the system's: a mirror inside and a registry outside are fetched from in
        # one run.
        if self._ca_file:
            try:
                context.load_verify_locations(self._ca_file)
            except OSError as error:
                raise HostError(
                    "MA3108",
                    f"cannot use the CA bundle {self._ca_file}: {error.strerror or 'no PEM'}",
                ) from error
        if self._ca_bundle:
            try:
                context.load_verify_locations(cadata=pem(self._ca_bundle))
            except (OSError, ValueError) as error:
                raise HostError(
                    "MA3108", "cannot use the CA bundle of the configuration"
                ) from error
        return context


class _PlainConnection(http.client.HTTPConnection):
    """A connection whose name resolution can be interrupted."""

    def connect(self) -> None:
        """See `http.client.HTTPConnection.connect`."""
        self._create_connection = _connect
        super().connect()


class _SecureConnection(http.client.HTTPSConnection):
    """A connection whose name resolution can be interrupted."""

    def connect(self) -> None:
        """See `http.client.HTTPSConnection.connect`."""
        self._create_connection = _connect
        super().connect()


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PlainConnection, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        # Not the parent's __init__, which loads the system's certificates even for a request without TLS.
        urllib.request.AbstractHTTPHandler.__init__(self)
        self._trusted = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._trusted())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http, and never sends the caller's headers to another origin."""

    max_redirections = MOST_REDIRECTS
    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302
    """Python 3.10 does not know it."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Make the next request.

        Raises:
            HostError: The redirect leads from https to something else, or to no web address.
        """
        # What was sent was for its server; urllib itself would turn a POST into a GET, and go on.
        if req.data is not None:
            return None
        try:
            named = address(newurl)
        except ValueError:
            named = None
        # A redirect with a user in it is refused: it is not a user of ours, and programs disagree about the host after it.
        if named is None or named.user or named.scheme not in ("https", req.type):
            fp.close()
            raise HostError(
                "MA3109",
                f"cannot download {shown(req.full_url)}: it redirects to {shown(newurl)}",
                hint="redirects are followed only to a plain host, and never from https to http; use the final URL",
            )
        following = super().redirect_request(
            # The parent of Python 3.10 refuses 308, and treats 307 as 308 is meant: the method
            # stays.
            req,
            fp,
            307 if code == 308 else code,
            msg,
            headers,
            newurl,
        )
        # A token for one server is a secret to every other one; urllib would send it along.
        if following is not None and _origin(following) != _origin(req):
            kept = {name: req.get_header(name) for name in _PUBLIC}
            following.headers = {name: value for name, value in kept.items() if value is not None}
        return following


def _connect(
    address: tuple[str, int], timeout: float, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """Do what socket.create_connection does: try all addresses in turn.

    Raises:
        OSError: The name does not resolve, or none of its addresses answers.
    """
    failed: OSError | None = None
    # In the resolver's order (RFC 6724), one after the other, as socket.create_connection does.
    for found in _resolve(*address, timeout=timeout):
        try:
            # Numeric, so this does not resolve anything again.
            return socket.create_connection(found, timeout, source_address)
        except OSError as error:
            failed = error
    raise failed or OSError(f"{address[0]} has no address")


def _resolve(host: str, port: int, *, timeout: float) -> list[tuple[str, int]]:
    """Resolve a host.

    The C library's resolver has no timeout that we can set and does not return on a signal. It runs in its own thread, which is
    abandoned if no server answers.

    Raises:
        OSError: It has no address, or no server answered in time.
    """
    answer: list[tuple[str, int]] | OSError = TimeoutError("name resolution timed out")
    answered = _thread.allocate_lock()
    answered.acquire()

    def ask() -> None:
        nonlocal answer
        try:
            # By type, or each address would come three times.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer = [(str(one[4][0]), port) for one in found]
        except OSError as error:
            answer = error
        except UnicodeError:
            answer = OSError(f"{host!r} is not a host name")
        finally:
            answered.release()

    # Not threading: its threads are waited for at the interpreter's end, and this one may never
    # end.
    _thread.start_new_thread(ask, ())
    # A lock with a timeout returns on a signal; getaddrinfo does not.
    answered.acquire(timeout=timeout)
    if isinstance(answer, OSError):
        raise answer
    return answer


def _request(
    url: str, headers: Mapping[str, str | Secret], data: bytes | None, method: str
) -> urllib.request.Request:
    """Build the request; user and password of the URL become a header, as in browsers."""
    from base64 import b64encode
    from urllib.parse import unquote

    user = address(url).user
    request = urllib.request.Request(  # noqa: S310 - handlers for the web alone
        # urllib would take the user for a part of the host's name.
        url.replace(f"{user}@", "", 1) if user else url,
        data=data,
        headers={"User-Agent": f"machineadm/{VERSION}"},
        method=method,
    )
    if user:
        # Unquoted: in a URL a colon or an at sign of a password is written with a percent sign.
        credentials = b64encode(unquote(user).encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    for name, value in headers.items():
        request.add_header(name, value.reveal() if isinstance(value, Secret) else value)
    return request


def _origin(request: urllib.request.Request) -> tuple[str, str, int]:
    named = address(request.full_url)
    # The origin of RFC 6454: scheme, host and port.
    return named.scheme, named.host, named.port or (443 if named.scheme == "https" else 80)


def _nothing() -> Generator[bytes, None, None]:
    yield from ()


def _length(headers: Message) -> int | None:
    text = headers.get("Content-Length", "")
    # A malformed length is none: the connection's end then ends the body, as without the header.
    return int(text) if text.isdecimal() else None


def _read(read: Callable[[int], bytes], url: str, came: int) -> bytes:
    """Read the next chunk; empty at the end.

    Raises:
        PassingError: The connection broke.
    """
    try:
        return read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise PassingError(*_broken(url, came)) from error


def _broken(url: str, came: int, wanted: int | None = None) -> tuple[str, str]:
    of = "" if wanted is None else f" of {wanted}"
    return "MA3103", f"cannot download {shown(url)}: the connection broke after {came}{of} bytes"


def _refused(url: str, status: int) -> HostError:
    kind = PassingError if status in _LATER else HostError
    # The server's own reason phrase is not repeated: it may be anything, even an escape sequence for a terminal.
    words = f"{status} {http.client.responses.get(status, '')}".rstrip()
    return kind(
        "MA3104",
        f"cannot download {shown(url)}: the server says {words}",
        hint=_HINTS.get(status, ""),
    )


def _unreachable(url: str, reason: object) -> HostError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        # At first boot NTP may still be about to set the clock, so this passes where a certificate that has expired does not.
        if reason.verify_code == _NOT_YET_VALID:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            return PassingError(
                "MA3114",
                f"cannot download {shown(url)}: its certificate is not valid yet; this machine's clock says {now}",
                hint="make sure that the clock is set (`timedatectl`, `chronyc tracking`) before this runs",
            )
        return HostError(
            "MA3105",
            f"cannot download {shown(url)}: its certificate is not trusted: {reason.verify_message}",
            hint="add the CA bundle that signed it; is this machine's clock right?",
        )
    if isinstance(reason, HostError):
        return reason
    # strerror first: str() of an OSError begins with a number.
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return PassingError(
        "MA3102",
        f"cannot download {shown(url)}: {words}",
        hint="check name resolution, routes, firewalls and the proxy variables",
    )
