"""Proxies of the host, the container runtime and the kubelet."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ApiStruct,
    AuthSource,
    Line,
    OneOf,
    ShortSecret,
    ValueSource,
    at_most_one,
)

ProxyUrl = Annotated[
    str,
    Meta(
        min_length=8,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": r"^(http|https|socks5)://[^@/\x00-\x20\x7f-\x9f]+/?$",
            "format": "url",
        },
    ),
]
"""URL of a proxy, without user and password: these go into `credentials`."""

NoProxyList = Annotated[
    tuple[
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                extra={"oneLine": True, "pattern": "^[A-Za-z0-9*.:/_-]+$"},
            ),
        ],
        ...,
    ],
    Meta(max_length=200, extra={"unique": ""}),
]
"""Destinations reached directly: host names, `.domains`, addresses, CIDR ranges."""


class ProxyCredentials(ApiStruct, frozen=True, kw_only=True):
    """User and password for a proxy, added to its URL where the URL is written."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("username", "usernameFrom"),
        at_most_one("password", "passwordFrom"),
    )

    username: Line | None = None
    """User name; this or `usernameFrom`."""

    username_from: ValueSource | None = None
    """Where it comes from."""

    password: ShortSecret | None = None
    """Password; this or `passwordFrom`."""

    password_from: ValueSource | None = None
    """Where it comes from."""

    auth_from: AuthSource | None = None
    """A plugin whose token is the password of `username`; without it a token of type Basic, which has both."""


class ProxySettings(ApiStruct, frozen=True, kw_only=True):
    """Proxies for outgoing connections."""

    http_proxy: ProxyUrl | None = None
    """Proxy for http."""

    https_proxy: ProxyUrl | None = None
    """Proxy for https."""

    no_proxy: NoProxyList = ()
    """Destinations reached directly."""

    credentials: ProxyCredentials | None = None
    """User and password of both proxies."""


class SystemProxyConfig(ApiStruct, frozen=True, kw_only=True):
    """A proxy, and who uses it."""

    targets: Annotated[
        tuple[Literal["host", "containerRuntime", "kubelet"], ...],
        Meta(min_length=1, max_length=3, extra={"unique": ""}),
    ]
    """Who uses it; each target in one entry at most."""

    http_proxy: ProxyUrl | None = None
    """Proxy for http."""

    https_proxy: ProxyUrl | None = None
    """Proxy for https."""

    no_proxy: NoProxyList = ()
    """Destinations reached directly."""

    no_proxy_auto: bool = True
    """Add the cluster's address ranges, its service domain and the API endpoint to `noProxy`.
    Default true."""

    credentials: ProxyCredentials | None = None
    """User and password of both proxies."""
