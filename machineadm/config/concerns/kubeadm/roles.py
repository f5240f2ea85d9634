"""The role of a machine, and which fields go with which role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import instant, seconds
from machineadm.api.v1alpha1.kubeadm import BootstrapToken, Initialize, JoinControlPlane, JoinWorker
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import certificates_directory
from machineadm.config.paths import is_set
from machineadm.config.rules.model import Context, Rules, finding, warning
from machineadm.config.rules.names import is_address


def _role_is_given(kubernetes: KubernetesConfig, _context: Context) -> Iterator[Finding]:
    # In a MachineBootstrap it may be missing: the manager decides who initializes.
    if kubernetes.role is None:
        yield finding(
            "MA1303",
            "role",
            "is required on a machine",
            "type: Initialize, JoinControlPlane or JoinWorker",
        )


def _discovery_is_given(
    role: JoinControlPlane | JoinWorker, _context: Context
) -> Iterator[Finding]:
    if role.discovery is None:
        yield finding(
            "MA1303",
            "discovery",
            "is required on a machine",
            "type: Token with an endpoint and a token, or File with a kubeconfig",
        )


def _kubelet_can_authenticate(
    role: JoinControlPlane | JoinWorker, _context: Context
) -> Iterator[Finding]:
    from machineadm.api.v1alpha1.discovery import FileDiscovery

    # A kubeconfig without a user says whom to trust, and not who asks: the kubelet's TLS bootstrap
    # then needs a token.
    discovery = role.discovery
    if (
        isinstance(discovery, FileDiscovery)
        and discovery.kubeconfig is not None
        and discovery.kubeconfig.user is None
        and role.tls_bootstrap_token is None
    ):
        yield finding(
            "MA1303",
            "tlsBootstrapToken",
            "is required when the kubeconfig has no user",
            "or set discovery.kubeconfig.user",
        )


def _ca_cert_path_ends_in_crt(
    role: JoinControlPlane | JoinWorker, _context: Context
) -> Iterator[Finding]:
    # ValidateJoinConfiguration refuses any other, only when kubeadm runs.
    if role.ca_cert_path is not None and not role.ca_cert_path.endswith(".crt"):
        yield finding("MA1323", "caCertPath", "kubeadm requires a name that ends in .crt")


def _workers_have_no_control_plane(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    # Not dropped: whoever wrote it expects an API server on this machine.
    if isinstance(kubernetes.role, JoinWorker) and kubernetes.control_plane is not None:
        yield finding("MA1304", "controlPlane", "is not allowed with role JoinWorker")


def _only_the_first_sets_the_kubelets(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    # kubeadm join reads kube-system/kubelet-config, and ignores a document of its own.
    joins = isinstance(kubernetes.role, (JoinControlPlane, JoinWorker))
    if joins and kubernetes.cluster is not None and kubernetes.cluster.kubelet is not None:
        yield finding(
            "MA1304",
            "cluster.kubelet",
            "is only allowed with role Initialize: a joining node gets it from the cluster",
            "settings for this node only go into node.kubelet",
        )


def _only_workers_wait_for_cluster_api(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    # Cluster API's kubeadm provider gives it to workers alone: the pods of a control plane do not
    # tolerate it.
    control_plane = isinstance(kubernetes.role, (Initialize, JoinControlPlane))
    if control_plane and kubernetes.node is not None and kubernetes.node.uninitialized_taint:
        yield finding("MA1304", "node.uninitializedTaint", "is only allowed with role JoinWorker")


def _joining_control_plane_has_its_keys(
    kubernetes: KubernetesConfig, context: Context
) -> Iterator[Finding]:
    """Without a certificateKey the shared certificates must come from somewhere else in the configuration."""
    role = kubernetes.role
    # With the key kubeadm downloads the shared certificates itself, from the Secret that
    # upload-certs wrote.
    if not isinstance(role, JoinControlPlane) or role.certificate_key is not None:
        return
    # What a command does is not known, and a configuration that works must not be refused.
    if _may_be_brought_by_files_or_commands(kubernetes, context):
        return
    control_plane = kubernetes.control_plane
    certificates = control_plane.certificates if control_plane is not None else None
    if certificates is None:
        yield finding(
            "MA1303",
            "role.certificateKey",
            "is required unless controlPlane.certificates has the cluster's keys",
            "`kubeadm init phase upload-certs --upload-certs` on the first machine prints one",
        )
        return
    # kubeadm join would end at a missing one, after the machine has been prepared.
    missing = [name for name in _shared(kubernetes) if not is_set(certificates, name)]
    if missing:
        yield finding(
            "MA1303",
            "controlPlane.certificates",
            f"lacks {', '.join(missing)}",
            "or set role.certificateKey, if the first machine uploaded them",
        )


def _may_be_brought_by_files_or_commands(kubernetes: KubernetesConfig, context: Context) -> bool:
    """Whether a file below the certificates' directory, or a command before kubeadm, may provide them."""
    machine = context.configuration.spec.machine
    directory = certificates_directory(kubernetes)
    return (
        any(file.path.startswith(f"{directory}/") for file in machine.files)
        or len(machine.commands.boot) > 0
        or len(machine.commands.pre_kubeadm) > 0
        # Then kubeadm neither downloads nor makes certificates: somebody else does it all.
        or "control-plane-prepare" in kubernetes.skip_phases
    )


