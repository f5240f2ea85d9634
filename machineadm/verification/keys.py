"""Public keys that releases are signed with: ECDSA P-256, in PEM; two of them during a rotation.

ECDSA over P-256 because `openssl dgst` of every OpenSSL from 1.1.1 on verifies it with one command, and
validated modules allow it; Ed25519 needs OpenSSL 3 (`pkeyutl -rawin`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from msgspec import Struct

from machineadm.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KEYS: Final = 2
"""One key, and the one that replaces it. Each further one is one more that may have been stolen."""

# The same label at both ends: what begins as one thing and ends as another is damaged.
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n.*?-----END \1-----", re.DOTALL)
_NEEDED: Final = "one or two ECDSA P-256 public keys in PEM (BEGIN PUBLIC KEY)"


class PublicKey(Struct, frozen=True):
    """One ECDSA P-256 public key. Made by `load_public_keys` and `from_spki`, which check it."""

    spki: bytes
    """SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7; RFC 5480), named curve, uncompressed point: 91 bytes."""

    def pem(self) -> bytes:
        """The key as one PEM block, as `openssl pkey -pubout` writes it."""
        import base64

        text = base64.b64encode(self.spki).decode()
        # RFC 7468: 64 characters a line, which strict readers insist on.
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(
            ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]
        ).encode()


def load_public_keys(pem: bytes) -> tuple[PublicKey, ...]:
    """Read every key of a PEM file; any of them may have signed.

    Args:
        pem: `PUBLIC KEY` blocks. Text around them is skipped, as OpenSSL does.

    Returns:
        The keys in the file's order, each once.

    Raises:
        VerificationError: MA1701 a block is damaged, MA1702 another kind of key, MA1703 a private key,
            MA1704 no key at all, MA1706 more than two.
    """
    text = pem.decode("utf-8", "replace")
    labels = re.findall(r"-----BEGIN ([^\n]*?)-----", text)
    # First, whatever else the file holds: a private key on a machine is a leak that must be named,
    # not skipped as a foreign block.
    if any("PRIVATE KEY" in label for label in labels):
        raise VerificationError(
            "MA1703",
            "a private key, where public keys are expected",
            hint="remove it; `openssl pkey -in KEY -pubout` prints its public half",
        )
    blocks = list(_BLOCK.finditer(text))
    if not blocks:
        raise VerificationError("MA1704", "no public key in PEM", hint=f"give {_NEEDED}")
    # A truncated second key would silently be no key, and the next rotation would lock every
    # machine out.
    if len(blocks) != len(labels):
        _refuse_damaged(f"only {len(blocks)} of {len(labels)} PEM blocks are complete")
    # The same key twice counts once: concatenated files during a rotation often repeat one.
    keys = tuple(dict.fromkeys(_load_block(match[1], match[0]) for match in blocks))
    if len(keys) > MOST_KEYS:
        raise VerificationError(
            "MA1706", f"{len(keys)} public keys, more than {MOST_KEYS}", hint=f"give {_NEEDED}"
        )
    return keys


def from_spki(spki: bytes) -> PublicKey:
    """Check one key.

    Args:
        spki: SubjectPublicKeyInfo in DER.

    Returns:
        The key, in the one form that its fingerprint is computed from.

    Raises:
        VerificationError: MA1701 damaged, MA1702 another kind of key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return _checked(load_der_public_key(spki))
    except (ValueError, UnsupportedAlgorithm):
        _refuse_damaged("not a readable SubjectPublicKeyInfo")


def fingerprint(key: PublicKey) -> str:
    """Name a key: `sha256:` and the SHA-256, in hexadecimal, of its SubjectPublicKeyInfo in DER.

    `openssl pkey -pubin -in KEY -outform DER | sha256sum` prints the same digits.
    """
    import hashlib

    return f"sha256:{hashlib.sha256(key.spki).hexdigest()}"


def pinned(keys: Sequence[PublicKey], fingerprints: Sequence[str]) -> tuple[PublicKey, ...]:
    """Keep the keys whose fingerprint is known; for keys that come along with the files that they sign.

    Args:
        keys: Keys from anywhere.
        fingerprints: Known from elsewhere, as `fingerprint` writes them; in either case.

    Returns:
        The known keys, at least one.

    Raises:
        VerificationError: MA1705, none of them is known.
    """
    # Hexadecimal of either case, as people copy it from anywhere.
    known = {text.lower() for text in fingerprints}
    kept = tuple(key for key in keys if fingerprint(key) in known)
    if not kept:
        raise VerificationError(
            "MA1705",
            f"no key has the expected fingerprint; found {', '.join(map(fingerprint, keys))}",
            hint="compare with the fingerprint that the project publishes; a key may have been replaced",
        )
    return kept


def _load_block(label: str, block: str) -> PublicKey:
    # A certificate holds a key as well, and its dates and names would promise checks that nobody
    # makes.
    if label != "PUBLIC KEY":
        _refuse_kind(f"holds {label}")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        return _checked(load_pem_public_key(block.encode()))
    except (ValueError, UnsupportedAlgorithm):
        _refuse_damaged("a PUBLIC KEY block cannot be read")


def _checked(key: object) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey):
        _refuse_kind(f"is a key of another algorithm ({type(key).__name__.lstrip('_')})")
    if not isinstance(key.curve, SECP256R1):
        _refuse_kind(f"is on the curve {key.curve.name}")
    # Encoded again, so that one key has one fingerprint: a compressed point is the same key in other bytes.
    return PublicKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _refuse_kind(what: str) -> NoReturn:
    raise VerificationError("MA1702", f"public key {what}", hint=f"give {_NEEDED}")


def _refuse_damaged(why: str) -> NoReturn:
    raise VerificationError("MA1701", f"public key is damaged: {why}", hint=f"give {_NEEDED}")
