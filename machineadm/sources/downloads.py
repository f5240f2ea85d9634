"""Downloads for steps: the Fetch port of `machineadm.host.ports`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping

from machineadm.errors import HostError
from machineadm.redaction import Secret
from machineadm.sources.shown import shown

# With the pauses below, 2 + 4 + 8 + 16: half a minute, in which a server may restart or a route come up.
ATTEMPTS = 5
_PAUSE = 2.0
# Large enough that a container image costs few calls, small enough that an interrupted run stops at
# once.
_CHUNK = 1 << 20


class Downloads:
    """Fetches http, https and file URLs in chunks.

    Args:
        sleep: Waits between attempts; called with 0 between chunks, so that it can raise when the run must end.
        ca_file: Certificates that are trusted besides the system's; empty: none.
        ca_bundle: The same, in PEM.
        timeout: Seconds without any byte after which an attempt fails.
        most: Largest download, in bytes.
        open_local: Opens a file of this machine for reading; raises OSError if it must not be read.
    """

    def __init__(
        self,
        sleep: Callable[[float], None],
        *,
        ca_file: str = "",
        ca_bundle: str = "",
        timeout: float = 30.0,
        # Larger than any image of a system; it is a bound for a server that never ends.
        most: int = 16 << 30,
        open_local: Callable[[str], int] | None = None,
    ) -> None:
        self._sleep = sleep
        self._ca_file = ca_file
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._most = most
        self._open_local = open_local or _open

    def fetch(
        self, url: str, *, headers: Mapping[str, str | Secret] | None = None
    ) -> Iterator[bytes]:
        """Yield the body in chunks. Until the first one, temporary failures are retried.

        Raises:
            HostError: The download failed: MA3102 and following. MA3103: it broke off, and may be started again.
        """
        came = 0
        for chunk in self._chunks(url, headers or {}):
            # A fast mirror never makes us wait, so this is the only place where such a download
            # asks whether the run must end.
            self._sleep(0)
            # What came, not Content-Length: a server may send neither a length nor an end.
            came += len(chunk)
            if came > self._most:
                raise HostError(
                    "MA3110", f"cannot download {shown(url)}: it is larger than {self._most} bytes"
                )
            yield chunk

    def _chunks(self, url: str, headers: Mapping[str, str | Secret]) -> Iterator[bytes]:
        # By what stands before "://" and not by urlsplit: other forms are refused, so nothing is
        # guessed.
        scheme = url.partition("://")[0].lower()
        if scheme == "file":
            return _local(url, self._open_local)
        if scheme in ("http", "https"):
            return self._remote(url, headers)
        raise HostError(
            "MA3101",
            f"cannot download {shown(url)}: unknown scheme {scheme!r}",
            hint="this release fetches https, http and file URLs",
        )

    def _remote(self, url: str, headers: Mapping[str, str | Secret]) -> Iterator[bytes]:
        from machineadm.sources.web import PassingError, Web

        # One for all attempts: it keeps the certificates that it has parsed.
        web = Web(ca_file=self._ca_file, ca_bundle=self._ca_bundle, timeout=self._timeout)
        for attempt in range(1, ATTEMPTS + 1):
            chunks = web.chunks(url, headers)
            try:
                # After the first chunk the caller has written something: only the caller can start
                # again.
                first = next(chunks, b"")
            except PassingError:
                if attempt == ATTEMPTS:
                    raise
                # Doubled, so that many machines that boot together do not keep down the server that
                # they all wait for.
                self._sleep(_PAUSE * 2 ** (attempt - 1))
            else:
                yield first
                yield from chunks
                return


def _open(path: str) -> int:
    # O_NONBLOCK: opening a pipe returns at once, and it is refused, instead of waiting for a writer.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _local(url: str, open_local: Callable[[str], int]) -> Iterator[bytes]:
    """Read a file of the machine that the agent runs on.

    Raises:
        HostError: It cannot be read, or is on another machine.
    """
    from urllib.parse import unquote, urlsplit

    # Imported by the function alone: most configurations fetch nothing.
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost"):
        raise HostError("MA3101", f"cannot read {url}: file URLs have three slashes")
    try:
        with os.fdopen(open_local(path), "rb") as file:
            # Of the descriptor, not of the path: between a check by name and the open somebody
            # could exchange the file.
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise HostError("MA3111", f"cannot read {path}: it is not a regular file")
            while chunk := file.read(_CHUNK):
                yield chunk
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a path cannot contain a NUL"
        raise HostError("MA3111", f"cannot read {path}: {reason}") from error
