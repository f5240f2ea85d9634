"""Decode the content of a file from how the configuration writes it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, Literal

from machineadm.api.formats import without_blanks

Encoding = Literal["base64", "gzip", "gzip+base64"]

LARGEST: Final = 16 * 1024 * 1024
"""Bytes that the contents of all files of a configuration may have together, decoded. A single bound for the sum:
bounds for each file would multiply by aliases, which cost a few bytes. A larger file comes from a `source`, which is
streamed."""

# What zlib may give back at a time: a bomb is counted after each megabyte.
_CHUNK: Final = 1024 * 1024
# zlib copies whatever it is given behind the end of a member: a megabyte of tiny members in one piece would be copied
# once for each of them.
_PIECE: Final = 4096
# A member takes 20 bytes at least; so there are at most 16,384 in a whole allowance.
_BEGIN: Final = 1024
"""What a member of a gzip counts for beside its bytes: to begin one takes time and memory."""


class ContentError(ValueError):
    """A content does not have its encoding. The message contains nothing of it."""


class TooLargeError(ContentError):
    """A content is larger than allowed."""


class Allowance:
    """How many more bytes contents may have, decoded.

    Args:
        left: So many.
    """

    def __init__(self, left: int = LARGEST) -> None:
        self._left = left

    def take(self, size: int) -> None:
        """Count some.

        Raises:
            TooLargeError: That is more than is left. Nothing is left then.
        """
        self._left -= size
        if self._left < 0:
            # Nothing is left, not less than nothing: the next content must not be let pass because
            # an earlier one was much too large.
            self._left = 0
            raise TooLargeError("too large")


def decode_content(content: str, encoding: Encoding | None) -> bytes:
    """Decode a file's content.

    Args:
        content: As in the configuration. Line breaks within base64 are fine: YAML blocks have them.
        encoding: As in the configuration; `gzip` means `gzip+base64`.

    Raises:
        ContentError: It is not so encoded, or larger than `LARGEST`.
    """
    from io import BytesIO

    whole = BytesIO()  # hands out what it holds without a copy
    for part in _parts(content, encoding, Allowance()):
        whole.write(part)
    return whole.getvalue()


def judge_content(content: str, encoding: Encoding | None, allowance: Allowance) -> None:
    """Check that a content can be decoded, without keeping the result.

    Args:
        content: As of `decode_content`.
        encoding: As of `decode_content`.
        allowance: Its size is taken from here.

    Raises:
        ContentError: It is not so encoded.
        TooLargeError: There is more of it than the allowance has left.
    """
    # The same code as decode_content, so what passes here decodes there.
    for _ in _parts(content, encoding, allowance):
        pass


def _parts(content: str, encoding: Encoding | None, allowance: Allowance) -> Iterator[bytes]:
    """Yield the decoded bytes in parts, each counted before it is yielded.

    Raises:
        ContentError: As of `judge_content`.
    """
    # Plain contents count as well, since it is the sum that the machine has to hold.
    data = content.encode() if encoding is None else _decode_base64(content)
    # In one part: the text was in memory already, and is smaller than the limit of an input.
    if encoding in (None, "base64"):
        allowance.take(len(data))
        yield data
        return
    # An empty file has no encoding; gzip of nothing has at least its header.
    if not data:
        raise ContentError("empty, so not gzip")
    at = 0
    while at < len(data):
        # A gzip file may have many members (RFC 1952, 2.2); gunzip writes all of them one after the
        # other.
        at = yield from _member(data, at, allowance)
        at = _past_padding(data, at)


def _decode_base64(content: str) -> bytes:
    import binascii

    try:
        text = without_blanks(content)
        data = binascii.a2b_base64(text)
    except (UnicodeEncodeError, binascii.Error):
        raise ContentError("not base64 (RFC 4648, with padding)") from None
    # a2b_base64 skips foreign characters and ignores what follows the padding: encode again and compare.
    if binascii.b2a_base64(data, newline=False) != text:
        raise ContentError("not base64 (RFC 4648, with padding)")
    return data


def _member(data: bytes, at: int, allowance: Allowance) -> Generator[bytes, None, int]:
    """Yield the bytes of one gzip member in parts; return where it ends.

    Raises:
        ContentError: It is not one, or is cut off.
    """
    import zlib

    # Charged even if the member is empty: a file of a million empty members is small and takes
    # minutes.
    allowance.take(_BEGIN)
    # Not gzip.decompress: that has no bound, and reads the members by itself.
    member = zlib.decompressobj(wbits=31)
    rest = b""
    while not member.eof:
        if not rest:
            rest = data[at : at + _PIECE]
            at += len(rest)
        if not rest:
            raise ContentError("gzip that is cut off")
        try:
            part = member.decompress(rest, _CHUNK)
        except zlib.error:
            raise ContentError("not gzip") from None
        rest = member.unconsumed_tail
        allowance.take(len(part))
        yield part
    # zlib has taken a whole piece; what it did not use is the next member's.
    return at - len(member.unused_data)


def _past_padding(data: bytes, at: int) -> int:
    """Return the end of the zeros that may follow a gzip member (tape blocks; gzip itself ignores them)."""
    # In pieces: stripping the whole rest at once would copy it for each member.
    while piece := data[at : at + _PIECE]:
        rest = len(piece.lstrip(b"\0"))
        at += len(piece) - rest
        if rest:
            break
    return at
