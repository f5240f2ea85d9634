"""KubernetesConfig as a whole: every field of every role, as far as the asked-for version of Kubernetes has it.

What is drawn passes the configuration's own rules; the types give the shape, and here stands what only a rule knows.
"""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import Any, Literal

from hypothesis import reject
from hypothesis import strategies as st
from msgspec.structs import replace

from machineadm.api.meta import BootstrapTokenSecret
from machineadm.api.v1alpha1.certificates import (
    CertificatePair,
    ControlPlaneCertificates,
    ServiceAccountKeys,
)
from machineadm.api.v1alpha1.cluster import (
    Argument,
    ClusterCertificates,
    ClusterConfig,
    ClusterNetwork,
    ContainerVariable,
    ContainerVariableSource,
    Dns,
    EtcdConfig,
    ExternalEtcd,
    FieldReference,
    ImageSource,
    LocalEtcd,
    ProxyAddon,
)
from machineadm.api.v1alpha1.control_plane import (
    ApiServer,
    Component,
    ExtraVolume,
    LocalApiEndpoint,
)
from machineadm.api.v1alpha1.control_plane_files import (
    Admission,
    AdmissionPlugins,
    AuditPolicy,
    AuditWebhook,
    Authentication,
    AuthenticationWebhook,
    Authorization,
    AuthorizationWebhook,
    EncryptionAtRest,
    EncryptionKey,
    EncryptionKeys,
    EncryptionProvider,
    IdentityProvider,
    KmsProvider,
)
from machineadm.api.v1alpha1.discovery import (
    FileDiscovery,
    Kubeconfig,
    KubeconfigUser,
    TokenDiscovery,
)
from machineadm.api.v1alpha1.kubeadm import (
    BootstrapToken,
    Initialize,
    JoinControlPlane,
    JoinWorker,
    Patch,
    Timeouts,
)
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import (
    MachineConfig,
    MachineConfiguration,
    MachineConfigurationSpec,
)
from machineadm.api.v1alpha1.node import NodeConfig, NodeKubelet
from machineadm.api.v1alpha1.static_pods import StaticPod
from machineadm.config.validation import check
from machineadm.redaction import Secret
from tests.strategies.typed import TRAPS, Overrides, of, struct

Role = Literal["Initialize", "JoinControlPlane", "JoinWorker"]
Any_ = st.SearchStrategy[Any]

PEM = Path(__file__).parent / "pem"

_GATES = {
    29: ("EtcdLearnerMode", "PublicKeysECDSA", "RootlessControlPlane"),
    30: ("EtcdLearnerMode", "PublicKeysECDSA", "WaitForAllControlPlaneComponents"),
    31: ("ControlPlaneKubeletLocalMode", "EtcdLearnerMode", "WaitForAllControlPlaneComponents"),
    33: ("ControlPlaneKubeletLocalMode", "NodeLocalCRISocket"),
    34: ("ControlPlaneKubeletLocalMode", "NodeLocalCRISocket", "RootlessControlPlane"),
}
_INIT_PHASES = (
    "preflight",
    "certs/sa",
    "upload-certs",
    "mark-control-plane",
    "addon",
    "addon/coredns",
)
_JOIN_PHASES = ("preflight", "control-plane-prepare/certs", "check-etcd", "control-plane-join")

_FIRST_V1BETA4 = 31

# Arguments that every version of the component has, whose value is any text and names no file.
_ARGUMENTS: dict[type, tuple[str, ...]] = {
    ApiServer: ("external-hostname", "cors-allowed-origins"),
    Component: ("leader-elect-resource-name", "kube-api-content-type"),
    LocalEtcd: ("initial-cluster-token", "discovery-srv-name"),
    NodeConfig: ("runtime-cgroups", "kubelet-cgroups"),
}
_VARIABLES = ("A", "no_proxy", "y", "on", "B.C-D")
_timeouts = st.sampled_from(["10s", "1m30s", "0.5h", "4m0s"])

