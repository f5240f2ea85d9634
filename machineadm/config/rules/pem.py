"""Whether a text is PEM of the right kind. No cryptography: that a key fits its certificate is not asked."""

from __future__ import annotations

import re
from typing import Final

CERTIFICATE: Final = frozenset({"CERTIFICATE"})
PRIVATE_KEY: Final = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"})
PUBLIC_KEY: Final = frozenset({"PUBLIC KEY", "RSA PUBLIC KEY"})

_BLOCK: Final = r"-----BEGIN ([A-Z0-9 ]{1,64})-----\r?\n(.*?)-----END ([A-Z0-9 ]{1,64})-----"


def pem_problem(text: str, labels: frozenset[str], *, what: str, single: bool) -> str:
    """What is wrong with a PEM text, without any of it; empty if nothing is.

    Args:
        text: One or more PEM blocks; text around them is passed over, as OpenSSL does.
        labels: What the blocks may be.
        what: What is wanted, in words: `a certificate`.
        single: There must be exactly one.
    """
    blocks = [match.groups() for match in re.finditer(_BLOCK, text, re.DOTALL)]
    # `openssl ecparam -genkey` writes the curve before the key.
    blocks = [block for block in blocks if block[0] != "EC PARAMETERS"]
    if not blocks:
        return f"holds no PEM block, so not {what}"
    for label, body, end in blocks:
        if label not in labels:
            return f"holds {label}, not {what}"
        if label != end or not _is_der(body):
            return f"{label} is damaged: not base64 of DER, or cut off"
    if single and len(blocks) > 1:
        return f"holds {len(blocks)} blocks, but must be one"
    return ""


def _is_der(body: str) -> bool:
    """Whether a block's body is base64 of one DER SEQUENCE that is as long as it says (X.690, 8.1.3)."""
    import binascii

    try:
        der = binascii.a2b_base64(body)
    except ValueError:  # binascii.Error is one, and so is a character beyond ASCII
        return False
    if len(der) < 2 or der[0] != 0x30:
        return False
    length, header = der[1], 2
    if length >= 0x80:
        header = 2 + (length & 0x7F)
        length = int.from_bytes(der[2:header], "big")
    return len(der) == header + length
