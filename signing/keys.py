"""Private keys by URI: `file:PATH`, `env:NAME`, `pkcs11:...`. None is ever printed, logged or part of an error.

A key is opened for as long as it signs:

    with open_signer("file:/media/key/release.pem") as signer:
        signature = signer.sign(data)
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from machineadm.errors import UsageError, VerificationError
from machineadm.redaction import Secret
from machineadm.verification.keys import PublicKey, from_spki
from signing.private_files import read_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


# A protocol, so that a key in a token, which never leaves it, signs like one in memory.
class Signer(Protocol):
    """Something that signs with one ECDSA P-256 key."""

    @property
    def public(self) -> PublicKey:
        """The key's public half."""

    def sign(self, data: bytes) -> bytes:
        """Sign bytes: ECDSA over SHA-256, raw DER."""


class PemSigner:
    """A key in this process's memory.

    Args:
        key: An ECDSA P-256 key.
    """

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        """The key's public half."""
        return public_half(self._key)

    def sign(self, data: bytes) -> bytes:
        """Sign bytes: ECDSA over SHA-256, raw DER. The same bytes give the same signature (RFC 6979)."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        # Deterministic: no random number is needed, and one that repeats would give the key away.
        return self._key.sign(data, ECDSA(SHA256(), deterministic_signing=True))


def public_half(key: EllipticCurvePrivateKey) -> PublicKey:
    """The public half of a private key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return from_spki(spki)


@contextmanager
def open_signer(uri: str | None, *, passphrase: Secret | None = None) -> Iterator[Signer]:
    """Open a private key.

    Args:
        uri: `file:PATH`, `env:NAME` or `pkcs11:` and attributes (RFC 7512).
        passphrase: What an encrypted PEM is opened with.

    Yields:
        The key, until the block ends.

    Raises:
        UsageError: MA1801 no URI, MA1802 not one of ours, MA1806 a passphrase is missing.
        HostError: MA1803 others can read the key, MA1809 the token refused, MA1820 it cannot be read.
        VerificationError: MA1804 no private key, MA1805 another kind, MA1807 a wrong passphrase.
    """
    # An empty variable of a script comes as an empty text.
    if not uri:
        raise UsageError(
            "MA1801",
            "no key to sign with",
            hint="use --key file:PATH, env:NAME or pkcs11:...; `keygen` creates a key",
        )
    scheme, _, rest = uri.partition(":")
    # With nothing behind it, `file:` would name the current directory.
    opener = _SCHEMES.get(scheme)
    if opener is None or not rest:
        # What was given may be the key itself, so it is not repeated.
        raise UsageError(
            "MA1802",
            "the key is not given as file:PATH, env:NAME or pkcs11:...",
            hint="never put a key on the command line",
        )
    with opener(uri, passphrase) as signer:
        yield signer


def passphrase_bytes(passphrase: Secret) -> bytes:
    """A passphrase as it was given; it need not be UTF-8."""
    # As sources decode it: with bytes that are no text standing for themselves.
    return passphrase.reveal().encode("utf-8", "surrogateescape")


def load_private(pem: bytes, passphrase: Secret | None) -> EllipticCurvePrivateKey:
    """Read a private key in PEM.

    Args:
        pem: PKCS#8, or SEC 1 as older openssl writes it; encrypted or not.
        passphrase: What an encrypted one is opened with.

    Returns:
        An ECDSA P-256 key.

    Raises:
        UsageError: MA1806 a passphrase is missing.
        VerificationError: MA1804 no private key, MA1805 another kind, MA1807 a wrong passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # PKCS#8 says it in the label, and SEC 1 in a header (Proc-Type).
    encrypted = b"ENCRYPTED" in pem
    if encrypted and passphrase is None:
        raise UsageError(
            "MA1806",
            "the key is encrypted and there is no passphrase",
            hint="use --passphrase-file or --passphrase-fd",
        )
    # Only for an encrypted key: cryptography refuses a passphrase for a key that has none.
    opened_with = passphrase_bytes(passphrase) if encrypted and passphrase is not None else None
    # What cryptography says of a key is not passed on: a text of others could quote it.
    try:
        key = load_pem_private_key(pem, opened_with)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            raise VerificationError("MA1807", "the passphrase does not open the key") from None
        raise VerificationError(
            "MA1804", "no private key in PEM", hint="`keygen` creates one"
        ) from None
    # The one kind that machines verify (verification/keys.py).
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise VerificationError(
            "MA1805", "the private key is not ECDSA P-256", hint="`keygen` creates one"
        )
    return key


@contextmanager
def _open_file(uri: str, passphrase: Secret | None) -> Iterator[Signer]:
    path = Path(uri.partition(":")[2])
    yield PemSigner(load_private(read_private(path), passphrase))


@contextmanager
def _open_environment(uri: str, passphrase: Secret | None) -> Iterator[Signer]:
    name = uri.partition(":")[2]
    # Taken out, so that no child process inherits it.
    pem = os.environ.pop(name, None)
    if pem is None:
        raise UsageError("MA1801", f"no key to sign with: {name} is not in the environment")
    # fsencode undoes what os.environ did to bytes that are not UTF-8.
    yield PemSigner(load_private(os.fsencode(pem), passphrase))


@contextmanager
def _open_token(uri: str, passphrase: Secret | None) -> Iterator[Signer]:
    del passphrase  # a token has a PIN instead, which its URI tells where to find
    from signing.pkcs11 import open_token

    with open_token(uri) as signer:
        yield signer


_SCHEMES: dict[str, Callable[[str, Secret | None], AbstractContextManager[Signer]]] = {
    "file": _open_file,
    "env": _open_environment,
    "pkcs11": _open_token,
}
