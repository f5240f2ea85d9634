"""A cluster's authorities and keys, in the Secrets that every provider of Cluster API looks for.

Names, keys, label and type are those of the kubeadm bootstrap provider, so that either can take over a cluster from the other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from machineadm.controllers.capi.types import CLUSTER_LABEL, Cluster, Metadata
from machineadm.redaction import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

Purpose = Literal["ca", "etcd", "proxy", "sa"]
"""What a pair is for; the last part of its Secret's name."""

# Also the order in which they are looked for and made, so that a run that is killed and repeated
# makes the same calls.
PURPOSES: Final[tuple[Purpose, ...]] = ("ca", "etcd", "proxy", "sa")

# The type that Cluster API gives to its own Secrets (ClusterSecretType).
SECRET_TYPE: Final = "cluster.x-k8s.io/secret"  # noqa: S105

# Cluster API gives all three this name; kubeadm would say etcd-ca and front-proxy-ca. Nothing looks
# at it, but a cluster that changes hands keeps one style.
_COMMON_NAMES: Final[Mapping[Purpose, str]] = {
    "ca": "kubernetes",
    "etcd": "kubernetes",
    "proxy": "kubernetes",
}
DEFAULT_ALGORITHM: Final = "RSA-2048"
"""kubeadm's own default of encryptionAlgorithm."""

DEFAULT_VALIDITY: Final = 3650 * 86400
"""Seconds for which authorities of kubeadm and Cluster API are valid: ten years."""


class CertificateError(Exception):
    """A Secret does not hold what its name promises.

    Args:
        reason: Of the condition `CertificatesAvailable`.
        message: Names the Secret, and what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate (for service accounts: a public key) and its private key."""

    purpose: Purpose
    certificate: str
    """In PEM."""

    key: Secret | None
    """In PEM; None where the cluster's owner keeps an authority's key to themselves."""


class _SecretObject(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    data: dict[str, str] = {}


def secret_name(cluster: str, purpose: Purpose) -> str:
    """The name of the Secret that holds a pair."""
    return f"{cluster}-{purpose}"


def read_pair(data: bytes, purpose: Purpose) -> Pair:
    """Read a pair from its Secret's JSON.

    Raises:
        CertificateError: A part is missing or is not what it should be.
    """
    # Only what is used: a Secret that a person made may have any type, labels and further keys.
    read = msgspec.json.decode(data, type=_SecretObject)
    name = read.metadata.name
    certificate = _text(read, "tls.crt")
    key = _text(read, "tls.key")
    # Told by name, since such a Secret was most likely written by a person.
    if not certificate:
        raise CertificateError("MissingCertificate", f"Secret {name} has no tls.crt")
    # An authority may be without its key (somebody else signs); tokens of service accounts are
    # signed in the cluster itself.
    if purpose == "sa" and not key:
        raise CertificateError("MissingKey", f"Secret {name} has no tls.key")
    try:
        if purpose != "sa":
            public_key_hash(certificate)
    except ValueError:
        message = f"tls.crt of Secret {name} is not a certificate in PEM"
        raise CertificateError("Malformed", message) from None
    return Pair(purpose=purpose, certificate=certificate, key=Secret(key) if key else None)


def generate_pair(
    purpose: Purpose,
    now: datetime,
    *,
    algorithm: str = DEFAULT_ALGORITHM,
    lasts: float = DEFAULT_VALIDITY,
) -> Pair:
    """Make an authority, or the keys of service accounts. Takes up to 0.3 s of CPU for RSA: call it in a thread.

    Args:
        purpose: What it is for.
        now: From when it is valid, less five minutes for clocks that are behind.
        algorithm: Of the key, as `cluster.certificates.keyAlgorithm` names it.
        lasts: Seconds for which an authority is valid.
    """
    from cryptography.hazmat.primitives import serialization

    key = _private_key(algorithm)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        # PKCS#1 ("BEGIN RSA PRIVATE KEY") or SEC 1 ("BEGIN EC PRIVATE KEY"), as Cluster API writes it.
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    if purpose == "sa":
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        authority = _authority(_COMMON_NAMES[purpose], key, now, timedelta(seconds=lasts))
        public = authority.public_bytes(serialization.Encoding.PEM)
    return Pair(purpose=purpose, certificate=public.decode(), key=Secret(private.decode()))


def _private_key(algorithm: str) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    kind, _, size = algorithm.partition("-")
    if kind == "ECDSA":
        return ec.generate_private_key(ec.SECP384R1() if size == "P384" else ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=int(size))


def _authority(
    common_name: str, key: PrivateKey, now: datetime, lasts: timedelta
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    public = key.public_key()
    # The usages of Cluster API's own certificates; kubeadm's authorities have no CRL signing, which
    # does no harm.
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    # A machine whose clock is behind would refuse a certificate that begins now.
    start = now - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(now + lasts)
        # It signs certificates and no further authorities, as Cluster API's own (MaxPathLenZero).
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        # Python 3.13's ssl module insists on it in an authority (VERIFY_X509_STRICT).
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def secret_body(pair: Pair, cluster: Cluster) -> dict[str, Any]:
    """The Secret of a pair.

    Its owner is the Cluster and not the MachineBootstrap that needed it first: the authority must outlive that machine.
    """
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret_name(cluster.name, pair.purpose),
            "namespace": cluster.namespace,
            "labels": {CLUSTER_LABEL: cluster.name},
            "ownerReferences": [owned_by(cluster)],
        },
        "type": SECRET_TYPE,
        "data": {
            "tls.crt": encoded(pair.certificate.encode()),
            "tls.key": encoded((pair.key.reveal() if pair.key else "").encode()),
        },
    }


def owned_by(cluster: Cluster) -> dict[str, Any]:
    """The reference by which an object belongs to a Cluster, and is moved and deleted with it."""
    return {
        # The version may grow old: owner references are compared by group, kind and uid. No
        # controller: a KubeadmControlPlane that takes the cluster over makes itself that.
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Cluster",
        "name": cluster.name,
        "uid": cluster.uid,
    }


def public_key_hash(certificate: str) -> str:
    """The pin of an authority as kubeadm takes it: `sha256:` and the SHA-256 of its SubjectPublicKeyInfo.

    Raises:
        ValueError: It is not a certificate in PEM.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    # RFC 7469's form of a pin, which kubeadm took over.
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(info).hexdigest()}"


def encoded(data: bytes) -> str:
    """Bytes as a Secret keeps them."""
    return base64.b64encode(data).decode()


def _text(read: _SecretObject, key: str) -> str:
    try:
        return base64.b64decode(read.data.get(key, ""), validate=True).decode()
    except ValueError:
        message = f"{key} of Secret {read.metadata.name} is not text"
        raise CertificateError("Malformed", message) from None
