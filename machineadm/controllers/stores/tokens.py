"""Tokens by which a machine reaches what is its own in a store, and nothing else: HS256 (RFC 7519). Pure."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from machineadm.controllers.runtime.store import Key

LEAST: Final = 32
"""Bytes of a key: RFC 7518 asks for as many as the digest has."""

FETCH: Final = "GET"
REPORT: Final = "PUT:status"

_SKEW: Final = 300
"""Seconds that the clocks of manager and store may differ."""

# Above any token of ours; a longer one is not worth an HMAC.
_LONGEST: Final = 2048

# Only what is written here is ever accepted: no other algorithm, no `none`, no key that the token names itself.
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token allows."""

    sub: Annotated[str, msgspec.Meta(max_length=512)]
    """Whose it is: `<namespace>/<name>` of the MachineBootstrap."""

    may: Annotated[tuple[str, ...], msgspec.Meta(max_length=8)] = msgspec.field(name="m")
    """What may be done: `GET`, `PUT:status`."""

    not_before: int = msgspec.field(name="nbf")
    """Seconds since 1970."""

    expires: int = msgspec.field(name="exp")
    """Seconds since 1970."""

    sha256: str = ""
    """The only content that may be fetched: another machine may have got the name since. Empty: any."""


def key_of(data: bytes) -> bytes:
    """Take a key from a Secret or a file, where it may end in a newline.

    Raises:
        ValueError: It is too short.
    """
    key = data.strip()
    if len(key) < LEAST:
        raise ValueError(f"a key for tokens has {LEAST} bytes or more")
    return key


def subject(key: Key) -> str:
    """How a token names a machine."""
    return "/".join(key)


def issued(
    key: bytes, of: Key, *, may: Sequence[str], now: float, lasts: float, sha256: str = ""
) -> str:
    """Make a token.

    Args:
        key: Of the store.
        of: Namespace and name of the MachineBootstrap.
        may: What it allows.
        now: Seconds since 1970.
        lasts: Seconds.
        sha256: The only content that may be fetched with it.
    """
    claims = Claims(
        sub=subject(of),
        may=tuple(may),
        not_before=int(now) - _SKEW,
        expires=int(now + lasts),
        sha256=sha256,
    )
    text = f"{_HEADER}.{_encoded(msgspec.json.encode(claims))}"
    return f"{text}.{_signature(key, text)}"


def opened(keys: Sequence[bytes], token: str) -> Claims | None:
    """Read a token whose signature is right; its times are the caller's to compare.

    Args:
        keys: Each that is accepted.
        token: As shown.
    """
    header, _, rest = token.partition(".")
    claims, _, signature = rest.partition(".")
    if len(token) > _LONGEST or header != _HEADER or not token.isascii():
        return None
    # Every key is tried, so that the time says nothing of which one it was.
    right = [hmac.compare_digest(_signature(key, f"{header}.{claims}"), signature) for key in keys]
    if not any(right):
        return None
    try:
        return msgspec.json.decode(_decoded(claims), type=Claims)
    except (ValueError, RecursionError):
        return None


def _signature(key: bytes, text: str) -> str:
    return _encoded(hmac.digest(key, text.encode(), "sha256"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
