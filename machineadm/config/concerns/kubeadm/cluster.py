"""Rules for settings that are the same on all machines of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.cluster import (
    ClusterCertificates,
    ClusterConfig,
    ClusterNetwork,
    ContainerVariable,
    ContainerVariableSource,
    Dns,
    ExternalEtcd,
    LocalEtcd,
    ProxyAddon,
)
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.passed_on import judge
from machineadm.config.rules.model import Context, Rules, asked_version, finding
from machineadm.config.rules.names import (
    endpoint_problem,
    is_variable_name,
    names_come_once,
    names_fit,
)
from machineadm.config.versions import RELAXED_NAMES_MINOR, judged_minor

DAY: Final = 86400.0

_SERVICE_BITS: Final = 20
"""A range of services may have at most 2^20 addresses: the API server keeps a bitmap of them."""

_SMALLEST: Final = 10
"""kubeadm's least number of addresses for services (MinimumAddressesInServiceSubnet)."""

# node-cidr-mask-size of the controller manager where kubeadm gives none: one node has 254
# addresses, or 2^64.
_NODE_MASK: Final = {4: 24, 6: 64}
_NODE_BITS: Final = 16
"""The controller manager cuts a /24 or /64 for each node, and the range holds at most 2^16 of these."""


def _control_plane_endpoint(cluster: ClusterConfig, _context: Context) -> Iterator[Finding]:
    if cluster.control_plane_endpoint is None:
        return
    if problem := endpoint_problem(cluster.control_plane_endpoint, port_required=False):
        yield finding("MA1322", "controlPlaneEndpoint", problem, "host:port")


def _kubelet_document(cluster: ClusterConfig, context: Context) -> Iterator[Finding]:
    yield from judge(cluster.kubelet, "kubelet", "KubeletConfiguration", context, optional=True)


def _one_range_of_each_family(network: ClusterNetwork, _context: Context) -> Iterator[Finding]:
    from ipaddress import ip_network

    for field, ranges in (("podCIDRs", network.pod_cidrs), ("serviceCIDRs", network.service_cidrs)):
        # Two ranges are for dual stack, which is one of each family.
        families = [ip_network(each, strict=False).version for each in ranges]
        if len(families) != len(set(families)):
            yield finding(
                "MA1316",
                field,
                f"two ranges of IPv{families[0]}",
                "use one IPv4 and one IPv6 range",
            )


def _service_ranges_fit(network: ClusterNetwork, _context: Context) -> Iterator[Finding]:
    from ipaddress import ip_network

    for index, each in enumerate(network.service_cidrs):
        parsed = ip_network(each, strict=False)
        if parsed.max_prefixlen - parsed.prefixlen > _SERVICE_BITS:
            # /12 and /108: the hint names the prefix because people know prefixes, not sizes.
            least = parsed.max_prefixlen - _SERVICE_BITS
            yield finding(
                "MA1316",
                f"serviceCIDRs[{index}]",
                f"{each} is larger than the API server allows",
                f"/{least} is the largest service range",
            )
        if parsed.num_addresses < _SMALLEST:
            yield finding("MA1316", f"serviceCIDRs[{index}]", f"{each} is too small for a cluster")


def _ranges_are_apart(network: ClusterNetwork, _context: Context) -> Iterator[Finding]:
    from ipaddress import ip_network

    for index, each in enumerate(network.service_cidrs):
        services = ip_network(each, strict=False)
        for other in network.pod_cidrs:
            # Nothing fails at once: only a service and a pod with one address do, some day.
            if services.overlaps(ip_network(other, strict=False)):
                yield finding(
                    "MA1316", f"serviceCIDRs[{index}]", f"{each} overlaps the pod range {other}"
                )


