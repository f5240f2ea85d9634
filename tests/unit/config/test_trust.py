"""The host's trust store: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from machineadm.config.rules.certificate_facts import certificates_in
from tests.authorities import certificate, text_of
from tests.rulecases import CERTIFICATE, PRIVATE, Case, judging

T = "machine.systemTrustCertificateAuthorities"
S = f"spec.{T}[0].content"


def given(text: str) -> dict[str, object]:
    return {T: [{"content": text}]}


AUTHORITY = text_of(certificate("ca.example.com"))
LEAF = text_of(certificate("server.example.com", authority=False))
BARE = text_of(certificate("bare.example.com", authority=None))
SHAPED = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"

CASES = [
    Case("a server's own certificate", given(LEAF), [("MA1326", S)], given(AUTHORITY)),
    Case("one that says nothing of issuing", given(BARE), [("MA1326", S)], given(AUTHORITY)),
    Case("one of several", given(AUTHORITY + LEAF), [("MA1326", S)], given(AUTHORITY + AUTHORITY)),
    Case("a key", given(PRIVATE), [("MA1317", S)], given(CERTIFICATE)),
    Case("DER of something else", given(SHAPED), [("MA1317", S)], given(f"words around\n{AUTHORITY}more\n")),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)


@pytest.mark.parametrize("authority", [True, False, None])
@pytest.mark.parametrize(
    "ends",
    [
        datetime(2049, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
        datetime(2050, 1, 1, tzinfo=timezone.utc),
        datetime(9999, 12, 31, tzinfo=timezone.utc),
    ],
)
def test_a_certificate_is_read_as_cryptography_reads_it(
    authority: bool | None, ends: datetime
) -> None:
    made = certificate("Prüfstelle", authority=authority, ends=ends)
    (read,) = certificates_in(text_of(made) * 2)

    assert read.sha256 == made.fingerprint(SHA256()).hex()
    assert read.subject == "Prüfstelle"
    assert read.not_after == ends.timestamp()
    assert x509.load_pem_x509_certificate(read.pem.encode()) == made
    assert read.is_authority == bool(authority)


@pytest.mark.parametrize("cut", range(2, 60, 3))
def test_a_certificate_whose_inside_is_damaged_is_refused_and_raises_nothing_else(cut: int) -> None:
    import base64

    der = bytearray(base64.b64decode("".join(AUTHORITY.splitlines()[1:-1])))
    der[cut * len(der) // 64] ^= 0xFF
    body = base64.encodebytes(bytes(der)).decode()
    try:
        certificates_in(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    except ValueError:
        return
