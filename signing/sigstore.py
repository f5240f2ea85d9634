"""Sigstore bundles (v0.3) for a plain key, which cosign 3 takes instead of a detached signature.

There is no certificate and no transparency log in one: `cosign verify-blob --key machineadm.pub --bundle
FILE.sigstore.json --insecure-ignore-tlog=true FILE`, offline.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from machineadm.errors import VerificationError
from machineadm.verification import signatures
from machineadm.verification.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from machineadm.verification.keys import PublicKey

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"


class _Parts(NamedTuple):
    hint: str
    digest: bytes
    signature: bytes


def encode_bundle(data: bytes, signature: bytes, key: PublicKey) -> bytes:
    """Wrap a signature.

    Args:
        data: The signed bytes.
        signature: Raw DER.
        key: The key that made it.

    Returns:
        The bundle as JSON; the same arguments give the same bytes.
    """
    # Inside: pydantic is slow to import, and keygen needs none of it.
    from sigstore_models.bundle.v1 import Bundle, VerificationMaterial
    from sigstore_models.common.v1 import (
        HashAlgorithm,
        HashOutput,
        MessageSignature,
        PublicKeyIdentifier,
    )

    digest = HashOutput(algorithm=HashAlgorithm.SHA2_256, digest=base64.b64encode(_sha256(data)))
    bundle = Bundle(
        media_type=MEDIA_TYPE,
        verification_material=VerificationMaterial(
            public_key=PublicKeyIdentifier(hint=_hint(key)), tlog_entries=[]
        ),
        message_signature=MessageSignature(
            message_digest=digest, signature=base64.b64encode(signature)
        ),
    )
    return bundle.to_json().encode() + b"\n"


def verify_bundle(data: bytes, bundle: bytes, keys: Sequence[PublicKey]) -> str:
    """Check a bundle as cosign does, and that it names the key that signed.

    Args:
        data: The signed bytes.
        bundle: The bundle's JSON.
        keys: Keys to trust.

    Returns:
        The fingerprint of the key that signed.

    Raises:
        VerificationError: MA1830 not such a bundle, or it names another key; MA1831 made over other bytes;
            MA1704 and MA171x as `signatures.verify`.
    """
    parts = _read(bundle)
    # Before the signature, for the better message: the bundle of another file is the usual mistake.
    if parts.digest != _sha256(data):
        raise VerificationError(
            "MA1831", "the bundle is for other bytes", hint="fetch file and bundle again"
        )
    signer = signatures.verify(data, parts.signature, keys)
    # The hint is what a verifier with several keys looks the key up by.
    if parts.hint not in [_hint(key) for key in keys if fingerprint(key) == signer]:
        _refuse("it names another key than the one that signed")
    return signer


def _read(bundle: bytes) -> _Parts:
    from pydantic import ValidationError
    from sigstore_models.bundle.v1 import Bundle
    from sigstore_models.common.v1 import HashAlgorithm

    try:
        read = Bundle.from_json(bundle)
    except ValidationError as error:
        # Its text quotes the input; the first problem's place and kind are enough.
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        _refuse(f"{where}: {first['msg']}")
    key, message = read.verification_material.public_key, read.message_signature
    # A bundle with a certificate or an envelope is valid sigstore, but says nothing to who has a
    # plain key.
    if read.media_type != MEDIA_TYPE or key is None or message is None:
        _refuse("it is not a bundle for a plain key and a file")
    digest = message.message_digest
    if digest is None or digest.algorithm is not HashAlgorithm.SHA2_256 or key.hint is None:
        _refuse("it lacks a SHA-256 digest or the key's name")
    return _Parts(key.hint, digest.digest, message.signature)


def _hint(key: PublicKey) -> str:
    # As cosign writes it: base64 of the SHA-256 of the DER SubjectPublicKeyInfo.
    return base64.b64encode(_sha256(key.spki)).decode()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _refuse(why: str) -> NoReturn:
    raise VerificationError("MA1830", f"sigstore bundle: {why}", hint="fetch the bundle again")