def _pod_ranges_fit(kubernetes: KubernetesConfig, _context: Context) -> Iterator[Finding]:
    """Judge them as kubeadm does, unless arguments tell the controller manager otherwise."""
    # With a mask among the controller manager's arguments the cut depends on that; nothing is said
    # then.
    if kubernetes.cluster is None or kubernetes.cluster.network is None or _cuts_nodes(kubernetes):
        return
    from ipaddress import ip_network

    for index, each in enumerate(kubernetes.cluster.network.pod_cidrs):
        parsed = ip_network(each, strict=False)
        node = _NODE_MASK[parsed.version]
        # podSubnetNodeMaskMaxDiff of kubeadm: the allocator keeps a bitmap of at most 2^16 nodes.
        if not node - _NODE_BITS <= parsed.prefixlen <= node:
            yield finding(
                "MA1316",
                f"cluster.network.podCIDRs[{index}]",
                f"{each} cannot be divided into a /{node} for each node",
                f"/{node - _NODE_BITS} to /{node}, or node-cidr-mask-size-ipv{parsed.version} among "
                "controlPlane.controllerManager.extraArgs",
            )


def _cuts_nodes(kubernetes: KubernetesConfig) -> bool:
    control_plane = kubernetes.control_plane
    manager = control_plane.controller_manager if control_plane is not None else None
    names = {argument.name for argument in manager.extra_args} if manager is not None else set()
    # Both: with allocate-node-cidrs=false a plugin of the network cuts the ranges, and any size is
    # right.
    return any(name.startswith("node-cidr-mask-size") for name in names) or (
        "allocate-node-cidrs" in names
    )