_sans = st.lists(
    st.sampled_from(["api.example.com", "*.example.com", "192.0.2.7", "2001:db8::7", "y", "012"]),
    max_size=3,
    unique=True,
).map(tuple)
_paths = st.sampled_from(["/etc/a", "/var/lib/b.d/c", "/opt/y", "/srv/1e3", "/mnt/a b"])
_CLUSTER = '[{"name": "a", "cluster": {"server": "https://a.example.com"}}]'
_CONTEXT = '[{"name": "d", "context": {"cluster": "a", "user": "b"}}]'
_KUBECONFIG = (
    f'"clusters": {_CLUSTER}, "users": [{{"name": "b", "user": {{"token": "c"}}}}], '
    f'"contexts": {_CONTEXT}, "current-context": "d"}}'
)
_kubeconfig = st.sampled_from(
    [f'{{"apiVersion": "v1",\n"kind": "Config",\n{_KUBECONFIG}\n', f"{{{_KUBECONFIG}"]
)


def minor_of(version: str) -> int:
    return int(version.split(".")[1])


@st.composite
def configurations(draw: st.DrawFn, version: str, role: Role) -> KubernetesConfig:
    """The Kubernetes part of a machine.

    Args:
        version: `v1.34.4`.
        role: Which role it has.
    """
    given = _mended(draw(_drawn(version, role)))
    # Not a filter: hypothesis would print the whole strategy for each value that does not pass.
    return reject() if findings(given) else given


@cache
def _drawn(version: str, role: Role) -> st.SearchStrategy[KubernetesConfig]:
    minor = minor_of(version)
    overrides = {
        **_cluster(minor),
        **_control_plane(minor),
        **_roles(),
        **_node(minor, role),
        **_whole(version, minor, role),
    }
    return struct(
        KubernetesConfig,
        overrides,
        at_most_one_of=("patches", "patches_directory"),
        always=("role", "cluster", "node", "control_plane", "timeouts"),
    )


def findings(kubernetes: KubernetesConfig) -> list[Any]:
    """What the configuration's own rules say."""
    spec = MachineConfigurationSpec(machine=MachineConfig(), kubernetes=kubernetes)
    return list(check(_configuration(spec)))


def _configuration(spec: MachineConfigurationSpec) -> MachineConfiguration:
    return MachineConfiguration(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1", kind="MachineConfiguration", spec=spec
    )


def _whole(version: str, minor: int, role: Role) -> dict[tuple[type, str], Any_]:
    new = minor >= _FIRST_V1BETA4
    first, worker = role == "Initialize", role == "JoinWorker"
    kind: type = {
        "Initialize": Initialize,
        "JoinControlPlane": JoinControlPlane,
        "JoinWorker": JoinWorker,
    }[role]
    here = KubernetesConfig
    targets = ["etcd", "kube-apiserver", "kubeletconfiguration"]
    targets += ["corednsdeployment"] if minor >= 32 else []
    overrides: dict[tuple[type, str], Any_] = {
        (here, "version"): st.just(version),
        (here, "verbosity"): st.integers(0, 10),
        (here, "patches_directory"): st.just("/etc"),
        (here, "skip_phases"): st.lists(
            st.sampled_from(_INIT_PHASES if first else _JOIN_PHASES), unique=True
        ).map(tuple),
        (Patch, "target"): st.sampled_from(targets),
    }
    if worker:
        overrides[(here, "control_plane")] = st.none()
    if not first:
        overrides[(ClusterConfig, "kubelet")] = st.none()
    overrides |= {
        (Timeouts, name): _timeouts if new else st.none() for name in Timeouts.__struct_fields__
    }
    if not new:
        overrides[(Timeouts, "discovery")] = st.none() if first else _timeouts
        if first:
            overrides[(Timeouts, "control_plane_component_health_check")] = _timeouts
    overrides[(here, "role")] = of(kind, _roles())
    return overrides


