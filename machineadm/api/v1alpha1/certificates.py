"""Certificates and keys that the cluster has already."""

from msgspec import field

from machineadm.api.meta import ApiStruct, Pem, PemSecret


class CertificatePair(ApiStruct, frozen=True, kw_only=True):
    """A certificate and its private key."""

    certificate: Pem
    """The certificate in PEM; of an authority that is being replaced, the old one may follow."""

    key: PemSecret | None = None
    """Its private key in PEM. May be absent of an authority: whatever it has to sign must then be
    there already."""


class ServiceAccountKeys(ApiStruct, frozen=True, kw_only=True):
    """The keys that sign the tokens of service accounts."""

    public_key: Pem
    """Public key in PEM (`sa.pub`)."""

    private_key: PemSecret
    """Private key in PEM (`sa.key`)."""


class ControlPlaneCertificates(ApiStruct, frozen=True, kw_only=True):
    """Certificates and keys that the cluster has already.

    What is absent here, kubeadm makes with role Initialize, and looks for among the uploaded ones with
    role JoinControlPlane and `certificateKey`.
    """

    ca: CertificatePair | None = None
    """The cluster's authority: `ca.crt`, `ca.key`."""

    etcd_ca: CertificatePair | None = field(default=None, name="etcdCA")
    """etcd's authority: `etcd/ca.crt`, `etcd/ca.key`; with external etcd the certificate alone, written
    to `caFile`."""

    front_proxy_ca: CertificatePair | None = field(default=None, name="frontProxyCA")
    """The front proxy's authority: `front-proxy-ca.crt`, `front-proxy-ca.key`."""

    service_account: ServiceAccountKeys | None = None
    """Keys of the service accounts: `sa.pub`, `sa.key`."""

    apiserver_etcd_client: CertificatePair | None = None
    """The API server's client certificate towards external etcd, written to `certFile` and `keyFile`."""
