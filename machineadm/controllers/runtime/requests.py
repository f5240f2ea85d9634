"""What a server takes of a request, from whomever it comes: bounded before it is read, and while it is."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from machineadm.controllers.runtime.store import Key

# RFC 1123 subdomains, as the API server checks names. It also keeps `..`, `/` and NUL out of the
# paths and Secret names that are made of them.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", re.ASCII)


class TooLargeError(Exception):
    """It is more than is taken.

    Args:
        most: Bytes that are.
    """

    def __init__(self, most: int) -> None:
        super().__init__(f"larger than {max(most, 0)} bytes")


def key_of(request: web.Request) -> Key | None:
    """The `{namespace}` and `{name}` of a request's path; None where no object can be called so."""
    key = request.match_info["namespace"], request.match_info["name"]
    return key if all(_NAME.fullmatch(one) for one in key) else None


async def body_of(request: web.Request, most: int) -> bytes:
    """Read a body, of as many bytes at most.

    Raises:
        TooLargeError: It has more; what follows is not read.
    """
    # Grown as bytes come and never allocated by Content-Length, which is a stranger's word.
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        # While it comes: a length that is told may be wrong, and a body in chunks tells none.
        if len(data) > most:
            raise TooLargeError(most)
    return bytes(data)
