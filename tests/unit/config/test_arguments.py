"""Arguments, feature gates and admission plugins are those of the program that is given them, of its version."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from machineadm.config import upstream
from machineadm.config.validation import check
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR
from machineadm.documents.decoding import read_values
from tests.configurations import configuration
from tests.rulecases import CLUSTER, CP, NODE, Case, K, judging

C = "spec.kubernetes.controlPlane"
N = "spec.kubernetes.node"
S = "spec.kubernetes"


def argument(name: str, value: str = "1") -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


CASES = [
    Case("the kubelet has its arguments",
         {f"{NODE}.extraArgs": argument("max-podss")}, [("MA1441", f"{N}.extraArgs[0].name")],
         {f"{NODE}.extraArgs": argument("event-burst")}),
    Case("an argument that has gone has gone",
         {f"{K}.version": "v1.35.1", f"{NODE}.extraArgs": argument("pod-infra-container-image")},
         [("MA1441", f"{N}.extraArgs[0].name")],
         {f"{NODE}.extraArgs": argument("pod-infra-container-image")}),
    Case("an argument that comes has not come",
         {f"{CP}.apiServer.extraArgs": argument("tls-curve-preferences", "29")},
         [("MA1441", f"{C}.apiServer.extraArgs[0].name")],
         {f"{K}.version": "v1.36.1", f"{CP}.apiServer.extraArgs": argument("tls-curve-preferences", "29")}),
    Case("an argument is one of its own program",
         {f"{CP}.scheduler.extraArgs": argument("cluster-name", "a")},
         [("MA1441", f"{C}.scheduler.extraArgs[0].name")],
         {f"{CP}.controllerManager.extraArgs": argument("cluster-name", "a")}),
    Case("etcd has its arguments",
         {f"{CLUSTER}.etcd.local.extraArgs": argument("quota-backend-byte")},
         [("MA1441", f"{S}.cluster.etcd.local.extraArgs[0].name")],
         {f"{CLUSTER}.etcd.local.extraArgs": argument("quota-backend-bytes")}),
    Case("an etcd of another image is another one",
         {f"{CLUSTER}.etcd.local.extraArgs": argument("enable-v2", "true")},
         [("MA1441", f"{S}.cluster.etcd.local.extraArgs[0].name")],
         {f"{CLUSTER}.etcd.local": {"image": {"tag": "3.5.1"}, "extraArgs": argument("enable-v2", "true")}}),
    Case("a switch is on or off",
         {f"{CP}.apiServer.extraArgs": argument("profiling", "off")},
         [("MA1412", f"{C}.apiServer.extraArgs[0].value")],
         {f"{CP}.apiServer.extraArgs": argument("profiling", "false")}),
    Case("a number is one",
         {f"{CP}.apiServer.extraArgs": argument("max-requests-inflight", "many")},
         [("MA1412", f"{C}.apiServer.extraArgs[0].value")],
         {f"{CP}.apiServer.extraArgs": argument("max-requests-inflight", "800")}),
    Case("a length of time has a unit",
         {f"{CP}.controllerManager.extraArgs": argument("node-monitor-period", "5")},
         [("MA1412", f"{C}.controllerManager.extraArgs[0].value")],
         {f"{CP}.controllerManager.extraArgs": argument("node-monitor-period", "5s")}),
    Case("thresholds of the kubelet have their own sign in the middle",
         {f"{NODE}.extraArgs": argument("eviction-hard", "memory.available=100Mi")},
         [("MA1412", f"{N}.extraArgs[0].value")],
         {f"{NODE}.extraArgs": argument("eviction-hard", "memory.available<100Mi,nodefs.available<10%")}),
    Case("soft thresholds are thresholds",
         {f"{NODE}.extraArgs": argument("eviction-soft", "memory.available")},
         [("MA1412", f"{N}.extraArgs[0].value")],
         {f"{NODE}.extraArgs": argument("eviction-soft", "memory.available<1Gi")}),
    Case("what is reclaimed, reserved and waited for is a pair with an equals sign",
         {f"{NODE}.extraArgs": argument("kube-reserved", "cpu<100m")},
         [("MA1412", f"{N}.extraArgs[0].value")],
         {f"{NODE}.extraArgs": [*argument("kube-reserved", "cpu=100m"), *argument("eviction-minimum-reclaim", "nodefs.available=1Gi")]}),
    Case("an address is one",
         {f"{CP}.scheduler.extraArgs": argument("bind-address", "localhost")},
         [("MA1412", f"{C}.scheduler.extraArgs[0].value")],
         {f"{CP}.scheduler.extraArgs": argument("bind-address", "127.0.0.1")}),
    Case("an address has no zeros in front",
         {f"{CP}.scheduler.extraArgs": argument("bind-address", "010.0.0.1")},
         [("MA1412", f"{C}.scheduler.extraArgs[0].value")],
         {f"{CP}.scheduler.extraArgs": argument("bind-address", "10.0.0.1")}),
    Case("the kubelet's hairpin mode is one of three",
         {f"{NODE}.extraArgs": argument("hairpin-mode", "")}, [("MA1412", f"{N}.extraArgs[0].value")],
         {f"{NODE}.extraArgs": argument("hairpin-mode", "none")}),
    Case("the kubelet's port is one",
         {f"{NODE}.extraArgs": argument("port", "0")}, [("MA1412", f"{N}.extraArgs[0].value")],
         {f"{NODE}.extraArgs": argument("port", "10250")}),
    Case("the advertised address is of the services' family",
         {f"{CP}.localAPIEndpoint.advertiseAddress": "fd00::1"}, [("MA1316", f"{C}.localAPIEndpoint.advertiseAddress")],
         {f"{CP}.localAPIEndpoint.advertiseAddress": "fd00::1", f"{CLUSTER}.network.serviceCIDRs": ["fd00:96::/112", "10.96.0.0/12"]}),
    Case("an advertised address among arguments is, too",
         {f"{CP}.apiServer.extraArgs": argument("advertise-address", "::1")}, [("MA1316", f"{C}.apiServer.extraArgs[0].value")],
         {f"{CP}.apiServer.extraArgs": argument("advertise-address", "192.0.2.1")}),
    Case("gates among arguments are gates of the program",
         {f"{CP}.apiServer.extraArgs": argument("feature-gates", "AllAlpha=true,Nope=true")},
         [("MA1442", f"{C}.apiServer.extraArgs[0].value")],
         {f"{CP}.apiServer.extraArgs": argument("feature-gates", "AllAlpha=true,kube:OpenAPIEnums=false")}),
    Case("a gate is on or off",
         {f"{CP}.scheduler.extraArgs": argument("feature-gates", "AllAlpha")},
         [("MA1412", f"{C}.scheduler.extraArgs[0].value")],
         {f"{CP}.scheduler.extraArgs": argument("feature-gates", "AllAlpha=false")}),
    Case("gates of the kubelet are those that it has",
         {f"{NODE}.kubelet.featureGates": {"CPUManager": False, "KubeletTracing": False, "NodeLogQueries": True}},
         [("MA1442", f"{N}.kubelet.featureGates.{gate}") for gate in ("CPUManager", "KubeletTracing", "NodeLogQueries")],
         {f"{NODE}.kubelet.featureGates": {"NodeLogQuery": True, "KubeletTracing": True}}),
    Case("gates of all kubelets are those that they have",
         {f"{CLUSTER}.kubelet": {"featureGates": {"Nope": True}}},
         [("MA1442", f"{S}.cluster.kubelet.featureGates.Nope")],
         {f"{CLUSTER}.kubelet": {"featureGates": {"AllAlpha": True}}}),
    Case("admission plugins are those of the API server",
         {f"{CP}.admission.plugins": {"enabled": ["NodeRestrictions"], "disabled": ["PodSecurityPolicy"]}},
         [("MA1443", f"{C}.admission.plugins.enabled[0]"), ("MA1443", f"{C}.admission.plugins.disabled[0]")],
         {f"{CP}.admission.plugins": {"enabled": ["NodeRestriction"], "disabled": ["PodSecurity"]}}),
    Case("admission plugins came and went",
         {f"{CP}.admission.plugins": {"enabled": ["SecurityContextDeny"]}},
         [("MA1443", f"{C}.admission.plugins.enabled[0]")],
         {f"{K}.version": "v1.29.4", f"{CP}.admission.plugins": {"enabled": ["SecurityContextDeny"]}}),
    Case("admission plugins among arguments are judged, too",
         {f"{CP}.apiServer.extraArgs": argument("enable-admission-plugins", "NodeRestriction,AlwaysPullImage")},
         [("MA1443", f"{C}.apiServer.extraArgs[0].value")],
         {f"{CP}.apiServer.extraArgs": argument("enable-admission-plugins", "NodeRestriction,AlwaysPullImages")}),
    Case("patches of kube-proxy came late",
         {f"{K}.patches": [{"target": "kubeproxydaemonset", "patch": "{}"}]}, [("MA1310", f"{S}.patches[0].target")],
         {f"{K}.version": "v1.37.0", f"{K}.patches": [{"target": "kubeproxydaemonset", "patch": "{}"}]}),
    Case("ipvs is warned of where it is deprecated",
         {f"{K}.version": "v1.35.0", f"{CLUSTER}.proxyAddon.mode": "ipvs"}, [("MA1445", f"{S}.cluster.proxyAddon.mode")],
         {f"{CLUSTER}.proxyAddon.mode": "ipvs"}),
    Case("a version to come is not taken unasked",
         {f"{K}.version": f"v1.{NEWEST_MINOR + 1}.0"}, [("MA1311", f"{S}.version")],
         {f"{K}.version": f"v1.{NEWEST_MINOR}.0"}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)

NEWER = f"v1.{NEWEST_MINOR + 1}.0"


@pytest.mark.parametrize("by", ["field", "command line"])
def test_a_version_to_come_is_taken_unjudged_where_that_is_asked_for(by: str) -> None:
    asked = configuration(
        {
            f"{K}.version": NEWER,
            f"{NODE}.extraArgs": argument("brand-new"),
            f"{CP}.admission.plugins": {"enabled": ["BrandNew"]},
            f"{NODE}.kubelet.featureGates": {"BrandNew": True},
            f"{NODE}.kubelet.config": {"brandNew": 1},
            **({f"{K}.allowUnknownVersion": True} if by == "field" else {}),
        }
    )

    told = check(asked, allow_unknown_version=by == "command line")

    assert [(each.code, each.severity) for each in told] == [("MA1444", "warning")]


def test_a_field_of_ours_is_named_where_there_is_one() -> None:
    told = check(configuration({f"{NODE}.extraArgs": argument("max-pods", "many")}))

    assert [each.hint for each in told] == ["better write spec.kubernetes.node.kubelet.maxPods"]


@pytest.mark.parametrize("minor", range(OLDEST_MINOR, NEWEST_MINOR + 1))
def test_no_table_lacks_a_version(minor: int) -> None:
    """Something of each table is there in every version, and the table says what release that was read in."""
    names, fields = upstream.names(), upstream.fields()

    for table in (names, fields):
        assert table["sources"][str(minor)].startswith(f"1.{minor}.")
    for program, least in LEAST.items():
        flags = names["flags"][program]
        assert sum(upstream.at(entry, minor) is not None for entry in flags.values()) >= least
    for program, least in (("components", 150), ("kubeadm", 1)):
        gates = names["gates"][program]
        assert sum(upstream.at(entry, minor) is not None for entry in gates.values()) >= least
    for role in ("init", "join"):
        assert upstream.at(names["phases"][role]["preflight"], minor) is not None
    for plugin in ("NodeRestriction", "PodSecurity", "EventRateLimit"):
        assert upstream.at(names["plugins"][plugin], minor) is not None


LEAST = {
    "kube-apiserver": 150,
    "kube-controller-manager": 130,
    "kube-scheduler": 50,
    "kubelet": 120,
    "etcd": 110,
}


def test_the_tables_end_where_the_release_says() -> None:
    for table in (upstream.names(), upstream.fields()):
        assert [int(minor) for minor in table["sources"]] == list(
            range(OLDEST_MINOR, NEWEST_MINOR + 1)
        )


def of_values(program: str, *pairs: tuple[str, str], minor: int = 34) -> list[str]:
    from machineadm.config.concerns.kubeadm.arguments import judge_arguments

    given = [SimpleNamespace(name=name, value=value) for name, value in pairs]
    return [each.path for each in judge_arguments(given, "", program, minor)]


REFUSED_VALUES = [
    ("kube-apiserver", "max-requests-inflight", "-1"),
    ("kube-apiserver", "max-requests-inflight", "99999999999999999999"),
    ("kube-apiserver", "goaway-chance", "0.5"),
    ("kube-apiserver", "secure-port", "70000"),
    ("kube-apiserver", "service-node-port-range", "32767-30000"),
    ("kube-apiserver", "service-node-port-range", "30000-70000"),
    ("kube-apiserver", "service-cluster-ip-range", "10.96.0.0"),
    ("kube-apiserver", "service-cluster-ip-range", "10.96.0.0/12,10.112.0.0/12"),
    ("kube-apiserver", "request-timeout", "-1s"),
    ("kube-apiserver", "storage-backend", "etcd2"),
    ("kube-apiserver", "storage-media-type", "application/xml"),
    ("kube-apiserver", "tls-min-version", "TLS1.2"),
    ("kube-apiserver", "tls-cipher-suites", "TLS_AES_128_GCM_SHA256,TLS_NO_SUCH"),
    ("kube-apiserver", "etcd-servers-overrides", "/events"),
    ("kube-apiserver", "runtime-config", "api/all=no"),
    ("kube-apiserver", "authorization-mode", "Node,Rbac"),
    ("kube-apiserver", "service-account-jwks-uri", "http://a.example/keys"),
    ("kube-apiserver", "service-account-max-token-expiration", "10m"),
    ("kube-apiserver", "vmodule", "httplog"),
    ("kube-apiserver", "tls-sni-cert-key", "a.crt"),
    ("kube-apiserver", "v", "-1"),
    ("kube-apiserver", "show-hidden-metrics-for-version", "1.20"),
    ("kube-apiserver", "bind-address", "localhost"),
    ("kube-controller-manager", "concurrent-job-syncs", "0"),
    ("kube-controller-manager", "concurrent-job-syncs", "3000000000"),
    ("kube-controller-manager", "max-endpoints-per-slice", "1001"),
    ("kube-controller-manager", "attach-detach-reconcile-sync-period", "10ms"),
    ("kube-controller-manager", "leader-elect-resource-lock", "endpoints"),
    ("kube-controller-manager", "cloud-provider", "aws"),
    ("kube-scheduler", "logging-format", "xml"),
    ("kubelet", "max-pods", "-1"),
    ("kubelet", "event-qps", "-1"),
    ("kubelet", "image-gc-high-threshold", "101"),
    ("kubelet", "topology-manager-policy", "numa"),
    ("kubelet", "topology-manager-policy", ""),
    ("kubelet", "reserved-cpus", "3-1"),
    ("kubelet", "container-log-max-files", "1"),
    ("kube-apiserver", "v", "0x10"),
    ("kube-apiserver", "runtime-config", "v1=true"),
    ("kube-apiserver", "runtime-config", "nope.k8s.io/v1=true"),
    ("kube-apiserver", "runtime-config", "lifecycle.k8s.io/v1alpha1=true"),
    ("kube-apiserver", "enable-admission-plugins", "NodeRestrictoin"),
    ("kube-apiserver", "admission-control", "NodeRestriction"),
    ("kubelet", "reserved-memory", "0:memory"),
    ("kubelet", "reserved-memory", "0:cpu=1"),
    ("kubelet", "manifest-url-header", "a=b"),
    ("kubelet", "cpu-manager-policy-options", ""),
    ("kubelet", "enforce-node-allocatable", "pod"),
    ("kubelet", "topology-manager-scope", ""),
    ("kube-controller-manager", "concurrent-job-syncs", "0"),
    ("etcd", "auto-compaction-mode", "always"),
    ("etcd", "snapshot-count", "-1"),
    ("etcd", "listen-client-urls", "https://node.example:2379"),
    ("etcd", "listen-metrics-urls", "http://127.0.0.1"),
    ("etcd", "advertise-client-urls", "https://:2379"),
    ("etcd", "cors", "example.com"),
    ("etcd", "compact-hash-check-time", "0s"),
    ("etcd", "max-concurrent-streams", "-1"),
    ("etcd", "discovery-fallback", "proxy"),
    ("etcd", "v2-deprecation", "not-yet"),
    ("etcd", "logger", "capnslog"),
    ("etcd", "heartbeat-interval", "300"),
    ("etcd", "election-timeout", "60000"),
    ("etcd", "discovery-srv", "example.com"),
    ("etcd", "discovery-token", "a"),
    ("etcd", "discovery-endpoints", ""),
    ("etcd", "feature-gates", "Nope=true"),
    ("etcd", "feature-gates", "PriorityRequest=true"),
    ("etcd", "feature-gates", "LeaseCheckpointPersist=true"),
    ("etcd", "experimental-initial-corrupt-check", "true"),
    ("etcd", "experimental-watch-progress-notify-interval", "5s"),
    ("etcd", "enable-log-rotation", "true"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "name", "value"), REFUSED_VALUES)
def test_a_value_that_the_program_parses_and_refuses_is_refused(
    program: str, name: str, value: str
) -> None:
    assert of_values(program, (name, value)) == ["[0].value"]


@pytest.mark.parametrize(
    ("program", "name", "value"),
    [
        ("kube-apiserver", "tls-curve-preferences", ""),
        ("kube-controller-manager", "concurrent-device-taint-eviction-syncs", "0"),
        ("kubelet", "feature-gates", "AllAlpha=true"),
    ],
)
def test_what_1_37_refuses_is_refused(program: str, name: str, value: str) -> None:
    assert of_values(program, (name, value), minor=37) == ["[0].value"]


def test_a_stage_whose_gates_need_nothing_of_another_is_turned_on() -> None:
    assert of_values("kubelet", ("feature-gates", "AllAlpha=true"), minor=34) == []
    assert of_values("kubelet", ("feature-gates", "AllAlpha=true,AllBeta=true"), minor=37) == []


def test_the_two_discoveries_of_etcd_do_not_go_together() -> None:
    assert of_values("etcd", ("discovery-cert", "/a"), ("discovery-proxy", "b")) == ["[1].value"]
    assert of_values("etcd", ("discovery-proxy", "b")) == []


TAKEN_VALUES = [
    ("kube-apiserver", "max-requests-inflight", "0x10"),
    ("kube-apiserver", "service-node-port-range", "30000+100"),
    ("kube-apiserver", "service-cluster-ip-range", "10.96.0.0/12,fd00::/112"),
    ("kube-apiserver", "runtime-config", "api/beta=true,apps/v1"),
    ("kube-apiserver", "tls-cipher-suites", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("kube-apiserver", "vmodule", "httplog=3,server*=2"),
    ("kube-apiserver", "show-hidden-metrics-for-version", "1.33"),
    ("kube-apiserver", "service-account-issuer", "api"),
    ("kube-apiserver", "bind-address", "::"),
    ("kube-controller-manager", "concurrent-job-syncs", "1"),
    ("kube-controller-manager", "secure-port", "0"),
    ("kubelet", "max_pods", "250"),
    ("kubelet", "image-gc-high-threshold", "90"),
    ("kube-apiserver", "runtime-config", "api/ga=true,/v1,apiregistration.k8s.io/v1=false"),
    ("kube-apiserver", "log-text-split-stream", "false"),
    ("kubelet", "reserved-memory", "0:memory=1Gi,hugepages-2Mi=100M;1:memory=2Gi"),
    ("kubelet", "manifest-url-header", "a:b,c:d"),
    ("kubelet", "enforce-node-allocatable", "pods"),
    ("etcd", "auto-compaction-mode", "revision"),
    ("etcd", "listen-metrics-urls", "http://0.0.0.0:2381,http://[::1]:2381"),
    ("etcd", "cors", "*"),
    ("etcd", "heartbeat-interval", "200"),
    ("etcd", "feature-gates", "InitialCorruptCheck=true,CompactHashCheck=true"),
]


@pytest.mark.parametrize(("program", "name", "value"), TAKEN_VALUES)
def test_a_value_that_the_program_takes_is_taken(program: str, name: str, value: str) -> None:
    assert of_values(program, (name, value)) == []


def test_a_gate_that_is_on_without_what_it_needs_is_refused_from_1_35() -> None:
    gates = ("feature-gates", "DRAAdminAccess=true,DynamicResourceAllocation=false")

    assert of_values("kube-scheduler", gates, minor=34) == []
    assert of_values("kubelet", ("feature-gates", "GracefulNodeShutdown=false"), minor=37) == [
        "[0].value"
    ]


def test_a_cloud_of_the_api_server_is_none_that_is_compiled_in_no_more() -> None:
    """The API server has the argument up to 1.32; 1.30 still has gce where two gates are off."""
    gates = (
        "feature-gates",
        "DisableCloudProviders=false,DisableKubeletCloudCredentialProviders=false",
    )

    for minor in (29, 30, 31, 32):
        assert of_values("kube-apiserver", ("cloud-provider", "preload"), minor=minor) == [
            "[0].value"
        ]
        assert of_values("kube-apiserver", ("cloud-provider", "external"), minor=minor) == []
        assert of_values("kube-apiserver", ("cloud-provider", "gce"), minor=minor) != []
    assert of_values("kube-apiserver", ("cloud-provider", "gce"), gates, minor=30) == []
    assert of_values("kube-apiserver", ("cloud-provider", "external"), gates, minor=30) != []


def test_options_of_the_topology_manager_are_one_pair_up_to_1_30() -> None:
    name = "topology-manager-policy-options"

    for minor in (29, 30):
        assert of_values("kubelet", (name, ""), minor=minor) == ["[0].value"]
        assert of_values("kubelet", (name, "prefer-closest-numa-nodes"), minor=minor) == [
            "[0].value"
        ]
    for minor in (29, 30, 31, 37):
        assert of_values("kubelet", (name, "prefer-closest-numa-nodes=true"), minor=minor) == []
    assert of_values("kubelet", (name, ""), minor=31) == []


def test_an_empty_address_is_none_from_1_34_on() -> None:
    for minor, refused in ((30, ["[0].value"]), (33, ["[0].value"]), (34, [])):
        assert of_values("kube-apiserver", ("advertise-address", ""), minor=minor) == refused
    assert of_values("kube-scheduler", ("bind-address", ""), minor=31) == ["[0].value"]


def test_a_proxy_of_etcd_is_on_off_or_readonly() -> None:
    """etcd 3.6 has none any more."""
    assert of_values("etcd", ("proxy", "//a:"), minor=30) == ["[0].value"]
    assert of_values("etcd", ("proxy", "readonly"), minor=30) == []
    assert of_values("etcd", ("proxy", "readonly"), minor=34) == ["[0].name"]


def test_a_lease_that_outlives_its_leader_needs_checkpoints_in_every_etcd() -> None:
    needed = ("experimental-enable-lease-checkpoint", "true")
    alone = ("experimental-enable-lease-checkpoint-persist", "T")

    for minor in (30, 34):
        assert of_values("etcd", alone, minor=minor) == ["[0].value"]
        assert of_values("etcd", alone, needed, minor=minor) == []


AUDITED = [
    ([("audit-log-path", "/a"), ("audit-log-truncate-max-batch-size", "1_000")], [1]),
    ([("audit-log-path", "/a"), ("audit-log-truncate-max-event-size", "0")], [1]),
    ([("audit-webhook-config-file", "/a"), ("audit-webhook-truncate-max-event-size", "20000000")], [1]),
    ([("audit-webhook-config-file", "/a"), ("audit-webhook-batch-max-size", "0")], [1]),
    ([("audit-webhook-config-file", "/a"), ("audit-webhook-batch-throttle-qps", "-0.5")], [1]),
    ([("audit-log-path", "/a"), ("audit-log-mode", "batch"), ("audit-log-batch-buffer-size", "0")], [2]),
    ([("audit-log-path", "/a"), ("audit-log-mode", "batch"), ("audit-log-batch-throttle-enable", "true")], [2, 2]),
    ([("audit-log-truncate-max-batch-size", "1")], []),
    ([("audit-log-path", "/a"), ("audit-log-batch-buffer-size", "0")], []),
    ([("audit-log-path", "/a"), ("audit-log-truncate-max-event-size", "0x10")], []),
    ([("audit-webhook-config-file", "/a"), ("audit-webhook-mode", "blocking"), ("audit-webhook-batch-max-size", "0")], []),
    ([("audit-webhook-config-file", "/a"), ("audit-webhook-batch-throttle-enable", "false"), ("audit-webhook-batch-throttle-qps", "0")], []),
]  # fmt: skip


@pytest.mark.parametrize(("given", "refused"), AUDITED)
def test_batches_and_sizes_of_an_audit_backend_are_judged_where_it_is_on(
    given: list[tuple[str, str]], refused: list[int]
) -> None:
    for minor in (29, 34, 37):
        assert of_values("kube-apiserver", *given, minor=minor) == [
            f"[{index}].value" for index in refused
        ]


APART = [
    ("kube-apiserver", [("oidc-username-claim", "sub")], [("oidc-issuer-url", "https://a.example"), ("oidc-client-id", "a")]),
    ("kube-apiserver", [("authorization-policy-file", "/a")], [("authorization-mode", "Node,RBAC,ABAC")]),
    ("kube-apiserver", [("authorization-mode", "Node,Webhook")], [("authorization-webhook-config-file", "/a")]),
    ("kube-apiserver", [("encryption-provider-config-automatic-reload", "true")], [("encryption-provider-config", "/a")]),
    ("kube-apiserver", [("peer-ca-file", "/a")], [("feature-gates", "UnknownVersionInteroperabilityProxy=true")]),
    ("kube-apiserver", [("kubernetes-service-node-port", "20000")], [("service-node-port-range", "20000-20100")]),
    ("kube-apiserver", [("coordinated-leadership-renew-deadline", "20s")], [("coordinated-leadership-lease-duration", "30s")]),
    ("kube-apiserver", [("runtime-config", "api/ga=false")], [("enable-priority-and-fairness", "false")]),
    ("kube-scheduler", [("log-text-split-stream", "true")], [("feature-gates", "LoggingAlphaOptions=true")]),
    ("kube-scheduler", [("requestheader-uid-headers", "X-Uid")], [("requestheader-uid-headers", "X-Uid,X-Remote-Uid")]),
    (
        "kube-controller-manager",
        [("cluster-signing-kubelet-client-cert-file", "/a")],
        [("cluster-signing-kubelet-client-key-file", "/b"), ("cluster-signing-cert-file", ""), ("cluster-signing-key-file", "")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("program", "alone", "more"), APART)
def test_what_needs_another_argument_is_refused_without_it(
    program: str, alone: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    together = {**dict(alone), **dict(more)}

    assert of_values(program, *alone) == ["[0].value"]
    assert of_values(program, *together.items()) == []


def test_an_argument_that_a_field_of_ours_completes_is_taken() -> None:
    reload = {"name": "encryption-provider-config-automatic-reload", "value": "true"}
    arguments = {"kubernetes.controlPlane.apiServer.extraArgs": [reload]}
    keys = {
        "kubernetes.controlPlane.encryptionAtRest.providers": [
            {"kms": {"name": "a", "endpoint": "unix:///run/a/a"}}
        ]
    }

    (told,) = check(configuration(arguments), read=read_values)
    assert told.path.endswith("extraArgs[0].value")
    assert check(configuration(arguments | keys), read=read_values) == []


def test_a_fault_among_arguments_is_told_once() -> None:
    file = {"name": "authorization-policy-file", "value": "/etc/kubernetes/pki/abac"}
    arguments = {"kubernetes.controlPlane.apiServer.extraArgs": [file]}
    modes = {"kubernetes.controlPlane.authorization": {"modes": ["Node", "RBAC", "ABAC"]}}

    (told,) = check(configuration(arguments), read=read_values)
    assert told.path.endswith("extraArgs[0].name")
    assert check(configuration(arguments | modes), read=read_values) == []


def test_any_group_of_an_audit_rule_is_taken_where_the_api_server_does() -> None:
    from machineadm.config.passed_on import judged

    rule = {"level": "None", "resources": [{"group": "*"}]}
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [rule]}

    assert [each.code for each in judged(policy, "", "Policy", 35)] == ["MA1440"]
    assert list(judged(policy, "", "Policy", 36)) == []


@pytest.mark.parametrize(
    ("program", "name", "value", "first"),
    [
        ("kube-controller-manager", "log-flush-frequency", "0s", 35),
        ("kube-controller-manager", "concurrent-resourceclaim-syncs", "0", 36),
    ],
)
def test_a_value_is_refused_from_the_version_on_that_refuses_it(
    program: str, name: str, value: str, first: int
) -> None:
    assert of_values(program, (name, value), minor=first) == ["[0].value"]
    before = of_values(program, (name, value), minor=first - 1)
    assert before in ([], ["[0].name"])
