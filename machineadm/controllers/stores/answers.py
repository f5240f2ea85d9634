"""Answers of stores, and why there is none."""

from __future__ import annotations

import asyncio

import aiohttp


async def beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    """Read what an answer has, but for what is beyond a limit."""
    data = bytearray()
    # One read gives what has come so far, and not all that will.
    while len(data) < most and (chunk := await content.read(most - len(data))):
        data += chunk
    return bytes(data)


def why(error: Exception) -> str:
    """Why nothing came, for a condition that everybody in a namespace reads.

    Whoever writes a store names the server, and may name one that only the manager reaches: what that says is not shown.
    """
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    # Of these the text is the resolver's, the kernel's or OpenSSL's, and not the server's.
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error)
    return type(error).__name__
