"""What the API server reads from files: audit, encryption, authentication, authorization, admission."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    Duration,
    KubernetesObject,
    Line,
    OneOf,
    Pem,
    TextSecret,
    ValueSource,
    at_least_one,
    at_most_one,
    exactly_one,
)
from machineadm.redaction import Secret


class AuditLog(ApiStruct, frozen=True, kw_only=True):
    """Audit events to a file on the machine."""

    path: AbsolutePath = "/var/log/kubernetes/audit/audit.log"
    """The file; its directory is created and mounted. Default `/var/log/kubernetes/audit/audit.log`."""

    format: Literal["json", "legacy"] | None = None
    """Format of a line. Default `json`."""

    mode: Literal["batch", "blocking", "blocking-strict"] | None = None
    """Whether a request waits for its event to be written. Default `blocking`."""

    max_age: Annotated[int, Meta(ge=0, le=36500)] | None = None
    """Days to keep rotated files; 0: no limit. Default 0."""

    max_backups: Annotated[int, Meta(ge=0, le=100000)] | None = None
    """How many rotated files are kept; 0: no limit. Default 0."""

    max_size: Annotated[int, Meta(ge=0, le=1048576)] | None = None
    """Size in MiB at which the file is rotated; 0: never. Default 100."""

    compress: bool | None = None
    """Compress rotated files by gzip. Default false."""


class AuditBatch(ApiStruct, frozen=True, kw_only=True):
    """How events are gathered before they are sent."""

    buffer_size: Annotated[int, Meta(ge=1, le=10000000)] | None = None
    """Events that may wait; more are lost. Default 10000."""

    max_size: Annotated[int, Meta(ge=1, le=1000000)] | None = None
    """Events in one request. Default 400."""

    max_wait: Duration | None = None
    """How long to wait before a batch that is not full is sent. Default `30s`."""


class AuditWebhook(ApiStruct, frozen=True, kw_only=True):
    """Audit events to a service; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("kubeconfig", "kubeconfigFrom"),)

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    mode: Literal["batch", "blocking", "blocking-strict"] | None = None
    """Whether a request waits for its event to be sent. Default `batch`."""

    initial_backoff: Duration | None = None
    """Pause before the first retry. Default `10s`."""

    batch: AuditBatch | None = None
    """How events are gathered in mode `batch`."""


class AuditPolicy(ApiStruct, frozen=True, kw_only=True):
    """What the API server records, and where; at least one of `log` and `webhook`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_least_one("log", "webhook"),)

    policy: KubernetesObject
    """Policy (audit.k8s.io/v1), passed through."""

    log: AuditLog | None = None
    """To a file."""

    webhook: AuditWebhook | None = None
    """To a service."""


KeyName = Annotated[
    str, Meta(min_length=1, max_length=253, extra={"oneLine": True, "pattern": "^[A-Za-z0-9._-]+$"})
]
"""Name of a key; it is stored beside what the key encrypts."""


class EncryptionKey(ApiStruct, frozen=True, kw_only=True):
    """A key for data at rest; exactly one of `secret` and `secretFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("secret", "secretFrom"),)

    name: KeyName
    """Name of the key, unique among the keys of its provider."""

    secret: (
        Annotated[
            Secret,
            Meta(extra={"minLength": 24, "maxLength": 44, "oneLine": True, "format": "base64"}),
        ]
        | None
    ) = None
    """The key in base64: 16, 24 or 32 bytes with `aescbc` and `aesgcm`, 32 with `secretbox`."""

    secret_from: ValueSource | None = None
    """Where the key comes from, in base64 as well."""


class EncryptionKeys(ApiStruct, frozen=True, kw_only=True):
    """Keys of a provider."""

    keys: Annotated[
        tuple[EncryptionKey, ...], Meta(min_length=1, max_length=50, extra={"unique": "name"})
    ]
    """The first one encrypts; all decrypt."""


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
    """Its socket: `unix:///run/kms/socket.sock`. The directory of the socket is mounted into the API
    server, so it is not `/`."""

    timeout: Duration | None = None
    """How long one call may take, more than `0s`. Default `3s`."""


class IdentityProvider(ApiStruct, frozen=True, kw_only=True):
    """No encryption."""


class EncryptionProvider(ApiStruct, frozen=True, kw_only=True):
    """One way to encrypt; exactly one of its fields."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        exactly_one("aescbc", "aesgcm", "secretbox", "kms", "identity"),
    )

    aescbc: EncryptionKeys | None = None
    """AES-CBC with PKCS#7 padding. Without integrity: prefer `secretbox` or `kms`."""

    aesgcm: EncryptionKeys | None = None
    """AES-GCM with random nonces: rotate the key every 200,000 writes."""

    secretbox: EncryptionKeys | None = None
    """XSalsa20 and Poly1305."""

    kms: KmsProvider | None = None
    """A key management service, version 2."""

    identity: IdentityProvider | None = None
    """No encryption: as the last provider, it reads what is not encrypted yet."""


