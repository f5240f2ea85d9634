"""Detached signatures: ECDSA P-256 over SHA-256, as raw DER (RFC 3279, 2.2.3).

That is what `openssl dgst -sha256 -sign` writes and `-verify` reads. This module and openssl accept the same
signatures, because two verifiers that disagree are worse than either: so a high s is accepted. One exception: bytes
after a signature are refused here, but openssl, which reads 72 bytes, does not see them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from machineadm.errors import VerificationError
from machineadm.verification.keys import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from machineadm.verification.keys import PublicKey

# Looked for to say so: many tools publish signatures in base64, which openssl would only call
# wrong.
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")


def verify(data: bytes, signature: bytes, keys: Sequence[PublicKey]) -> str:
    """Check that one of the keys signed the bytes.

    Args:
        data: The signed bytes, whole.
        signature: The content of the `.sig` file.
        keys: Keys to trust, at least one.

    Returns:
        The fingerprint of the key that signed.

    Raises:
        VerificationError: MA1704 no key, MA1710 none of the keys signed these bytes, MA1711 empty,
            MA1712 base64, MA1713 not DER.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    # With no key the loop below would fail as well, but with a message that blames the file.
    if not keys:
        raise VerificationError("MA1704", "no public key to verify with")
    _check_form(signature)
    for key in keys:
        public = cast("EllipticCurvePublicKey", load_der_public_key(key.spki))
        try:
            # Every key is tried: a signature carries no key id, and during a rotation either may
            # have signed.
            public.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return fingerprint(key)
    raise VerificationError(
        "MA1710",
        f"none of {', '.join(map(fingerprint, keys))} made this signature for these bytes",
        hint="the file or its signature was changed, cut off or swapped, or another key signed it",
    )


def _check_form(signature: bytes) -> None:
    """Refuse bytes that are not a signature at all, with a better message than "wrong signature".

    Raises:
        VerificationError: MA1711, MA1712 or MA1713.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    if not signature:
        raise VerificationError(
            "MA1711", "the signature is empty", hint="fetch the .sig file again, or sign the file"
        )
    try:
        # DER first: a valid signature may by chance consist of base64 characters only.
        decode_dss_signature(signature)
    except ValueError:
        pass
    else:
        return
    if _BASE64.fullmatch(signature):
        raise VerificationError(
            "MA1712",
            "the signature is base64, but must be the raw DER bytes",
            hint="openssl also refuses it in this form; `base64 -d` makes the raw form",
        )
    raise VerificationError(
        "MA1713",
        f"{len(signature)} bytes that are not an ECDSA signature in DER",
        hint="fetch the .sig file again; an error page may have been saved in its place",
    )