def _cluster(minor: int) -> dict[tuple[type, str], Any_]:
    new = minor >= _FIRST_V1BETA4
    gates = st.dictionaries(st.sampled_from(_GATES[minor]), st.booleans())
    https = st.builds(
        ExternalEtcd,
        endpoints=st.just(("https://etcd-0.example.com:2379", "https://[2001:db8::2]:2379")),
        ca_file=_paths,
        cert_file=st.just("/etc/etcd/client.crt"),
        key_file=st.just("/etc/etcd/client.key"),
    )
    http = st.builds(ExternalEtcd, endpoints=st.just(("http://192.0.2.5:2379",)))
    networks = [
        (("10.244.0.0/16",), ("10.96.0.0/12",)),
        (("10.244.0.0/16", "fd00:10:244::/56"), ("10.96.0.0/16", "fd00:10:96::/112")),
        (("fd00:10:244::/56",), ("fd00:10:96::/112",)),
        ((), ()),
    ]
    config = {"metricsBindAddress": "0.0.0.0:10249", "conntrack": {"maxPerCore": 0}}
    proxies = [
        ProxyAddon(),
        ProxyAddon(mode="ipvs"),
        ProxyAddon(mode="iptables", config=config),
        ProxyAddon(config=config),
        *([ProxyAddon(disabled=True), ProxyAddon(mode="nftables")] if new else []),
    ]
    overrides: dict[tuple[type, str], Any_] = {
        (ClusterConfig, "name"): st.sampled_from(["kubernetes", *TRAPS]),
        (ClusterConfig, "control_plane_endpoint"): st.sampled_from(
            ["cluster.example.com:6443", "192.0.2.1", "[2001:db8::1]:6443", "y"]
        ),
        (ClusterConfig, "feature_gates"): gates,
        (ClusterConfig, "kubelet"): st.sampled_from(
            [{"maxPods": 40}, {"cgroupDriver": "systemd", "clusterDomain": "example.com"}]
        ),
        (ClusterNetwork, ""): st.builds(
            lambda ranges, domain: ClusterNetwork(
                pod_cidrs=ranges[0], service_cidrs=ranges[1], dns_domain=domain
            ),
            st.sampled_from(networks),
            st.sampled_from([None, "cluster.local", "y", "012"]),
        ),
        (ClusterCertificates, "validity"): st.sampled_from(["24h", "4380h"]),
        (ClusterCertificates, "ca_validity"): st.sampled_from(["8760h", "87600h"]),
        (ClusterCertificates, "key_algorithm"): st.sampled_from(["RSA-3072", "ECDSA-P256"]),
        (Dns, ""): st.one_of(
            st.just(Dns(disabled=True)) if new else st.just(Dns()),
            st.builds(Dns, image=of(ImageSource, {})),
        ),
        (ProxyAddon, ""): st.sampled_from(proxies),
        (ExternalEtcd, ""): st.one_of(https, http),
        (LocalEtcd, "server_cert_sans"): _sans,
        (LocalEtcd, "peer_cert_sans"): _sans,
    }
    # A static pod refers to nothing in the API.
    overrides[(ContainerVariableSource, "")] = st.sampled_from(
        ["status.podIP", "metadata.labels['y/n']"]
    ).map(lambda path: ContainerVariableSource(field_ref=FieldReference(field_path=path)))
    overrides[(ContainerVariable, "name")] = st.sampled_from(_VARIABLES)
    overrides[(ContainerVariable, "")] = struct(
        ContainerVariable, overrides, at_most_one_of=("value", "value_from")
    )
    for part in (LocalEtcd, ApiServer, Component):
        variables = st.lists(
            of(ContainerVariable, overrides), max_size=3, unique_by=lambda one: one.name
        )
        overrides[(part, "extra_env")] = variables.map(tuple) if new else st.just(())
    if not new:
        for name in ("validity", "ca_validity", "key_algorithm"):
            overrides[(ClusterCertificates, name)] = st.none()
    for component in (ApiServer, Component):
        overrides[(component, "extra_volumes")] = st.lists(
            of(ExtraVolume, overrides),
            max_size=3,
            unique_by=(lambda one: one.name, lambda one: one.mount_path),
        ).map(tuple)
    for struct_ in (LocalEtcd, ApiServer, Component, NodeConfig):
        overrides[(struct_, "extra_args")] = _arguments(struct_, repeated=new)
    overrides[(EtcdConfig, "")] = struct(EtcdConfig, overrides, one_of=("local", "external"))
    return overrides


