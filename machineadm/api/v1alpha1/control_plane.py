"""What a control plane machine has beside other nodes."""

from typing import Annotated, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    Duration,
    IpAddress,
    KubernetesObject,
    Line,
    ObjectName,
    Pem,
    PemSecret,
    Port,
    TextSecret,
    ValueSource,
)
from machineadm.api.v1alpha1.cluster import Arguments, ContainerVariables, SubjectNames
from machineadm.redaction import Secret


class ExtraVolume(ApiStruct, frozen=True, kw_only=True):
    """A file or folder of the host that a component sees."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=63,
            extra={"oneLine": True, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
        ),
    ]
    """Name of the volume, unique in its component."""

    host_path: AbsolutePath
    """Path on the machine."""

    mount_path: AbsolutePath
    """Path in the container."""

    read_only: bool = False
    """The component may not write. Default false, as kubeadm's."""

    path_type: (
        Literal[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ]
        | None
    ) = None
    """What must be there (Kubernetes' HostPathType). Absent: not checked."""


ExtraVolumes = Annotated[tuple[ExtraVolume, ...], Meta(max_length=100, extra={"unique": "name"})]
"""Further volumes of a component."""


class Component(ApiStruct, frozen=True, kw_only=True):
    """A component of the control plane."""

    extra_args: Arguments = ()
    """Further arguments; they win over those of kubeadm."""

    extra_volumes: ExtraVolumes = ()
    """Further volumes."""

    extra_env: ContainerVariables = ()
    """Environment variables. Kubernetes 1.31 or later."""


class ApiServer(ApiStruct, frozen=True, kw_only=True):
    """The API server."""

    extra_args: Arguments = ()
    """Further arguments; they win over those of kubeadm."""

    extra_volumes: ExtraVolumes = ()
    """Further volumes."""

    extra_env: ContainerVariables = ()
    """Environment variables. Kubernetes 1.31 or later."""

    cert_sans: SubjectNames = field(default=(), name="certSANs")
    """Further names in its certificate."""


class AuditLog(ApiStruct, frozen=True, kw_only=True):
    """Audit events to a file on the machine."""

    path: AbsolutePath = "/var/log/kubernetes/audit/audit.log"
    """The file; its folder is made and mounted. Default `/var/log/kubernetes/audit/audit.log`."""

    format: Literal["json", "legacy"] | None = None
    """Format of a line. Default `json`."""

    mode: Literal["batch", "blocking", "blocking-strict"] | None = None
    """Whether a request waits for its event to be written. Default `blocking`."""

    max_age: Annotated[int, Meta(ge=0, le=36500)] | None = None
    """Days for which rotated files are kept; 0: without limit. Default 0."""

    max_backups: Annotated[int, Meta(ge=0, le=100000)] | None = None
    """How many rotated files are kept; 0: without limit. Default 0."""

    max_size: Annotated[int, Meta(ge=0, le=1048576)] | None = None
    """Size in MiB at which the file is rotated; 0: never. Default 100."""

    compress: bool | None = None
    """Compress rotated files by gzip. Default false."""


class AuditBatch(ApiStruct, frozen=True, kw_only=True):
    """How events are gathered before they are sent."""

    buffer_size: Annotated[int, Meta(ge=1, le=10000000)] | None = None
    """Events that may wait; further ones are lost. Default 10000."""

    max_size: Annotated[int, Meta(ge=1, le=1000000)] | None = None
    """Events in one request. Default 400."""

    max_wait: Duration | None = None
    """How long an event waits for company. Default `30s`."""


class AuditWebhook(ApiStruct, frozen=True, kw_only=True):
    """Audit events to a service; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    mode: Literal["batch", "blocking", "blocking-strict"] | None = None
    """Whether a request waits for its event to be sent. Default `batch`."""

    initial_backoff: Duration | None = None
    """Pause before the first further attempt. Default `10s`."""

    batch: AuditBatch | None = None
    """How events are gathered in mode `batch`."""


class AuditPolicy(ApiStruct, frozen=True, kw_only=True):
    """What the API server records, and where; at least one of `log` and `webhook`."""

    policy: KubernetesObject
    """Policy (audit.k8s.io/v1), passed on."""

    log: AuditLog | None = None
    """To a file."""

    webhook: AuditWebhook | None = None
    """To a service."""


KeyName = Annotated[
    str, Meta(min_length=1, max_length=253, extra={"oneLine": True, "pattern": "^[A-Za-z0-9._-]+$"})
]
"""Name of a key; it is stored beside what the key encrypts."""


class EncryptionKey(ApiStruct, frozen=True, kw_only=True):
    """A key for data at rest."""

    name: KeyName
    """Name of the key, unique among the keys of its provider."""

    secret: Annotated[
        Secret,
        Meta(extra={"minLength": 24, "maxLength": 44, "oneLine": True, "format": "base64"}),
    ]
    """The key in base64: 16, 24 or 32 bytes with `aescbc` and `aesgcm`, 32 with `secretbox`."""


class EncryptionKeys(ApiStruct, frozen=True, kw_only=True):
    """Keys of a provider."""

    keys: Annotated[
        tuple[EncryptionKey, ...], Meta(min_length=1, max_length=50, extra={"unique": "name"})
    ]
    """The first one encrypts, all decrypt."""


class KmsProvider(ApiStruct, frozen=True, kw_only=True):
    """A key management service (KMS v2) behind a socket on the machine."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=253,
            extra={"oneLine": True, "pattern": r"^[^:\x00-\x20\x7f-\x9f]+$"},
        ),
    ]
    """Name of the plugin; it is stored beside what it encrypts."""

    endpoint: Annotated[
        str,
        Meta(
            min_length=9,
            max_length=108,
            extra={"oneLine": True, "pattern": r"^unix:///[^\x00-\x20\x7f-\x9f]+$"},
        ),
    ]
    """Its socket: `unix:///run/kms/socket.sock`. The folder of the socket is mounted into the API
    server."""

    timeout: Duration | None = None
    """How long one call may take. Default `3s`."""