def _pods_mount_each_place_once(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    """Without a controlPlane; with one, the rules of the components check this."""
    cluster = kubernetes.cluster
    if cluster is None or kubernetes.control_plane is not None:
        return
    # All other mounts are kubeadm's own, which never collide.
    if cluster.certificates is not None or cluster.etcd is not None:
        from machineadm.config.concerns.kubeadm.mounts import mounts_fit

        yield from mounts_fit(kubernetes)


def _validity(certificates: ClusterCertificates, _context: Context) -> Iterator[Finding]:
    leaf = seconds(certificates.validity) if certificates.validity is not None else None
    authority = seconds(certificates.ca_validity) if certificates.ca_validity is not None else None
    # The bounds of Cluster API's certificateValidityPeriodDays and caCertificateValidityPeriodDays.
    for field, given, days in (("validity", leaf, 1095), ("caValidity", authority, 36500)):
        if given is not None and not 3600 <= given <= days * DAY:
            yield finding("MA1312", field, f"must be between 1h and {days * 24}h ({days} days)")
    # 3650 days are kubeadm's own CA. A leaf that outlives its issuer fails when that one ends.
    if leaf is not None and leaf > (authority if authority is not None else 3650 * DAY):
        yield finding("MA1312", "validity", "is longer than caValidity")


def _disabled_means_alone(addon: Dns | ProxyAddon, _context: Context) -> Iterator[Finding]:
    # Settings of what is not installed: somebody has forgotten one of the two lines.
    fields = (
        (("image", addon.image),)
        if isinstance(addon, Dns)
        else (("mode", addon.mode), ("config", addon.config))
    )
    for field, value in fields:
        if value is not None and addon.disabled:
            yield finding("MA1301", field, "not together with disabled")


def _proxy_document(addon: ProxyAddon, context: Context) -> Iterator[Finding]:
    yield from judge(
        addon.config,
        "config",
        "KubeProxyConfiguration",
        context,
        optional=True,
        # Rules of the document depend on the mode, which may be given by our field beside it.
        inherited={"mode": addon.mode},
    )
    if addon.config is not None and addon.mode is not None and "mode" in addon.config:
        yield finding("MA1320", "config.mode", "is already in mode")


def _subject_names(etcd: LocalEtcd, _context: Context) -> Iterator[Finding]:
    yield from names_fit(etcd.server_cert_sans, "serverCertSANs")
    yield from names_fit(etcd.peer_cert_sans, "peerCertSANs")


def _name_is_one_in_a_static_pod(
    variable: ContainerVariable, context: Context
) -> Iterator[Finding]:
    minor = judged_minor(asked_version(context))
    # Since static pods are validated by the kubelet, its own version decides and not the API
    # server's.
    if minor is not None and minor < RELAXED_NAMES_MINOR and not is_variable_name(variable.name):
        yield finding(
            "MA1431",
            "name",
            "must be letters, digits, _, - and ., without a digit or .. in front",
            f"a kubelet before 1.{RELAXED_NAMES_MINOR} accepts no other in a static pod",
        )


def _static_pods_have_it(source: ContainerVariableSource, context: Context) -> Iterator[Finding]:
    from machineadm.config.concerns.kubeadm.variables import source_fits

    yield from source_fits(source, context.kubernetes)


def _the_last_of_a_name_counts(etcd: LocalEtcd, _context: Context) -> Iterator[Finding]:
    yield from names_come_once(etcd.extra_env, "extraEnv")


def _one_scheme(external: ExternalEtcd, _context: Context) -> Iterator[Finding]:
    # One configuration of TLS is for all of them: the API server's flags have one CA and one client
    # certificate.
    schemes = [endpoint.partition("://")[0] for endpoint in external.endpoints]
    for index, scheme in enumerate(schemes):
        if scheme not in {"https", "http"}:
            yield finding("MA1322", f"endpoints[{index}]", "must be an https or http URL")
        elif scheme != schemes[0]:
            yield finding("MA1322", f"endpoints[{index}]", "must have the same scheme as the first")
    # From 1.35 on, for metrics and health: these may be http while the others are https.
    for index, endpoint in enumerate(external.http_endpoints):
        if endpoint.partition("://")[0] not in {"https", "http"}:
            yield finding("MA1322", f"httpEndpoints[{index}]", "must be a https or http URL")


def _certificate_with_key(external: ExternalEtcd, _context: Context) -> Iterator[Finding]:
    if (external.cert_file is None) != (external.key_file is None):
        missing = "certFile" if external.cert_file is None else "keyFile"
        yield finding("MA1303", missing, "is required: certFile and keyFile go together")


def _external_etcd_is_verified(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    """With https there must be a CA to verify etcd with, as a file or inlined."""
    etcd = kubernetes.cluster.etcd if kubernetes.cluster is not None else None
    external = etcd.external if etcd is not None else None
    if external is None:
        return
    control_plane = kubernetes.control_plane
    inlined = control_plane.certificates if control_plane is not None else None
    # Inlined is as good: it becomes the file (concerns/certificates).
    authority = external.ca_file is not None or (
        inlined is not None and inlined.etcd_ca is not None
    )
    client = external.cert_file is not None or (
        inlined is not None and inlined.apiserver_etcd_client is not None
    )
    secure = external.endpoints[0].startswith("https://")
    path = "cluster.etcd.external"
    if secure and not authority:
        yield finding(
            "MA1303",
            f"{path}.caFile",
            "is required with https",
            "or the certificate itself, as controlPlane.certificates.etcdCA",
        )
    if client and not authority and not secure:
        yield finding("MA1303", f"{path}.caFile", "is required with a client certificate")
    if not secure and authority:
        yield finding(
            "MA1322", f"{path}.endpoints[0]", "must be an https URL, because there is a caFile"
        )


RULES: Final[Rules] = {
    ClusterConfig: (_control_plane_endpoint, _kubelet_document),
    ClusterNetwork: (_one_range_of_each_family, _service_ranges_fit, _ranges_are_apart),
    ClusterCertificates: (_validity,),
    Dns: (_disabled_means_alone,),
    ProxyAddon: (_disabled_means_alone, _proxy_document),
    LocalEtcd: (_subject_names, _the_last_of_a_name_counts),
    ContainerVariable: (_name_is_one_in_a_static_pod,),
    ContainerVariableSource: (_static_pods_have_it,),
    ExternalEtcd: (_one_scheme, _certificate_with_key),
    KubernetesConfig: (
        _pod_ranges_fit,
        _external_etcd_is_verified,
        _pods_mount_each_place_once,
    ),
}