def _shared(kubernetes: KubernetesConfig) -> tuple[str, ...]:
    cluster = kubernetes.cluster
    # The CA of an external etcd need not be here: kubeadm signs nothing with it.
    external = cluster is not None and cluster.etcd is not None and cluster.etcd.external
    names = ("ca", "frontProxyCA", "serviceAccount")
    return names if external else (*names, "etcdCA")


def _expires_at_some_time(token: BootstrapToken, _context: Context) -> Iterator[Finding]:
    if token.expires is None:
        return
    # The pattern of the type lets February 30 pass.
    try:
        instant(token.expires)
    except ValueError:
        yield finding("MA1323", "expires", f"{token.expires} does not exist")


def _groups_need_authentication(token: BootstrapToken, _context: Context) -> Iterator[Finding]:
    """Kubeadm adds a group to a token without groups, and then refuses groups without this usage."""
    # Without usages kubeadm takes signing and authentication both.
    if token.usages and "authentication" not in token.usages:
        yield finding(
            "MA1323",
            "usages",
            "must have authentication, because kubeadm gives every token a group and refuses groups without it",
            "kubectl creates other tokens, once the cluster is there",
        )


def _each_token_id_once(role: Initialize, _context: Context) -> Iterator[Finding]:
    """The part before the dot names the token's Secret in the cluster; it is not confidential."""
    seen: set[str] = set()
    for index, token in enumerate(role.bootstrap_tokens):
        token_id = token.token.reveal().partition(".")[0]
        if token_id in seen:
            yield warning(
                "MA1306",
                f"bootstrapTokens[{index}].token",
                "has the same first six characters as an earlier one: the last one counts",
            )
        seen.add(token_id)


def _ttl_is_counted_in_seconds(token: BootstrapToken, _context: Context) -> Iterator[Finding]:
    # The token's Secret stores the expiry in whole seconds; 0s means that it never expires.
    if token.ttl is not None and 0 < seconds(token.ttl) < 1:
        yield finding("MA1312", "ttl", "must be 0s or at least 1s")


# The two types have no base in common: their tags make them variants of one union.
_JOIN: Final = (_discovery_is_given, _kubelet_can_authenticate, _ca_cert_path_ends_in_crt)


def _services_are_of_the_advertised_family(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    """The API server ends at once where the two differ (pkg/controlplane/apiserver/options/validation.go)."""
    plane = kubernetes.control_plane
    if not isinstance(kubernetes.role, Initialize) or plane is None:
        return
    network = kubernetes.cluster.network if kubernetes.cluster is not None else None
    services = network.service_cidrs[0] if network is not None and network.service_cidrs else None
    arguments = plane.api_server.extra_args if plane.api_server is not None else ()
    places = {
        f"controlPlane.apiServer.extraArgs[{index}].value": argument.value
        for index, argument in enumerate(arguments)
        if argument.name == "advertise-address"
    }
    # Then the argument's range counts and not the field's; to parse it here would judge it twice.
    if any(argument.name == "service-cluster-ip-range" for argument in arguments):
        return
    # The argument wins over what kubeadm gives from localAPIEndpoint.
    if not places and plane.local_api_endpoint is not None:
        address = plane.local_api_endpoint.advertise_address
        places = {"controlPlane.localAPIEndpoint.advertiseAddress": address}
    for field, address in places.items():
        if not isinstance(address, str) or not is_address(address):
            continue
        from ipaddress import ip_address, ip_network

        from machineadm.config.kubeadm_defaults import SERVICE_RANGE

        advertised, range_ = (
            ip_address(address),
            ip_network(services or SERVICE_RANGE, strict=False),
        )
        # An unspecified one is replaced by one of the machine's.
        if not advertised.is_unspecified and advertised.version != range_.version:
            yield finding(
                "MA1316",
                field,
                f"is an IPv{advertised.version} address, but the first range of services is {range_}",
                "put a range of the same family first in cluster.network.serviceCIDRs",
            )


RULES: Final[Rules] = {
    KubernetesConfig: (
        _role_is_given,
        _workers_have_no_control_plane,
        _only_the_first_sets_the_kubelets,
        _only_workers_wait_for_cluster_api,
        _joining_control_plane_has_its_keys,
        _services_are_of_the_advertised_family,
    ),
    Initialize: (_each_token_id_once,),
    JoinControlPlane: _JOIN,
    JoinWorker: _JOIN,
    BootstrapToken: (
        _expires_at_some_time,
        _groups_need_authentication,
        _ttl_is_counted_in_seconds,
    ),
}
