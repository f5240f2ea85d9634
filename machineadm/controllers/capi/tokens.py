"""Bootstrap tokens that are derived, not drawn: however often a step is repeated, a machine gets the same token.

Drawing one and then writing it down loses a race with every crash and every stale cache in between (Cluster API's issue
12253). Here the token follows from a key of the cluster and from which MachineBootstrap it is for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

import msgspec

# kubeadm's rule for tokens, [a-z0-9]{6}.[a-z0-9]{16}; the id is also the end of a Secret's name.
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID: Final = 6
_SECRET: Final = 16
# With a version: another derivation will need another label, and old tokens stay what they are.
_LABEL: Final = "machineadm/token/v1"

REPORT_SEED_ANNOTATION: Final = "machineadm.x-k8s.io/report-seed"
"""On the data Secret: what the token is derived from with which its machine reports."""

REPORTS_PATH: Final = "/v1/reports"
"""Below which each machine has a path of its own: `<namespace>/<name>`."""

# As long as the digest of HMAC-SHA256, which is the least that RFC 2104 advises.
KEY_SIZE: Final = 32
"""Bytes of a cluster's key."""


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """What a token is derived from beside the cluster's key; kept as annotations of the data Secret.

    A move to another management cluster changes uids, and the Secret moves along.
    """

    uid: str
    """That of the MachineBootstrap when its data was first made."""

    epoch: int = 0
    """How many tokens its pool has had before; 0 for a Machine, for ever."""

    counter: int = 0
    """Raised where the id belongs to another machine's token already."""


class Token(msgspec.Struct, frozen=True):
    """A bootstrap token."""

    id: str
    """Public: six characters."""

    secret: str
    """Sixteen characters, 82 bits."""

    # Also as repr, so that no log line and no message of an assertion shows it.
    def __str__(self) -> str:
        return f"{self.id}.***"

    __repr__ = __str__

    def reveal(self) -> str:
        """The whole token: `abcdef.0123456789abcdef`."""
        return f"{self.id}.{self.secret}"


def derive(key: bytes, seed: Seed) -> Token:
    """Derive a token.

    Args:
        key: The cluster's, of `KEY_SIZE` bytes.
        seed: For which machine, and which of its tokens.
    """
    characters = ""
    block = 0
    while len(characters) < _ID + _SECRET:
        # Bars between the parts: a uid has none, so no two seeds give the same text.
        text = f"{_LABEL}|{seed.uid}|{seed.epoch}|{seed.counter}|{block}"
        digest = hmac.digest(key, text.encode(), "sha256")
        # 252 is the largest multiple of 36 in a byte: any byte above it would favor the first characters.
        characters += "".join(_ALPHABET[byte % 36] for byte in digest if byte < 252)
        block += 1
    return Token(characters[:_ID], characters[_ID : _ID + _SECRET])


def report_token(key: bytes, seed: str) -> str:
    """Derive what a machine shows when it reports: 43 characters, for this one machine and nothing else.

    Args:
        key: The cluster's.
        seed: The uid of the MachineBootstrap when its data was first made.
    """
    digest = hmac.digest(key, f"machineadm/report/v1|{seed}".encode(), "sha256")
    # Without the padding, which would have to be escaped in a URL.
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def random_for(key: bytes, seed: Seed, plaintext: bytes) -> _Random:
    """Make the source of salt and nonce for encrypted data, which repeat where and only where the plaintext does.

    Args:
        key: The cluster's.
        seed: For which machine.
        plaintext: All that the data follows from. Two plaintexts never share a nonce.
    """
    # In it, because of AES-GCM: one nonce with two plaintexts gives both of them away.
    digest = hashlib.sha256(plaintext).hexdigest()
    # Not the counter: it changes the token, and so the plaintext, which is in the digest.
    text = f"machineadm/random/v1|{seed.uid}|{seed.epoch}|{digest}"
    return _Random(hmac.digest(key, text.encode(), "sha512"))


class _Random:
    """Bytes that follow from a key: HMAC in counter mode."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # It goes on over several calls: salt and nonce are different bytes of one stream.
        self._block = 0

    def __call__(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            found += hmac.digest(self._key, self._block.to_bytes(8, "big"), "sha512")
            self._block += 1
        return found[:count]
