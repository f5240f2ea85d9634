"""Rules for proxies; the variables that programs read, and what a machine of a cluster reaches directly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.discovery import FileDiscovery, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfigurationSpec
from machineadm.api.v1alpha1.proxy import ProxyCredentials, ProxySettings, SystemProxyConfig
from machineadm.config.kubeadm_defaults import DNS_DOMAIN, SERVICE_RANGE
from machineadm.config.machine_paths import proxy_files
from machineadm.config.rules.model import Context, Rules, finding

# With the range: Go and curl from 7.86 read CIDR in NO_PROXY, and 127.0.0.1 is not the only address
# that is used.
_OWN: Final = ("localhost", "127.0.0.0/8", "::1")
_METADATA: Final = ("169.254.169.254", "fd00:ec2::254")
"""Where clouds answer what a machine asks about itself: link-local, and another machine behind a proxy."""


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    for place, entry in entries(spec.machine):
        for target in entry.targets:
            # Which file systemd reads it from depends on whether there is a login in it.
            for path in proxy_files(target, secret=entry.credentials is not None):
                yield path, place


def entries(machine: MachineConfig) -> Iterator[tuple[str, SystemProxyConfig]]:
    """Yield each entry with its place: those of systemProxies, and containerd's own, which comes before them."""
    runtime = machine.container_runtime
    containerd = runtime.containerd if runtime is not None else None
    own = containerd.proxy if containerd is not None else None
    for index, entry in enumerate(machine.system_proxies):
        # The narrower field wins: who writes a proxy of containerd means containerd.
        left = tuple(one for one in entry.targets if own is None or one != "containerRuntime")
        # An entry for containerd alone is then without any user.
        if left:
            yield f"systemProxies[{index}]", replace(entry, targets=left)
    if own is not None:
        yield (
            # As an entry like the others, so that steps need not know where it was written.
            "containerRuntime.containerd.proxy",
            SystemProxyConfig(
                targets=("containerRuntime",),
                http_proxy=own.http_proxy,
                https_proxy=own.https_proxy,
                no_proxy=own.no_proxy,
                credentials=own.credentials,
            ),
        )


def direct(kubernetes: KubernetesConfig | None) -> tuple[str, ...]:
    """What a machine of this cluster must reach without a proxy, as far as the configuration says."""
    found = [*_OWN, *_METADATA]
    if kubernetes is None:
        return tuple(found)
    cluster = kubernetes.cluster
    network = cluster.network if cluster is not None else None
    domain = network.dns_domain if network is not None else None
    services = network.service_cidrs if network is not None else ()
    # As ranges, which Go reads: what calls pods from the node (kubelet, API server, runtime) is in
    # Go.
    found += network.pod_cidrs if network is not None else ()
    # kubeadm's default counts where nothing is said; pods have none.
    found += services or (SERVICE_RANGE,)
    # With the leading dot, which Go, curl and Python all take for "below this domain".
    found += [".svc", f".{domain or DNS_DOMAIN}"]
    # A proxy between kubelet and API server breaks watches, and ends TLS that must be end to end.
    found += _endpoints(kubernetes)
    # In this order and each once: the text ends in a file, whose digest must not change with each
    # run.
    return tuple(dict.fromkeys(found))


def _endpoints(kubernetes: KubernetesConfig) -> Iterator[str]:
    """Hosts that the API server is reached by, and the addresses that the node is given."""
    cluster, role = kubernetes.cluster, kubernetes.role
    # Every kubelet and kube-proxy talks to it for good.
    if cluster is not None and cluster.control_plane_endpoint:
        yield _host(cluster.control_plane_endpoint)
    if role is not None and not isinstance(role, Initialize):
        discovery = role.discovery
        if isinstance(discovery, TokenDiscovery):
            yield _host(discovery.endpoint)
        elif isinstance(discovery, FileDiscovery) and discovery.kubeconfig is not None:
            yield _host(discovery.kubeconfig.server.partition("://")[2])
    control_plane = kubernetes.control_plane
    endpoint = control_plane.local_api_endpoint if control_plane is not None else None
    # kubeadm asks the local API server by this address while it starts.
    if endpoint is not None and endpoint.advertise_address:
        yield endpoint.advertise_address
    kubelet = kubernetes.node.kubelet if kubernetes.node is not None else None
    if kubelet is not None and kubelet.node_ip:
        yield kubelet.node_ip


