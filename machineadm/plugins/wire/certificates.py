"""AutoMTLS: each side makes a key and a certificate for one start, and trusts the other's alone.

As go-plugin: ECDSA on P-521, subject O=HashiCorp, CN=localhost. The key never gets a name on a disk.
"""

from __future__ import annotations

import datetime
import os
import secrets
import ssl

import msgspec


class Identity(msgspec.Struct, frozen=True):
    """A certificate with its key, for one plugin's start."""

    certificate: bytes
    """PEM."""

    key: bytes
    """PEM."""

    @property
    def der(self) -> bytes:
        """The certificate as it stands in a handshake line."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.decode())

    def client(self, peer: bytes) -> ssl.SSLContext:
        """For whoever dials.

        Args:
            peer: The certificate, DER, that alone is trusted.

        Raises:
            ValueError: It is not a certificate.
        """
        return self._context(ssl.PROTOCOL_TLS_CLIENT, peer)

    def server(self, peer: bytes) -> ssl.SSLContext:
        """For whoever accepts; a client without the peer's certificate is refused.

        Args:
            peer: The certificate, DER, that alone is trusted.

        Raises:
            ValueError: It is not a certificate.
        """
        return self._context(ssl.PROTOCOL_TLS_SERVER, peer)

    def _context(self, protocol: int, peer: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        # Since 1.67 grpc-go refuses a connection without it.
        context.set_alpn_protocols(["h2"])
        try:
            context.load_verify_locations(cadata=peer)
        except ssl.SSLError as error:
            raise ValueError("not a certificate") from error
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        """Hand over key and certificate; ssl takes them from a path alone, so from one of memory."""
        memory = os.memfd_create("machineadm-plugin", os.MFD_CLOEXEC)
        try:
            os.write(memory, self.key + self.certificate)
            context.load_cert_chain(f"/proc/self/fd/{memory}")
        finally:
            os.close(memory)


def new_identity() -> Identity:
    """A fresh key and certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "HashiCorp"),
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
        ]
    )
    # Half a minute back, for clocks that are set meanwhile; the end is go-plugin's.
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=True,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    usages = x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(secrets.randbelow(2**128 - 1) + 1)
        .not_valid_before(now - datetime.timedelta(seconds=30))
        .not_valid_after(now + datetime.timedelta(hours=262980))
        .add_extension(usage, critical=True)
        .add_extension(usages, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA512())
    )
    return Identity(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