class EncryptionAtRest(ApiStruct, frozen=True, kw_only=True):
    """Encryption of what the API server stores in etcd. All control plane machines need the same keys."""

    resources: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=253,
                    extra={"oneLine": True, "pattern": r"^(\*|[a-z0-9-]+)(\.(\*|[a-z0-9.-]*))?$"},
                ),
            ],
            ...,
        ],
        Meta(min_length=1, max_length=100, extra={"unique": ""}),
    ] = ("secrets",)
    """What is encrypted: `secrets`, `configmaps`, `widgets.example.com`, `*.apps`, `*.` (all of the core
    group), `*.*`.
    Default `secrets`."""

    providers: Annotated[tuple[EncryptionProvider, ...], Meta(min_length=1, max_length=20)]
    """The first one encrypts; all decrypt. Put `identity` last while old data is not encrypted yet."""


class AuthenticationWebhook(ApiStruct, frozen=True, kw_only=True):
    """A service that verifies bearer tokens; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("kubeconfig", "kubeconfigFrom"),)

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    cache_ttl: Duration | None = field(default=None, name="cacheTTL")
    """How long an answer is cached. Default `2m`."""

    version: Literal["v1", "v1beta1"] | None = None
    """Version of the TokenReview that is sent. Default `v1beta1`, the API server's own."""


class Oidc(ApiStruct, frozen=True, kw_only=True):
    """One OpenID Connect issuer, set with the API server's `--oidc-*` arguments."""

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
    """Prefix for user names; `-`: none. Default: the issuer and `#`; none for `email`."""

    groups_claim: Line | None = None
    """Claim that holds the user's groups. Default: none."""

    groups_prefix: Annotated[str, Meta(max_length=256, extra=ONE_LINE)] | None = None
    """Prefix for group names."""

    required_claims: Annotated[dict[Line, Line], Meta(max_length=50)] = {}
    """Claims that tokens must have, with these values. A claim with `=` in its name needs `structured`."""

    signing_algorithms: Annotated[
        tuple[
            Literal[
                "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"
            ],
            ...,
        ],
        Meta(max_length=9, extra={"unique": ""}),
    ] = ()
    """Signature algorithms that are accepted. Default `RS256`."""

    certificate_authority: Pem | None = None
    """CA of the issuer in PEM. Default: the host's trust store."""


class Authentication(ApiStruct, frozen=True, kw_only=True):
    """Authentication beyond certificates and service accounts; not both `oidc` and `structured`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("oidc", "structured"),)

    webhook: AuthenticationWebhook | None = None
    """A service that verifies bearer tokens."""

    oidc: Oidc | None = None
    """One OpenID Connect issuer."""

    structured: KubernetesObject | None = None
    """AuthenticationConfiguration (apiserver.config.k8s.io), passed through: several issuers, anonymous
    access. Kubernetes 1.30 or later."""


class AuthorizationWebhook(ApiStruct, frozen=True, kw_only=True):
    """A service that decides who may do what; exactly one of `kubeconfig` and `kubeconfigFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("kubeconfig", "kubeconfigFrom"),)

    kubeconfig: TextSecret | None = None
    """Kubeconfig that says where the service is and who is asking; the whole file."""

    kubeconfig_from: ValueSource | None = None
    """Where the kubeconfig comes from."""

    authorized_ttl: Duration | None = field(default=None, name="authorizedTTL")
    """How long an approval is cached. Default `5m`."""

    unauthorized_ttl: Duration | None = field(default=None, name="unauthorizedTTL")
    """How long a denial is cached. Default `30s`."""

    version: Literal["v1", "v1beta1"] | None = None
    """Version of the SubjectAccessReview that is sent. Default `v1beta1`, the API server's own."""


class Authorization(ApiStruct, frozen=True, kw_only=True):
    """Authorization; `structured`, or `modes` with `webhook`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("structured", "modes"),)

    modes: Annotated[
        tuple[Literal["Node", "RBAC", "Webhook", "ABAC", "AlwaysAllow", "AlwaysDeny"], ...],
        Meta(max_length=6, extra={"unique": ""}),
    ] = ()
    """Authorizers in the order in which they are asked. Default `Node` and `RBAC`, as in kubeadm; the
    cluster does not work without them. `ABAC` needs the API server's argument
    `authorization-policy-file`, and a volume with that file."""

    webhook: AuthorizationWebhook | None = None
    """A service that decides; with mode `Webhook`."""

    structured: KubernetesObject | None = None
    """AuthorizationConfiguration (apiserver.config.k8s.io), passed through. Kubernetes 1.30 or later."""


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
    """Changes to the default set of admission plugins."""

    enabled: AdmissionPluginNames = ()
    """Plugins to turn on. kubeadm's own `NodeRestriction` stays on, unless it is in `disabled`."""

    disabled: AdmissionPluginNames = ()
    """Plugins to turn off."""


class Admission(ApiStruct, frozen=True, kw_only=True):
    """Admission control."""

    plugins: AdmissionPlugins | None = None
    """Which plugins run."""

    config: KubernetesObject | None = None
    """AdmissionConfiguration (apiserver.config.k8s.io/v1), passed through; the settings of its plugins are
    in it (`configuration`), not in other files."""
