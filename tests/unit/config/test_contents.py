"""Contents are decoded exactly, or not at all."""

from __future__ import annotations

import base64
import gzip
import random

import pytest

from machineadm.config.contents import (
    Allowance,
    ContentError,
    Encoding,
    TooLargeError,
    decode_content,
    judge_content,
)

BYTES = bytes(range(256)) * 3


def test_plain_text_is_utf_8_as_it_stands() -> None:
    assert decode_content(" ö\n\n", None) == " ö\n\n".encode()


def test_base64_may_be_broken_into_lines() -> None:
    assert decode_content(base64.encodebytes(BYTES).decode(), "base64") == BYTES


@pytest.mark.parametrize("encoding", ["gzip", "gzip+base64"])
def test_gzip_is_read_from_base64_and_may_have_several_members(encoding: Encoding) -> None:
    data = gzip.compress(BYTES, mtime=0) + gzip.compress(b"more")

    assert decode_content(base64.b64encode(data).decode(), encoding) == BYTES + b"more"


@pytest.mark.parametrize(
    "content",
    ["YQ=", "YQ", "Y Q = = =", "YQ==YQ==", "Y*Q=", "YR==", "ä", "====", "_-8="],
)
def test_what_is_not_base64_is_refused(content: str) -> None:
    with pytest.raises(ContentError, match="not base64"):
        decode_content(content, "base64")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        gzip.compress(BYTES, mtime=0)[:-1],
        gzip.compress(BYTES, mtime=0)[:-8] + b"\1" * 8,
    ],
)
def test_what_is_not_whole_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(ContentError, match="gzip"):
        decode_content(base64.b64encode(data).decode(), "gzip")


MIB = 1024 * 1024


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(bytes(17 * MIB)),
        gzip.compress(bytes(9 * MIB)) * 2,
        gzip.compress(b"") * 20_000,
        gzip.compress(b"") + bytes(10 * MIB) + gzip.compress(bytes(17 * MIB)),
    ],
    ids=["one bomb", "two that are too large together", "many empty ones", "behind padding"],
)
def test_a_bomb_is_refused_before_it_unfolds(data: bytes) -> None:
    content = base64.b64encode(data).decode()

    with pytest.raises(TooLargeError):
        decode_content(content, "gzip")
    with pytest.raises(TooLargeError):
        judge_content(content, "gzip", Allowance())


@pytest.mark.parametrize("encoding", [None, "base64", "gzip+base64"])
def test_contents_share_one_allowance(encoding: Encoding | None) -> None:
    data = b"x" * 1000
    content = {
        None: data.decode(),
        "base64": base64.b64encode(data).decode(),
        "gzip+base64": base64.b64encode(gzip.compress(data)).decode(),
    }[encoding]
    begin = 1024 if encoding == "gzip+base64" else 0
    allowance = Allowance(3 * (begin + len(data)) - 1)

    judge_content(content, encoding, allowance)
    judge_content(content, encoding, allowance)
    with pytest.raises(TooLargeError):
        judge_content(content, encoding, allowance)


def test_what_fills_the_allowance_is_taken_whole() -> None:
    data = bytes(15 * MIB)

    assert decode_content(base64.b64encode(gzip.compress(data)).decode(), "gzip") == data


def test_changed_bytes_never_give_anything_but_a_refusal() -> None:
    """Random changes of a gzip: refused, or (in its name, time and flags) without effect."""
    randomness = random.Random(4711)  # noqa: S311 - reproducible on purpose
    good = gzip.compress(BYTES, mtime=0)
    for _ in range(500):
        data = bytearray(good)
        data[randomness.randrange(len(data))] ^= 1 << randomness.randrange(8)
        try:
            found = decode_content(base64.b64encode(bytes(data)).decode(), "gzip")
        except ContentError:
            continue
        assert found == BYTES
