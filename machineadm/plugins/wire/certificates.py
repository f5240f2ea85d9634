"""AutoMTLS: each side makes a key and a certificate for one start, and trusts only the other's.

As in go-plugin: ECDSA on P-521, subject O=HashiCorp, CN=localhost. The key is never written to a disk.
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
        """The certificate in DER, the form of a handshake line."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.decode())

    def client(self, peer: bytes) -> ssl.SSLContext:
        """Make the context of the side that dials.

        Args:
            peer: The only certificate that is trusted, DER.

        Raises:
            ValueError: It is not a certificate.
        """
        return self._context(ssl.PROTOCOL_TLS_CLIENT, peer)

    def server(self, peer: bytes) -> ssl.SSLContext:
        """Make the context of the side that accepts; a client without the peer's certificate is refused.

        Args:
            peer: The only certificate that is trusted, DER.

        Raises:
            ValueError: It is not a certificate.
        """
        return self._context(ssl.PROTOCOL_TLS_SERVER, peer)

    def _context(self, protocol: int, peer: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        # As go-plugin's own configuration has it; in practice it is 1.3.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # A server of Python asks for no client certificate by default: any local process that
        # reaches the socket could call it.
        context.verify_mode = ssl.CERT_REQUIRED
        # Since 1.67 grpc-go refuses a connection without it.
        context.set_alpn_protocols(["h2"])
        try:
            # Not the system's CA store: the one certificate that came through the pipe is the whole
            # trust.
            context.load_verify_locations(cadata=peer)
        except ssl.SSLError as error:
            raise ValueError("not a certificate") from error
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        """Load key and certificate. ssl takes only a path, so give it one of a file in memory."""
        # CLOEXEC: a child that is started meanwhile, another plugin for one, must not inherit the
        # key.
        memory = os.memfd_create("machineadm-plugin", os.MFD_CLOEXEC)
        # One PEM with both is what load_cert_chain reads without a second path.
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

    # A peer in Go accepts another curve, but this one is what it makes itself, so every library on
    # that side knows it.
    key = ec.generate_private_key(ec.SECP521R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "HashiCorp"),
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
        ]
    )
    # From half a minute ago, because a clock may be set back between both sides' starts; the end is go-plugin's.
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=True,
        # With CA:TRUE below: the certificate is its own root in the peer's pool.
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
        # Below 2^128 as in go-plugin, but never 0: RFC 5280 (4.1.2.2) wants it positive.
        .serial_number(secrets.randbelow(2**128 - 1) + 1)
        .not_valid_before(now - datetime.timedelta(seconds=30))
        # Thirty years, as in go-plugin: nobody renews it while a plugin runs.
        .not_valid_after(now + datetime.timedelta(hours=262980))
        .add_extension(usage, critical=True)
        .add_extension(usages, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        # The one name that both sides verify, whatever the address is; go-plugin before 1.4.4 asks
        # for another, and fails.
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
