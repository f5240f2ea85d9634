"""One request to a store, or to whoever knows its credentials."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL


class Answer(NamedTuple):
    """What came."""

    status: int
    data: bytes
    tag: str
    """ETag; empty: none."""


class UnansweredError(Exception):
    """Nothing came. Its text is for a condition that everybody in a namespace reads."""


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: str | URL,
    *,
    headers: Mapping[str, str],
    timeout: float,
    most: int,
    data: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Make a request. A redirect is not followed: it would carry a configuration and credentials to wherever it leads.

    Args:
        session: Makes the call.
        method: Such as GET.
        url: A `URL` is sent as it is; a text is encoded where it has to be.
        headers: What is sent.
        timeout: Seconds in total: a server that drips would hold a worker for as long as it likes.
        most: Bytes that are read of the answer.
        data: The body.
        tls: None: what the system trusts.

    Raises:
        UnansweredError: Nothing came, or not in time.
    """
    try:
        async with session.request(
            method,
            url,
            # In pieces: 4 MiB at once would hold up all else.
            data=None if data is None else io.BytesIO(data),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=False,
            ssl=True if tls is None else tls,
        ) as response:
            found = await _beginning(response.content, most)
            return Answer(response.status, found, response.headers.get("ETag", ""))
    # ValueError: of a URL that is none, whoever wrote it.
    except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
        raise UnansweredError(_why(error)) from None


async def _beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    data = bytearray()
    # One read gives what has come so far, and not all that will.
    while len(data) < most and (chunk := await content.read(most - len(data))):
        data += chunk
    return bytes(data)


def _why(error: Exception) -> str:
    # Whoever writes a store names the server, and may name one that only the manager reaches: what that says is not
    # shown.
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    # Of these the text is the resolver's, the kernel's or OpenSSL's, and not the server's.
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error)
    return type(error).__name__
