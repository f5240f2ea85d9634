"""Whether a text is PEM of the right kind. No cryptography: whether a key fits its certificate is not checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

CERTIFICATE: Final = frozenset({"CERTIFICATE"})
# PKCS #8, PKCS #1 and SEC 1; "ENCRYPTED PRIVATE KEY" is not among them on purpose.
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
        return f"has no PEM block, so it is not {what}"
    for label, body, end in blocks:
        if label not in labels:
            return f"holds {label}, not {what}"
        # Cut off in the middle is the usual damage: a paste that ends too early.
        if label != end or not _is_der(body):
            return f"{label} is damaged: not base64 of DER, or cut off"
    if single and len(blocks) > 1:
        return f"holds {len(blocks)} blocks, but must hold one"
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


_TAGS: Final = {"integer": 0x02, "bits": 0x03, "sequence": 0x30, "version": 0xA0}


def certificates_problem(text: str) -> str:
    """What is wrong with a bundle of certificates, without any of it; empty if nothing is.

    The shape of each is asked (RFC 5280, 4.1), not whether anything in it is true: a block of other bytes is not one.
    """
    if problem := pem_problem(text, CERTIFICATE, what="a certificate", single=False):
        return problem
    for _, der in pem_blocks(text):
        if not _is_certificate(der):
            return "CERTIFICATE is not an X.509 certificate"
    return ""


def _is_certificate(der: bytes) -> bool:
    """Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }, and the tags within the first."""
    try:
        ((tag, whole),) = values_in(der)
        parts = values_in(whole)
        inner = values_in(parts[0][1])
    except (IndexError, ValueError):
        return False
    outer = [found for found, _ in parts] == [
        _TAGS[name] for name in ("sequence", "sequence", "bits")
    ]
    fields = [found for found, _ in inner]
    # Absent in version 1, which is the default.
    if fields[:1] == [_TAGS["version"]]:
        fields = fields[1:]
    # serialNumber; then signature, issuer, validity, subject and subjectPublicKeyInfo.
    wanted = [_TAGS["integer"], *[_TAGS["sequence"]] * 5]
    return tag == _TAGS["sequence"] and outer and fields[: len(wanted)] == wanted


def pem_blocks(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield each block of a text that `pem_problem` has nothing against, as text and as DER."""
    import binascii

    for match in re.finditer(_BLOCK, text, re.DOTALL):
        yield match.group(0), binascii.a2b_base64(match.group(2))


def values_in(der: bytes) -> list[tuple[int, bytes]]:
    """Return the tags and contents of consecutive elements.

    Raises:
        IndexError: It is cut off.
        ValueError: A length is longer than what is there.
    """
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(der[at : at + size], "big"), at + size
        if at + length > len(der):
            raise ValueError("cut off")
        found.append((tag, der[at : at + length]))
        at += length
    return found
