"""The store on any web server that accepts and serves files."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.infrastructure.v1alpha1.store import (
    SecretReference,
    StoreRetention,
    StoreStatus,
)
from machineadm.api.meta import (
    ApiStruct,
    Duration,
    HeaderName,
    KeyReference,
    Line,
    OneOf,
    Pem,
    ProviderRef,
    Url,
    at_most_one,
    exactly_one,
)
from machineadm.api.v1alpha1.machine_bootstrap import ResourceMetadata


class BasicAuth(ApiStruct, frozen=True, kw_only=True):
    """User name and password (RFC 7617)."""

    username: Line
    """User name."""

    password_from: KeyReference
    """Key of a Secret that holds the password."""


class HttpCredentials(ApiStruct, frozen=True, kw_only=True):
    """The manager's identity at the server; at most one of `basic` and `bearerTokenFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("basic", "bearerTokenFrom"),)

    basic: BasicAuth | None = None
    """User name and password."""

    bearer_token_from: KeyReference | None = None
    """Key of a Secret that holds a bearer token (RFC 6750)."""

    client_certificate: SecretReference | None = None
    """Secret of type `kubernetes.io/tls` with a client certificate and its key."""


class MachineToken(ApiStruct, frozen=True, kw_only=True):
    """A bearer token for one machine and only its own paths; the server verifies it."""

    key_from: KeyReference
    """Key of a Secret that the manager signs tokens with (HS256, RFC 7519); the server has it too."""

    expiry: Duration = "1h"
    """How long a token is valid, counted from when the user data is rendered. Default `1h`."""


class HttpAccess(ApiStruct, frozen=True, kw_only=True):
    """How the machine reaches the server; exactly one of `token` and `plugin`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("token", "plugin"),)

    token: MachineToken | None = None
    """With a token in the user data."""

    plugin: ProviderRef | None = None
    """With a plugin on the machine, using the machine's own identity."""


class HTTPBootstrapStoreSpec(ApiStruct, frozen=True, kw_only=True):
    """A server, and how it is used."""

    url: Annotated[
        str,
        Meta(
            min_length=8,
            max_length=2048,
            extra={
                "oneLine": True,
                "pattern": r"^https?://[^@ ?#\x00-\x1f\x7f-\x9f]+$",
                "format": "url",
                "expected": "a URL such as https://bootstrap.example.com/configurations",
                "immutable": True,
            },
        ),
    ]
    """Directory under which the manager puts configurations, each at `<namespace>/<name>`. It cannot be
    changed: what is in the old one would be lost."""

    machine_url: Url | None = field(default=None, name="machineURL")
    """The same directory as machines see it. Default: `url`."""

    method: Literal["PUT", "POST"] = "PUT"
    """Method that stores a configuration; DELETE removes it. Default `PUT`."""

    credentials: HttpCredentials | None = None
    """The manager's identity. Absent: anonymous."""

    headers_from: Annotated[dict[HeaderName, KeyReference], Meta(max_length=32)] = {}
    """Additional headers of the manager's requests, each from a key of a Secret."""

    ca_bundle: Pem | None = None
    """Certificate authorities of the server in PEM, for the manager and for machines. Default: the host's
    trust store."""

    timeout: Duration = "30s"
    """How long one request of the manager may take. Default `30s`."""

    fetch: HttpAccess
    """How the machine fetches its configuration."""

    reporting: HttpAccess | None = None
    """How the machine reports, to `<namespace>/<name>/status`. Absent: it does not; only its node shows
    success."""

    retention: StoreRetention = StoreRetention()
    """How long configurations are kept. Default: for an hour after the machine has joined."""


class HTTPBootstrapStore(ApiStruct, frozen=True, kw_only=True):
    """Keeps realised configurations on a web server."""

    api_version: Literal["infrastructure.cluster.x-k8s.io/v1alpha1"]
    """`infrastructure.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["HTTPBootstrapStore"]
    """`HTTPBootstrapStore`."""

    metadata: ResourceMetadata | None = None
    """Metadata of the object."""

    spec: HTTPBootstrapStoreSpec
    """The server, and how it is used."""

    status: StoreStatus | None = None
    """What the manager knows about the store. Written by the manager only."""
