"""What a certificate says of itself: for whom, until when, and whether it may issue others. No cryptography: nothing is verified.

`cryptography` would say the same, and loading it costs more than all else that `validate` does; a test compares the two.
"""

from __future__ import annotations

from typing import Final

import msgspec

from machineadm.config.rules.pem import pem_blocks, values_in

# [0] and [3] EXPLICIT of TBSCertificate (RFC 5280, 4.1).
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_BOOLEAN: Final = 0x01
_IDENTIFIER: Final = 0x06
_UTC_TIME: Final = 0x17
_BASIC_CONSTRAINTS: Final = b"\x55\x1d\x13"
"""2.5.29.19."""
_NAMES: Final = (b"\x55\x04\x03", b"\x55\x04\x0b", b"\x55\x04\x0a")
"""Common name, organizational unit, organization: the first one that a subject has is shown."""


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What one certificate says."""

    pem: str
    """Its block, with a line break at the end."""
    sha256: str
    """Hex digest of its DER."""
    subject: str
    """As a message names it: its common name, or what it has instead."""
    is_authority: bool
    """It may issue certificates: its basic constraints say so, or it is of version 1 and issued by itself."""
    not_before: float
    """Seconds since 1970."""
    not_after: float
    """Seconds since 1970."""


def certificates_in(text: str) -> tuple[CertificateFacts, ...]:
    """The certificates of a PEM text that `certificates_problem` has nothing against, each once.

    Raises:
        ValueError: One cannot be read.
    """
    found: dict[str, CertificateFacts] = {}
    for block, der in pem_blocks(text):
        try:
            facts = _facts(block, der)
        # What a damaged certificate does to a reader that trusts lengths; callers know ValueError.
        except (IndexError, OverflowError) as error:
            raise ValueError(str(error)) from error
        found.setdefault(facts.sha256, facts)
    return tuple(found.values())


def _facts(block: str, der: bytes) -> CertificateFacts:
    from machineadm.config.digest import sha256

    # One SEQUENCE and nothing behind it.
    ((_, whole),) = values_in(der)
    fields = values_in(values_in(whole)[0][1])
    has_version = fields[0][0] == _VERSION
    # Serial number and signature algorithm in front.
    _, _, issuer, validity, subject, *_ = [
        content for _, content in (fields[1:] if has_version else fields)
    ]
    begins, ends = (_seconds(tag, content) for tag, content in values_in(validity))
    constraints = None
    for tag, content in fields:
        if tag == _EXTENSIONS:
            constraints = _constraints(content)
    digest = sha256()
    digest.update(der)
    return CertificateFacts(
        pem=block if block.endswith("\n") else f"{block}\n",
        sha256=str(digest.hexdigest()),
        subject=_name(subject),
        # Version 1 has no extensions. OpenSSL, GnuTLS and p11-kit take one that signs itself as an authority.
        is_authority=constraints
        if constraints is not None
        else not has_version and issuer == subject,
        not_before=begins,
        not_after=ends,
    )


def _constraints(extensions: bytes) -> bool | None:
    """Whether the basic constraints say that it is an authority; None where there are none."""
    ((_, items),) = values_in(extensions)
    for _, item in values_in(items):
        parts = values_in(item)
        if parts[0] == (_IDENTIFIER, _BASIC_CONSTRAINTS):
            ((_, inner),) = values_in(parts[-1][1])
            # DER leaves a FALSE default out, but some issuers write it.
            return any(tag == _BOOLEAN and content != b"\0" for tag, content in values_in(inner))
    return None


def _seconds(tag: int, content: bytes) -> float:
    """A UTCTime or GeneralizedTime (RFC 5280, 4.1.2.5) in seconds since 1970.

    Raises:
        ValueError: It is not a date.
    """
    from calendar import timegm

    text = content.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        # UTCTime has two digits of a year, and 50 is 1950 (RFC 5280, 4.1.2.5.1).
        text = f"{'19' if int(text[:2]) >= 50 else '20'}{text}"
    numbers = [int(text[:4]), *(int(text[at : at + 2]) for at in range(4, 14, 2))]
    if not 1 <= numbers[1] <= 12:
        raise ValueError("not a date")
    return float(timegm((*numbers, 0, 0, 0)))


def _name(subject: bytes) -> str:
    found: dict[bytes, str] = {}
    for _, group in values_in(subject):
        for _, pair in values_in(group):
            (_, kind), (_, value) = values_in(pair)[:2]
            # Only for a message; an unreadable character set does not matter there.
            found.setdefault(kind, value.decode(errors="replace"))
    return next((found[kind] for kind in _NAMES if kind in found), "a certificate without a name")
