"""Configuration bytes by their address: a file, standard input, data: and https: URLs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from machineadm.documents.source import MAX_BYTES
from machineadm.errors import UsageError

STDIN = "-"
Fetch = Callable[[str], Iterable[bytes]]
"""Gives the content behind a URL in chunks."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of one input."""

    name: str
    """As the operator named it, for messages; without what a URL may hold beside the address."""

    data: bytes
    """As read; cut just above what a configuration may be."""


def read_streams(paths: Sequence[str], fetch: Fetch | None = None) -> tuple[Stream, ...]:
    """Read all inputs, in order.

    Args:
        paths: File names, `-`, `data:` or `https:` URLs.
        fetch: For downloads.

    Raises:
        UsageError: One of them cannot be read.
        HostError: A download failed.
    """
    if paths.count(STDIN) > 1:
        raise UsageError("MA7004", "standard input can be read only once")
    return tuple(_read(path, fetch) for path in paths)


def _read(path: str, fetch: Fetch | None) -> Stream:
    if path == STDIN:
        return Stream(name="<stdin>", data=sys.stdin.buffer.read(MAX_BYTES + 1))
    if path.startswith("data:"):
        return Stream(name="<data>", data=_data(path))
    if path.startswith(("https://", "http://")):
        return Stream(name=path.partition("?")[0], data=_download(path, fetch))
    return Stream(name=path, data=_file(path.removeprefix("file://")))


def _file(path: str) -> bytes:
    """What is in the file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise UsageError(
            "MA7004", f"cannot read {path!r}: {reason}", hint="--path names a file, or - for stdin"
        ) from error


def _data(url: str) -> bytes:
    """Content of a data URL (RFC 2397).

    Raises:
        UsageError: It is none.
    """
    import base64
    from urllib.parse import unquote_to_bytes

    kind, comma, content = url.partition(",")
    if not comma:
        raise UsageError("MA7004", "cannot read the data: URL: it has no comma")
    data = unquote_to_bytes(content)
    if not kind.endswith(";base64"):
        return data
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise UsageError("MA7004", "cannot read the data: URL: it is not base64") from error


def _download(url: str, fetch: Fetch | None) -> bytes:
    """Content behind a URL.

    Raises:
        UsageError: It must not be fetched like that, or cannot be fetched here.
    """
    if fetch is None or not url.startswith("https://"):
        raise UsageError("MA7004", "configurations are downloaded by https only")
    data = bytearray()
    for chunk in fetch(url):
        data += chunk
        if len(data) > MAX_BYTES:
            break
    return bytes(data)