def _arguments(component: type, *, repeated: bool) -> Any_:
    given = st.builds(
        Argument,
        name=st.sampled_from(_ARGUMENTS[component]),
        value=st.sampled_from(["", "a", "a b", *TRAPS]),
    )
    unique_by = None if repeated else lambda one: one.name
    return st.lists(given, max_size=3, unique_by=unique_by).map(tuple)


def _control_plane(minor: int) -> dict[tuple[type, str], Any_]:
    webhooks: dict[tuple[type, str], Any_] = {
        (cls, ""): struct(
            cls,
            {(cls, "kubeconfig"): _kubeconfig.map(Secret), (cls, "kubeconfig_from"): st.none()},
            always=("kubeconfig",),
        )
        for cls in (AuditWebhook, AuthenticationWebhook, AuthorizationWebhook)
    }
    structured = "v1" if minor >= 34 else "v1beta1"
    authorization = "v1" if minor >= 32 else "v1beta1"
    certificate = (PEM / "ca.crt").read_text()
    key = Secret((PEM / "ca.key").read_text())
    pair = CertificatePair(certificate=certificate, key=key)
    overrides: dict[tuple[type, str], Any_] = {
        **webhooks,
        (ApiServer, "cert_sans"): _sans,
        # kubeadm is given what references were resolved to.
        (ApiServer, "cert_sans_from"): st.just(()),
        (LocalApiEndpoint, "advertise_address_from"): st.none(),
        (AuditPolicy, "policy"): st.sampled_from(
            [
                {
                    "apiVersion": "audit.k8s.io/v1",
                    "kind": "Policy",
                    "rules": [{"level": level, "users": ["y", "012"]}],
                }
                for level in ("None", "Metadata", "RequestResponse")
            ]
        ),
        (EncryptionAtRest, "resources"): st.sampled_from(
            [("secrets",), ("secrets", "configmaps"), ("*.*",), ("*.apps", "pods"), ("y.on.012",)]
        ),
        (EncryptionAtRest, "providers"): st.lists(_providers(), min_size=1, max_size=3).map(tuple),
        (Authentication, "structured"): st.just(
            {
                "apiVersion": f"apiserver.config.k8s.io/{structured}",
                "kind": "AuthenticationConfiguration",
                "jwt": [],
            }
        )
        if minor >= 30
        else st.none(),
        (Authorization, ""): st.sampled_from(
            [
                Authorization(modes=("Node", "RBAC")),
                Authorization(
                    modes=("Webhook", "Node", "RBAC"),
                    webhook=AuthorizationWebhook(
                        kubeconfig=Secret(f"{{{_KUBECONFIG}"), version="v1"
                    ),
                ),
                *(
                    [
                        Authorization(
                            structured={
                                "apiVersion": f"apiserver.config.k8s.io/{authorization}",
                                "kind": "AuthorizationConfiguration",
                                "authorizers": [{"type": "RBAC", "name": "rbac"}],
                            }
                        )
                    ]
                    if minor >= 30
                    else []
                ),
            ]
        ),
        (Admission, "config"): st.just(
            {
                "apiVersion": "apiserver.config.k8s.io/v1",
                "kind": "AdmissionConfiguration",
                "plugins": [],
            }
        ),
        (AdmissionPlugins, "enabled"): st.just(("PodSecurity", "AlwaysPullImages")),
        (AdmissionPlugins, "disabled"): st.just(("DefaultStorageClass",)),
        (StaticPod, ""): st.sampled_from(["keepalived", "y", "012"]).map(_static_pod),
        (CertificatePair, ""): st.just(pair),
        (ServiceAccountKeys, ""): st.just(
            ServiceAccountKeys(public_key=(PEM / "sa.pub").read_text(), private_key=key)
        ),
        (ControlPlaneCertificates, "apiserver_etcd_client"): st.none(),
    }
    overrides[(Authentication, "")] = struct(
        Authentication, overrides, at_most_one_of=("oidc", "structured")
    )
    overrides[(AuditPolicy, "")] = struct(AuditPolicy, overrides, one_of=("log", "webhook"))
    return overrides


