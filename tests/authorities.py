"""Certificates for tests."""

from __future__ import annotations

from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def certificate(
    name: str,
    *,
    authority: bool | None = True,
    begins: datetime = datetime(2020, 1, 1, tzinfo=timezone.utc),
    ends: datetime = datetime(2049, 1, 1, tzinfo=timezone.utc),
) -> x509.Certificate:
    """One that signs itself; its basic constraints say whether it is an authority, and None leaves them out."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(names)
        .issuer_name(names)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if authority is not None:
        constraints = x509.BasicConstraints(ca=authority, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(key, SHA256())


def text_of(made: x509.Certificate) -> str:
    """In PEM."""
    return made.public_bytes(Encoding.PEM).decode()