def _host(endpoint: str) -> str:
    """The host of `host:port`, `[address]:port`, with or without a path."""
    place = endpoint.partition("/")[0]
    # NO_PROXY has addresses of IPv6 without brackets.
    if place.startswith("["):
        return place[1:].partition("]")[0]
    # From the right, and a name without a port is itself.
    return place.rpartition(":")[0] or place


def variables(
    settings: ProxySettings | SystemProxyConfig, direct: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """The variables of a proxy in both spellings: programs differ in which they read.

    Args:
        settings: Whose credentials are known.
        direct: Reached directly, beside what the settings name.
    """
    given = {
        "HTTP_PROXY": _with_credentials(settings.http_proxy, settings.credentials),
        "HTTPS_PROXY": _with_credentials(settings.https_proxy, settings.credentials),
        # Commas without blanks: the one form that all readers take alike.
        "NO_PROXY": ",".join(dict.fromkeys((*settings.no_proxy, *direct))),
    }
    return tuple(
        (spelling, value)
        for name, value in given.items()
        if value
        # curl reads http_proxy in lower case alone, since a CGI program gets HTTP_PROXY from whoever asks
        # it (httpoxy); others read upper case alone.
        for spelling in (name, name.lower())
    )


def _with_credentials(url: str | None, credentials: ProxyCredentials | None) -> str:
    if url is None or credentials is None or credentials.username is None:
        return url or ""
    scheme, _, rest = url.partition("://")
    # A colon or @ in it would end the user part.
    user = quoted(credentials.username)
    if credentials.password is not None:
        user = f"{user}:{quoted(credentials.password.reveal())}"
    return f"{scheme}://{user}@{rest}"


def quoted(text: str) -> str:
    """A user name or password as written in a URL: none of its characters means anything to a shell, systemd or a URL."""
    from urllib.parse import quote

    return quote(text, safe="")


def _has_one_user_for_each_target(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, entry in enumerate(machine.system_proxies):
        for number, target in enumerate(entry.targets):
            # Both would write the same file.
            if target in seen:
                place = f"systemProxies[{index}].targets[{number}]"
                yield finding(
                    "MA1306", place, f"systemProxies[{seen[target]}] has {target} already"
                )
            seen.setdefault(target, index)


def _names_a_proxy(
    settings: ProxySettings | SystemProxyConfig, _context: Context
) -> Iterator[Finding]:
    if settings.http_proxy is None and settings.https_proxy is None:
        yield finding(
            "MA1303", "httpsProxy", "or httpProxy is required: without both there is no proxy"
        )


def _credentials_have_a_name(credentials: ProxyCredentials, _context: Context) -> Iterator[Finding]:
    if credentials.auth_from is not None:
        for field in ("password", "password_from"):
            if getattr(credentials, field) is not None:
                name = "password" if field == "password" else "passwordFrom"
                yield finding(
                    "MA1301", "authFrom", f"not together with {name}: its token is the password"
                )
    elif credentials.username is None and credentials.username_from is None:
        yield finding(
            "MA1303", "username", "is required: a URL cannot have a password without a user name"
        )


RULES: Final[Rules] = {
    MachineConfig: (_has_one_user_for_each_target,),
    SystemProxyConfig: (_names_a_proxy,),
    ProxySettings: (_names_a_proxy,),
    ProxyCredentials: (_credentials_have_a_name,),
}
