"""kubeadm's own documents and nodeadm's NodeConfig."""

from __future__ import annotations

import pytest

from tests.unit.conversion.converting import converted, outcome

INIT = """
apiVersion: kubeadm.k8s.io/{version}
kind: InitConfiguration
bootstrapTokens: [{{token: abcdef.0123456789abcdef, ttl: 24h0m0s, usages: [signing, authentication]}}]
localAPIEndpoint: {{advertiseAddress: 192.0.2.1, bindPort: 6443}}
nodeRegistration: {{criSocket: unix:///run/containerd/containerd.sock, name: a, kubeletExtraArgs: {arguments}, taints: null}}
---
apiVersion: kubeadm.k8s.io/{version}
kind: ClusterConfiguration
kubernetesVersion: 1.34.1
clusterName: mine
controlPlaneEndpoint: a.example.com:6443
networking: {{podSubnet: "10.1.0.0/16,fd00::/56", serviceSubnet: 10.2.0.0/16, dnsDomain: cluster.local}}
apiServer: {{certSANs: [a.example.com]}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 50
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
metricsBindAddress: 0.0.0.0:10249
"""


@pytest.mark.parametrize(
    ("version", "arguments"),
    [("v1beta2", "{v: '2'}"), ("v1beta3", "{v: '2'}"), ("v1beta4", "[{name: v, value: '2'}]")],
)
def test_the_documents_of_one_file_are_one_machine(version: str, arguments: str) -> None:
    found = converted(INIT.format(version=version, arguments=arguments))
    kubernetes = found.spec["kubernetes"]

    assert found.document["kind"] == "MachineConfiguration"
    assert found.undecided == {}
    assert kubernetes["version"] == "v1.34.1"
    assert kubernetes["role"]["type"] == "Initialize"
    assert kubernetes["role"]["bootstrapTokens"][0]["ttl"] == "24h0m0s"
    assert kubernetes["cluster"] == {
        "name": "mine",
        "controlPlaneEndpoint": "a.example.com:6443",
        "network": {
            "dnsDomain": "cluster.local",
            "podCIDRs": ["10.1.0.0/16", "fd00::/56"],
            "serviceCIDRs": ["10.2.0.0/16"],
        },
        "kubelet": {"maxPods": 50},
        "proxyAddon": {"mode": "ipvs", "config": {"metricsBindAddress": "0.0.0.0:10249"}},
    }
    assert kubernetes["node"]["extraArgs"] == [{"name": "v", "value": "2"}]


JOIN = """
apiVersion: kubeadm.k8s.io/v1beta3
kind: JoinConfiguration
discovery: {bootstrapToken: {token: abcdef.0123456789abcdef, apiServerEndpoint: "a:6443", unsafeSkipCAVerification: true}, timeout: 6m}
"""


def test_a_joining_machine() -> None:
    worker = converted(JOIN, version="v1.34.1")
    control = converted(
        JOIN + "controlPlane: {certificateKey: " + "a" * 64 + "}\n", version="v1.34.1"
    )

    assert worker.undecided == {}
    assert worker.spec["kubernetes"]["role"]["type"] == "JoinWorker"
    assert worker.spec["kubernetes"]["timeouts"] == {"discovery": "6m"}
    assert control.spec["kubernetes"]["role"]["type"] == "JoinControlPlane"
    assert control.spec["kubernetes"]["role"]["certificateKey"] == "a" * 64


def test_both_roles_in_one_file_need_one_of_the_command_line() -> None:
    text = (
        INIT.format(version="v1beta4", arguments="[]") + "---" + JOIN.replace("v1beta3", "v1beta4")
    )

    assert [one.code for one in outcome(text).problems] == ["MA2103"]
    assert converted(text, role="JoinWorker").spec["kubernetes"]["role"]["type"] == "JoinWorker"


def test_a_kind_that_comes_again_is_another_machine() -> None:
    found = outcome(JOIN + "---" + JOIN, version="v1.34.1")

    assert [result.document for result in found.results] == [1, 2]


@pytest.mark.parametrize(
    ("token", "undecided"),
    [
        (
            "{ttl: 24h0m0s, groups: ['system:bootstrappers:kubeadm:default-node-token'], usages: [signing, authentication]}",
            False,
        ),
        ("{ttl: 24h0m0s}", False),
        ("{ttl: 48h}", True),
        ("{description: mine}", True),
    ],
)
def test_a_token_that_kubeadm_makes_up_is_the_default_or_a_decision(
    token: str, undecided: bool
) -> None:
    found = converted(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens: ["
        + token
        + "]\n",
        version="v1.34.1",
    )

    assert bool(found.undecided) is undecided
    assert "bootstrapTokens" not in found.spec["kubernetes"]["role"]


def test_a_channel_of_versions_needs_a_decision() -> None:
    text = INIT.format(version="v1beta4", arguments="[]").replace("1.34.1", "stable-1")

    assert "kubernetesVersion" in next(iter(converted(text).undecided))


NODE_CONFIG = """
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: mine, apiServerEndpoint: "https://example.com", certificateAuthority: Y2E=, cidr: 10.100.0.0/16}
  kubelet:
    config: {maxPods: 20, shutdownGracePeriod: 30s, podsPerCore: 2, readOnlyPort: 0}
    flags: ["--node-labels=a=b,c=d", "--v=2"]
  containerd: {config: "[a]"}
  instance: {localStorage: {strategy: RAID0}}
"""


def test_a_node_config_as_far_as_it_has_a_counterpart() -> None:
    found = converted(NODE_CONFIG, version="v1.34.1")
    node = found.spec["kubernetes"]["node"]

    assert node["kubelet"]["maxPods"] == 20
    assert node["kubelet"]["config"] == {"readOnlyPort": 0}
    assert node["labels"] == {"a": "b", "c": "d"}
    assert node["extraArgs"] == [{"name": "v", "value": "2"}]
    assert sorted(found.undecided) == [
        "spec.cluster.apiServerEndpoint",
        "spec.cluster.certificateAuthority",
        "spec.containerd.config",
        "spec.instance.localStorage.strategy",
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "path"),
    [
        ("certSANs: [a.example.com]", "certSANs: ['a b']", "ClusterConfiguration.apiServer.certSANs[0]"),
        ("mode: ipvs", "mode: nothing", "KubeProxyConfiguration.mode"),
        ("maxPods: 50", "maxPods: -5", "KubeletConfiguration.maxPods"),
        ("bindPort: 6443", "bindPort: 99999", "InitConfiguration.localAPIEndpoint.bindPort"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_document_of_several(
    right: str, wrong: str, path: str
) -> None:
    text = INIT.format(version="v1beta4", arguments="[]")
    assert right in text

    assert path in converted(text.replace(right, wrong)).undecided