class IdentityProvider(ApiStruct, frozen=True, kw_only=True):
    """No encryption."""


class EncryptionProvider(ApiStruct, frozen=True, kw_only=True):
    """One way to encrypt; exactly one of its fields."""

    aescbc: EncryptionKeys | None = None
    """AES-CBC with PKCS#7 padding. Without integrity: prefer `secretbox` or `kms`."""

    aesgcm: EncryptionKeys | None = None
    """AES-GCM with random nonces: rotate the key every 200,000 writes."""

    secretbox: EncryptionKeys | None = None
    """XSalsa20 and Poly1305."""

    kms: KmsProvider | None = None
    """A key management service, version 2."""

    identity: IdentityProvider | None = None
    """None at all: as the last one, it reads what is not encrypted yet."""


class EncryptionAtRest(ApiStruct, frozen=True, kw_only=True):
    """Encryption of what the API server stores in etcd. All control plane machines need the same keys."""

    resources: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=253,
                    extra={"oneLine": True, "pattern": r"^(\*|[a-z0-9-]+)(\.(\*|[a-z0-9.-]+))?$"},
                ),
            ],
            ...,
        ],
        Meta(min_length=1, max_length=100, extra={"unique": ""}),
    ] = ("secrets",)
    """What is encrypted: `secrets`, `configmaps`, `widgets.example.com`, `*.apps`, `*.*`.
    Default `secrets`."""

    providers: Annotated[tuple[EncryptionProvider, ...], Meta(min_length=1, max_length=20)]
    """The first one encrypts, all decrypt. Put `identity` last while old data is not encrypted yet."""


class AuthenticationWebhook(ApiStruct, frozen=True, kw_only=True):
    """A service that verifies bearer tokens; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    cache_ttl: Duration | None = field(default=None, name="cacheTTL")
    """How long an answer is good for. Default `2m`."""

    version: Literal["v1", "v1beta1"] | None = None
    """Version of the TokenReview that is sent. Default `v1beta1`, the API server's own."""


class Oidc(ApiStruct, frozen=True, kw_only=True):
    """One OpenID Connect issuer, by the API server's `--oidc-*` arguments."""

    issuer_url: Annotated[
        str,
        Meta(
            min_length=9,
            max_length=2048,
            extra={
                "oneLine": True,
                "pattern": r"^https://[^\x00-\x20\x7f-\x9f]+$",
                "format": "url",
            },
        ),
    ] = field(name="issuerURL")
    """The issuer: https, and exactly as in the tokens."""

    client_id: Line = field(name="clientID")
    """The audience that tokens must be made for."""

    username_claim: Line | None = None
    """Claim that holds the user's name. Default `sub`."""

    username_prefix: Annotated[str, Meta(max_length=256, extra=ONE_LINE)] | None = None
    """What is put in front of user names; `-`: nothing. Default: the issuer and `#`, for `email`
    nothing."""

    groups_claim: Line | None = None
    """Claim that holds the user's groups. Default: none."""

    groups_prefix: Annotated[str, Meta(max_length=256, extra=ONE_LINE)] | None = None
    """What is put in front of the names of groups."""

    required_claims: Annotated[dict[Line, Line], Meta(max_length=50)] = {}
    """Claims that tokens must have, with these values."""

    signing_algorithms: Annotated[
        tuple[
            Literal[
                "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"
            ],
            ...,
        ],
        Meta(max_length=9, extra={"unique": ""}),
    ] = ()
    """Signatures that are accepted. Default `RS256`."""

    certificate_authority: Pem | None = None
    """CA of the issuer in PEM. Default: the host's trust store."""