def _providers() -> Any_:
    keys = st.sampled_from(["y", "012", "1e3", "key"]).map(
        lambda name: EncryptionKeys(
            keys=(
                EncryptionKey(
                    name=name, secret=Secret(base64.b64encode(b"0123456789abcdef" * 2).decode())
                ),
            )
        )
    )
    return st.one_of(
        *(
            st.builds(EncryptionProvider, **{name: keys})
            for name in ("aescbc", "aesgcm", "secretbox")
        ),
        st.just(
            EncryptionProvider(
                kms=KmsProvider(name="y", endpoint="unix:///run/kms/012.sock", timeout="3s")
            )
        ),
        st.just(EncryptionProvider(identity=IdentityProvider())),
    )


def _static_pod(name: str) -> StaticPod:
    container = {
        "name": "a",
        "image": "registry.example.com/a:1",
        "env": [{"name": "B", "value": "on"}],
    }
    return StaticPod(
        name=name,
        manifest={
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system"},
            "spec": {"containers": [container]},
        },
    )


def _roles() -> dict[tuple[type, str], Any_]:
    overrides: dict[tuple[type, str], Any_] = {
        (BootstrapToken, "expires"): st.sampled_from(
            ["2030-01-01T00:00:00Z", "2031-12-31T23:59:59.5+05:30"]
        ),
        (BootstrapToken, "usages"): st.sampled_from([("signing", "authentication"), ()]),
        (TokenDiscovery, "endpoint"): st.sampled_from(
            ["cluster.example.com:6443", "192.0.2.1:443", "[2001:db8::1]:6443"]
        ),
        (TokenDiscovery, "token"): of(BootstrapTokenSecret, {}),
        (TokenDiscovery, "token_from"): st.none(),
        (TokenDiscovery, "ca_cert_hashes"): st.just(("sha256:" + "0e" * 32,)),
        (Kubeconfig, "server"): st.sampled_from(
            ["https://cluster.example.com:6443", "https://[2001:db8::1]:6443"]
        ),
        (Kubeconfig, "certificate_authority"): st.just((PEM / "ca.crt").read_text()),
        (FileDiscovery, "path"): st.just("/etc/passwd"),
    }
    for role in (JoinControlPlane, JoinWorker):
        overrides[(role, "ca_cert_path")] = st.sampled_from(["/etc/ssl/y.crt", "/srv/012/ca.crt"])
    overrides[(KubeconfigUser, "")] = struct(
        KubeconfigUser, overrides, one_of=("exec", "auth_provider")
    )
    overrides[(BootstrapToken, "")] = struct(
        BootstrapToken, overrides, at_most_one_of=("ttl", "expires")
    )
    overrides[(Kubeconfig, "")] = struct(
        Kubeconfig,
        overrides,
        at_most_one_of=("certificate_authority", "insecure_skip_tls_verify"),
    )
    token = struct(TokenDiscovery, overrides, always=("token", "ca_cert_hashes"))
    file = struct(FileDiscovery, overrides, one_of=("path", "kubeconfig"))
    for role in (JoinControlPlane, JoinWorker):
        overrides[(role, "discovery")] = st.one_of(token, file)
        overrides[(role, "")] = struct(role, overrides, always=("discovery",))
    return overrides


