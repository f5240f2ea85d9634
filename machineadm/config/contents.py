"""The content of a file as the configuration writes it, and the bytes that it means."""

from __future__ import annotations

from typing import Final, Literal

Encoding = Literal["base64", "gzip", "gzip+base64"]

LARGEST: Final = 32 * 1024 * 1024
"""Bytes that a content may have when it is decompressed; a larger file comes from a `source`."""


class ContentError(ValueError):
    """A content is not what its encoding says. The message holds nothing of it."""


def decode_content(content: str, encoding: Encoding | None) -> bytes:
    """The bytes that a file's content means.

    Args:
        content: As in the configuration. Line breaks within base64 are fine: YAML blocks have them.
        encoding: As in the configuration; `gzip` means `gzip+base64`.

    Raises:
        ContentError: It is not so encoded, or larger than `LARGEST` when decompressed.
    """
    if encoding is None:
        return content.encode()
    data = _decode_base64(content)
    return data if encoding == "base64" else _decompress(data)


def _decode_base64(content: str) -> bytes:
    import binascii

    try:
        text = "".join(content.split()).encode("ascii")
        data = binascii.a2b_base64(text)
    except (UnicodeEncodeError, binascii.Error):
        raise ContentError("not base64 (RFC 4648, with padding)") from None
    # a2b_base64 leaves out foreign characters and takes what follows the padding without a word.
    if binascii.b2a_base64(data, newline=False) != text:
        raise ContentError("not base64 (RFC 4648, with padding)")
    return data


def _decompress(data: bytes) -> bytes:
    import zlib

    parts = []
    left = LARGEST
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(data, left + 1)
        except zlib.error:
            raise ContentError("not gzip") from None
        left -= len(part)
        if left < 0:
            raise ContentError(f"larger than {LARGEST // 1024 // 1024} MiB when decompressed")
        if not member.eof:
            raise ContentError("cut off in the middle of its gzip")
        parts.append(part)
        data = member.unused_data.lstrip(b"\0")
    if not parts:
        raise ContentError("empty, so not gzip")
    return b"".join(parts)