class Authentication(ApiStruct, frozen=True, kw_only=True):
    """Who is who beyond certificates and service accounts; not both `oidc` and `structured`."""

    webhook: AuthenticationWebhook | None = None
    """A service that verifies bearer tokens."""

    oidc: Oidc | None = None
    """One OpenID Connect issuer."""

    structured: KubernetesObject | None = None
    """AuthenticationConfiguration (apiserver.config.k8s.io), passed on: several issuers, anonymous
    access. Kubernetes 1.30 or later."""


class AuthorizationWebhook(ApiStruct, frozen=True, kw_only=True):
    """A service that decides who may do what; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    authorized_ttl: Duration | None = field(default=None, name="authorizedTTL")
    """How long a yes is good for. Default `5m`."""

    unauthorized_ttl: Duration | None = field(default=None, name="unauthorizedTTL")
    """How long a no is good for. Default `30s`."""

    version: Literal["v1", "v1beta1"] | None = None
    """Version of the SubjectAccessReview that is sent. Default `v1beta1`, the API server's own."""


class Authorization(ApiStruct, frozen=True, kw_only=True):
    """Who may do what; `structured`, or `modes` with `webhook`."""

    modes: Annotated[
        tuple[Literal["Node", "RBAC", "Webhook", "ABAC", "AlwaysAllow", "AlwaysDeny"], ...],
        Meta(max_length=6, extra={"unique": ""}),
    ] = ()
    """Authorizers in the order in which they are asked. Default `Node` and `RBAC`, as kubeadm's; the
    cluster does not come up without them."""

    webhook: AuthorizationWebhook | None = None
    """A service that decides; with mode `Webhook`."""

    structured: KubernetesObject | None = None
    """AuthorizationConfiguration (apiserver.config.k8s.io), passed on. Kubernetes 1.30 or later."""


AdmissionPluginNames = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                extra={"oneLine": True, "pattern": "^[A-Za-z][A-Za-z0-9]*$"},
            ),
        ],
        ...,
    ],
    Meta(max_length=100, extra={"unique": ""}),
]
"""Names of admission plugins: `PodSecurity`."""


class AdmissionPlugins(ApiStruct, frozen=True, kw_only=True):
    """Which admission plugins run beside, or of, the default ones."""

    enabled: AdmissionPluginNames = ()
    """Plugins to turn on. kubeadm's own `NodeRestriction` stays on."""

    disabled: AdmissionPluginNames = ()
    """Plugins to turn off."""


class Admission(ApiStruct, frozen=True, kw_only=True):
    """Admission control."""

    plugins: AdmissionPlugins | None = None
    """Which plugins run."""

    config: KubernetesObject | None = None
    """AdmissionConfiguration (apiserver.config.k8s.io/v1), passed on; the settings of its plugins stand
    in it (`configuration`), not in further files."""


class StaticPod(ApiStruct, frozen=True, kw_only=True):
    """A static pod beside those of kubeadm; exactly one of `manifest` and `manifestFrom`."""

    name: ObjectName
    """Name of the file in the kubelet's manifest folder, without `.yaml`. Not one of kubeadm's own:
    `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `etcd`."""

    manifest: KubernetesObject | None = None
    """The pod (v1 Pod), passed on."""

    manifest_from: ValueSource | None = None
    """Where the pod comes from."""


class LocalApiEndpoint(ApiStruct, frozen=True, kw_only=True):
    """Where this machine's API server listens."""

    advertise_address: IpAddress | None = None
    """Address told to the others. Default: that of the interface with the default route."""

    bind_port: Port | None = None
    """Port. Default 6443."""


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


class ControlPlaneConfig(ApiStruct, frozen=True, kw_only=True):
    """What a control plane machine has beside other nodes; refused with role JoinWorker."""

    api_server: ApiServer | None = None
    """The API server. What kubeadm keeps in the cluster is taken from there by a further control plane
    machine."""

    controller_manager: Component | None = None
    """The controller manager."""

    scheduler: Component | None = None
    """The scheduler."""

    audit_policy: AuditPolicy | None = None
    """Audit records. The files are needed on every control plane machine."""

    encryption_at_rest: EncryptionAtRest | None = None
    """Encryption of what is stored in etcd. The file is needed on every control plane machine."""

    authentication: Authentication | None = None
    """Who is who."""

    authorization: Authorization | None = None
    """Who may do what."""

    admission: Admission | None = None
    """Admission control."""

    static_pods: Annotated[
        tuple[StaticPod, ...], Meta(max_length=50, extra={"unique": "name"})
    ] = ()
    """Further static pods."""

    local_api_endpoint: LocalApiEndpoint | None = field(default=None, name="localAPIEndpoint")
    """Where this machine's API server listens."""

    certificates: ControlPlaneCertificates | None = None
    """Certificates and keys that the cluster has already."""
