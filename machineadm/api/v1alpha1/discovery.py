"""How a joining machine finds its cluster, and knows that it is the right one."""

from typing import Annotated, ClassVar

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    BootstrapTokenSecret,
    Endpoint,
    HostName,
    MachinePath,
    OneOf,
    Pem,
    Url,
    ValueSecret,
    ValueSource,
    VariableName,
    at_most_one,
    exactly_one,
)


class ExecVariable(ApiStruct, frozen=True, kw_only=True):
    """An environment variable of a credential plugin."""

    name: VariableName
    """Its name."""

    value: ValueSecret
    """Its value; secret."""


class KubeconfigExec(ApiStruct, frozen=True, kw_only=True):
    """A client-go credential plugin; never interactive."""

    command: Annotated[str, Meta(min_length=1, max_length=1024, extra=ONE_LINE)]
    """The program."""

    args: Annotated[tuple[Annotated[str, Meta(max_length=512)], ...], Meta(max_length=100)] = ()
    """Its arguments."""

    env: Annotated[tuple[ExecVariable, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Environment variables in addition to kubeadm's."""

    api_version: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=512,
            extra={"oneLine": True, "pattern": r"^client\.authentication\.k8s\.io/[a-z0-9]+$"},
        ),
    ] = "client.authentication.k8s.io/v1"
    """Version of the plugin's input and output. Default `client.authentication.k8s.io/v1`."""

    provide_cluster_info: bool = False
    """Hand the cluster's address and CA to the plugin. Default false."""


class KubeconfigAuthProvider(ApiStruct, frozen=True, kw_only=True):
    """An authentication provider built into the client."""

    name: Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)]
    """Its name."""

    config: Annotated[
        dict[
            Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)],
            ValueSecret,
        ],
        Meta(max_length=100),
    ] = {}
    """Its settings; secret."""


class KubeconfigUser(ApiStruct, frozen=True, kw_only=True):
    """Credentials; exactly one of `exec` and `authProvider`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("exec", "authProvider"),)

    exec: KubeconfigExec | None = None
    """A credential plugin."""

    auth_provider: KubeconfigAuthProvider | None = None
    """A built-in authentication provider."""


class Kubeconfig(ApiStruct, frozen=True, kw_only=True):
    """The parts of a kubeconfig; written for kubeadm with mode 0600."""

    server: Url
    """Address of the API server: `https://api.example.com:6443`."""

    certificate_authority: Pem | None = None
    """CA certificates that the API server's certificate must chain to, in PEM. Absent: the host's
    trust store."""

    tls_server_name: HostName | None = None
    """Name expected in the server's certificate. Default: the host of `server`."""

    insecure_skip_tls_verify: bool = field(default=False, name="insecureSkipTLSVerify")
    """Do not verify the server's certificate: an attacker on the network can take over the node.
    Default false."""

    proxy_url: Url | None = field(default=None, name="proxyURL")
    """Proxy for requests to the API server."""

    user: KubeconfigUser | None = None
    """Credentials. Absent: `tlsBootstrapToken` authenticates the node."""


class TokenDiscovery(ApiStruct, frozen=True, kw_only=True, tag_field="type", tag="Token"):
    """Find the cluster with a bootstrap token: the API server signs its own CA with it."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("token", "tokenFrom"),)

    token: BootstrapTokenSecret | None = None
    """The bootstrap token; this or `tokenFrom`."""

    token_from: ValueSource | None = None
    """Where the token comes from."""

    endpoint: Endpoint
    """The API server or its load balancer: `host:port`, without a scheme."""

    ca_cert_hashes: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=71,
                    max_length=71,
                    extra={"oneLine": True, "pattern": "^sha256:[0-9a-f]{64}$"},
                ),
            ],
            ...,
        ],
        Meta(max_length=100, extra={"unique": ""}),
    ] = ()
    """Pins of the cluster's CA: SHA-256 over the public key (SubjectPublicKeyInfo), in
    hexadecimal, prefixed with `sha256:`. At least one, or `unsafeSkipCAVerification`."""

    unsafe_skip_ca_verification: bool = field(default=False, name="unsafeSkipCAVerification")
    """Trust any CA that the token signs: anyone who knows the token can then pose as the cluster.
    Default false."""


class FileDiscovery(ApiStruct, frozen=True, kw_only=True, tag_field="type", tag="File"):
    """Find the cluster with a kubeconfig; exactly one of `path` and `kubeconfig`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("path", "kubeconfig"),)

    path: MachinePath | None = None
    """A kubeconfig on the machine, from the image or from `files`."""

    kubeconfig: Kubeconfig | None = None
    """The parts of a kubeconfig, which the agent writes."""


Discovery = TokenDiscovery | FileDiscovery
"""How the cluster is found; `type` is `Token` or `File`."""