def _node(minor: int, role: Role) -> dict[tuple[type, str], Any_]:
    overrides: dict[tuple[type, str], Any_] = {
        (NodeConfig, "name_from"): st.none(),
        (NodeConfig, "provider_id_from"): st.none(),
        (NodeConfig, "labels_from"): st.just({}),
        (NodeKubelet, "node_ip_from"): st.none(),
        (NodeConfig, "cri_socket"): st.sampled_from(
            ["unix:///run/containerd/containerd.sock", "unix:///run/y/012.sock"]
        ),
        (NodeKubelet, "reserved_system_cpus"): st.sampled_from(["0", "0-1,8"]),
        (NodeKubelet, "feature_gates"): st.just({"GracefulNodeShutdown": True}),
        (NodeKubelet, "config"): st.just({"cpuCFSQuota": False, "volumePluginDir": "/opt/y"}),
        (NodeKubelet, "image_gc_high_threshold_percent"): st.integers(86, 100),
        (NodeKubelet, "image_gc_low_threshold_percent"): st.integers(0, 79),
        (NodeKubelet, "eviction_soft"): st.just({"memory.available": "300Mi"}),
        (NodeKubelet, "eviction_soft_grace_period"): st.just({"memory.available": "90s"}),
        (NodeKubelet, "max_parallel_image_pulls"): st.just(1),
        (NodeKubelet, "shutdown_grace_period"): st.just("2m"),
        (NodeKubelet, "shutdown_grace_period_critical_pods"): st.just("10s"),
    }
    if role != "JoinWorker":
        overrides[(NodeConfig, "uninitialized_taint")] = st.none()
    if minor < _FIRST_V1BETA4:
        overrides[(NodeConfig, "image_pull_serial")] = st.none()
    return overrides


def _mended(kubernetes: KubernetesConfig) -> KubernetesConfig:
    """What the rules want of fields together, so that little of what is drawn must be thrown away."""
    return replace(kubernetes, role=_mended_role(kubernetes), node=_mended_node(kubernetes.node))


def _mended_role(kubernetes: KubernetesConfig) -> Initialize | JoinControlPlane | JoinWorker | None:
    """Tokens begin differently, a joining control plane has a key, and who names no user has a token."""
    role = kubernetes.role
    if isinstance(role, Initialize):
        tokens = {one.token.reveal()[:6]: one for one in role.bootstrap_tokens}
        return replace(role, bootstrap_tokens=tuple(tokens.values()))
    if isinstance(role, JoinControlPlane) and role.certificate_key is None:
        role = replace(role, certificate_key=Secret("ab" * 32))
    if role is not None and isinstance(role.discovery, FileDiscovery):
        role = replace(role, tls_bootstrap_token=Secret("0e1234.0000000000000000"))
    return role


def _mended_node(node: NodeConfig | None) -> NodeConfig | None:
    """Soft evictions have their grace period, and the part of a grace period is no longer than the whole."""
    if node is None:
        return None
    taints = node.taints and tuple({(one.key, one.effect): one for one in node.taints}.values())
    kubelet = node.kubelet
    if kubelet is not None:
        soft = bool(kubelet.eviction_soft and kubelet.eviction_soft_grace_period)
        kubelet = replace(
            kubelet,
            eviction_soft=kubelet.eviction_soft if soft else {},
            eviction_soft_grace_period=kubelet.eviction_soft_grace_period if soft else {},
            shutdown_grace_period_critical_pods=kubelet.shutdown_grace_period_critical_pods
            if kubelet.shutdown_grace_period
            else None,
        )
    return replace(node, taints=taints, kubelet=kubelet)


__all__ = ["Overrides", "Role", "configurations", "findings"]
