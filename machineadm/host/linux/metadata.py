"""HTTP to the metadata service: no proxy, no redirect, one deadline for the whole answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from machineadm.errors import HostError
from machineadm.host.ports.metadata import LARGEST, MetadataAnswer

if TYPE_CHECKING:
    # Loaded where a service is asked.
    import http.client

_CHUNK = 64 * 1024


class LinuxMetadata:
    """The Metadata port. http.client knows nothing of proxies and follows no redirects."""

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> MetadataAnswer:
        """See `Metadata.ask`.

        Raises:
            HostError: There is no whole answer.
        """
        import http.client

        end = time.monotonic() + timeout
        # By hand and not with urllib, whose openers read the proxy variables: a proxy must never
        # be asked for a machine's credentials.
        host, _, path = url.removeprefix("http://").partition("/")
        # A connection of its own for each answer: services behind such addresses close them as
        # they like.
        connection = http.client.HTTPConnection(host, timeout=max(timeout, 0.001))
        try:
            connection.request(method, f"/{path}", headers=dict(headers or {}))
            # The socket's timeout is for one read, and a service that sends a byte now and then would never exceed it.
            _limit(connection, end)
            answer = connection.getresponse()
            body = _body(connection, answer, end, url)
            return MetadataAnswer(
                status=answer.status,
                body=body,
                # HTTP does not tell header names apart by case (RFC 9110), and services of clouds
                # differ in it.
                headers={name.lower(): value for name, value in answer.getheaders()},
            )
        except TimeoutError:
            raise HostError(*_failed(url, f"no whole answer within {timeout:.3g} s")) from None
        except (OSError, http.client.HTTPException) as error:
            raise HostError(*_failed(url, _reason(error))) from error
        finally:
            connection.close()


def _body(
    connection: http.client.HTTPConnection,
    answer: http.client.HTTPResponse,
    end: float,
    url: str,
) -> bytes:
    """The whole body.

    Raises:
        HostError: It is too large, or breaks off.
    """
    wanted = answer.length
    body = b""
    while True:
        _limit(connection, end)
        # read1, which gives what has come: read() would wait for the whole piece, past the time
        # that is left.
        chunk = answer.read1(_CHUNK)
        if not chunk:
            break
        body += chunk
        if len(body) > LARGEST:
            raise HostError(*_failed(url, f"the answer has more than {LARGEST} bytes"))
    # read1() does not complain about a body shorter than its Content-Length.
    if wanted is not None and len(body) != wanted:
        raise HostError(*_failed(url, f"the answer broke off after {len(body)} of {wanted} bytes"))
    return body


def _limit(connection: http.client.HTTPConnection, end: float) -> None:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    if connection.sock is not None:
        connection.sock.settimeout(left)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"not HTTP ({type(error).__name__})"


def _failed(url: str, reason: str) -> tuple[str, str]:
    return "MA3521", f"{url}: {reason}"
