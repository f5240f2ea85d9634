"""Certificates and keys that the cluster already has."""

from typing import ClassVar

from msgspec import field

from machineadm.api.meta import (
    ApiStruct,
    OneOf,
    Pem,
    PemSecret,
    ValueSource,
    at_most_one,
    exactly_one,
)


class CertificatePair(ApiStruct, frozen=True, kw_only=True):
    """A certificate and its private key; exactly one of `certificate` and `certificateFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("certificate", "certificateFrom"),
        at_most_one("key", "keyFrom"),
    )

    certificate: Pem | None = None
    """The certificate in PEM. For an authority that is being replaced, the old one may follow."""

    certificate_from: ValueSource | None = None
    """Where the certificate comes from."""

    key: PemSecret | None = None
    """Its private key in PEM. Optional for an authority: then everything that it would sign must
    already exist."""

    key_from: ValueSource | None = None
    """Where the private key comes from."""


class ServiceAccountKeys(ApiStruct, frozen=True, kw_only=True):
    """The keys that sign the tokens of service accounts."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("publicKey", "publicKeyFrom"),
        exactly_one("privateKey", "privateKeyFrom"),
    )

    public_key: Pem | None = None
    """Public key in PEM (`sa.pub`)."""

    public_key_from: ValueSource | None = None
    """Where the public key comes from."""

    private_key: PemSecret | None = None
    """Private key in PEM (`sa.key`)."""

    private_key_from: ValueSource | None = None
    """Where the private key comes from."""


class ControlPlaneCertificates(ApiStruct, frozen=True, kw_only=True):
    """Certificates and keys that the cluster already has.

    With role Initialize, kubeadm creates what is absent here; with role JoinControlPlane and
    `certificateKey`, it fetches the uploaded ones.
    """

    ca: CertificatePair | None = None
    """The cluster's authority: `ca.crt`, `ca.key`."""

    etcd_ca: CertificatePair | None = field(default=None, name="etcdCA")
    """etcd's authority: `etcd/ca.crt`, `etcd/ca.key`; with external etcd only the certificate, written
    to `caFile`."""

    front_proxy_ca: CertificatePair | None = field(default=None, name="frontProxyCA")
    """The front proxy's authority: `front-proxy-ca.crt`, `front-proxy-ca.key`."""

    service_account: ServiceAccountKeys | None = None
    """Keys of the service accounts: `sa.pub`, `sa.key`."""

    apiserver_etcd_client: CertificatePair | None = None
    """The API server's client certificate for external etcd, written to `certFile` and `keyFile`."""
