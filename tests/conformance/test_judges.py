"""Each judge passes a good document and catches a planted fault; without that its silence proves nothing."""

import subprocess

import pytest

from tests.judges import judges

CLUSTER = """\
apiVersion: kubeadm.k8s.io/{api}
kind: ClusterConfiguration
kubernetesVersion: v{version}
networking: {{podSubnet: 10.244.0.0/16}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 40
"""
WORKER = """\
apiVersion: kubeadm.k8s.io/{api}
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: abcdef.0123456789abcdef
    apiServerEndpoint: cluster.example:6443
    unsafeSkipCAVerification: true
"""
API = {"1.30.4": "v1beta3", "1.31.4": "v1beta4", "1.34.4": "v1beta4"}
KUBEADM = pytest.mark.parametrize("version", judges.KUBEADM_VERSIONS)


def cluster(version: str) -> str:
    return CLUSTER.format(api=API[version], version=version)


@KUBEADM
def test_kubeadm_is_the_release_that_the_module_pins(version: str) -> None:
    shown = subprocess.run(
        [judges.kubeadm(version), "version", "-o", "short"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout.strip() == f"v{version}"


@KUBEADM
def test_kubeadm_passes_good_configurations(version: str) -> None:
    assert judges.kubeadm_validate(version, cluster(version)) == []
    assert judges.kubeadm_validate(version, WORKER.format(api=API[version])) == []


@KUBEADM
@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("networking:", "netwroking:", "netwroking"),
        ("10.244.0.0/16", "10.244.0.0/160", "10.244.0.0/160"),
        ("maxPods: 40", "maxPod: 40", "maxPod"),
        ("maxPods: 40", "maxPods: 'y'", "maxPods"),
    ],
)
def test_kubeadm_catches_a_planted_fault(version: str, right: str, wrong: str, words: str) -> None:
    assert right in cluster(version)

    problems = judges.kubeadm_validate(version, cluster(version).replace(right, wrong))

    assert any(words in problem for problem in problems), problems


@KUBEADM
def test_kubeadm_refuses_a_release_it_cannot_make(version: str) -> None:
    text = cluster(version).replace(f"v{version}", "v1.27.0")

    assert judges.kubeadm_validate(version, text)


GOOD = {
    "KubeletConfiguration": """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 40
""",
    "KubeProxyConfiguration": """\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
""",
    "EncryptionConfiguration": """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox: {keys: [{name: one, secret: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=}]}
  - identity: {}
""",
    "AuthenticationConfiguration": """\
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://issuer.example, audiences: [kubernetes]}
  claimMappings: {username: {claim: sub, prefix: ""}}
""",
    "AuthorizationConfiguration": """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers: [{type: Node, name: node}, {type: RBAC, name: rbac}]
""",
    "AdmissionConfiguration": """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults: {enforce: baseline}
""",
    "Policy": """\
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: Metadata, omitStages: [RequestReceived]}]
""",
    "Pod": """\
apiVersion: v1
kind: Pod
metadata: {name: proxy, namespace: kube-system}
spec:
  containers: [{name: proxy, image: "registry.example/proxy:1"}]
""",
    "Config": """\
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://cluster.example"}}]
contexts: [{name: a, context: {cluster: a, user: b}}]
users: [{name: b, user: {token: x}}]
current-context: a
""",
}
# What is right in a good document, what is wrong instead, and what the judge must say.
FAULTS = [
    ("KubeletConfiguration", "maxPods: 40", "maxPods: -3", "must not be a negative number"),
    ("KubeletConfiguration", "maxPods: 40", "maxPod: 40", 'unknown field "maxPod"'),
    ("KubeletConfiguration", "maxPods: 40", "featureGates: {Nope: true}", "Nope"),
    ("KubeProxyConfiguration", "mode: nftables", "mode: bogus", "bogus"),
    ("EncryptionConfiguration", "MDEyMzQ1Njc4", "MDEyMzQ1", "expected length"),
    ("EncryptionConfiguration", "secretbox", "secretBox", "secretBox"),
    ("AuthenticationConfiguration", "https://issuer", "http://issuer", "URL scheme must be https"),
    ("AuthenticationConfiguration", "v1beta1", "v1beta9", "v1beta9"),
    ("AuthorizationConfiguration", "name: rbac", "name: other", "must be rbac"),
    ("AuthorizationConfiguration", "type: Node", "type: Bogus", "Bogus"),
    ("AdmissionConfiguration", "enforce: baseline", "enforce: nonsense", "nonsense"),
    ("AdmissionConfiguration", "configuration:", "config:", 'unknown field "plugins[0].config"'),
    ("Policy", "level: Metadata", "level: All", "All"),
    ("Policy", "rules: [{level: Metadata, omitStages: [RequestReceived]}]", "rules: []", "0 rules"),
    ("Pod", "name: proxy, image", "name: Proxy_, image", "RFC 1123"),
    ("Pod", "containers:", "serviceAccountName: robot\n  containers:", "serviceaccounts"),
    ("Pod", "kind: Pod", "kind: Pad", "no component reads"),
    ("Config", "cluster: a, user", "cluster: nowhere, user", "nowhere"),
]


def test_the_component_judge_passes_good_documents() -> None:
    assert judges.component_validate("---\n".join(GOOD.values())) == []


@pytest.mark.parametrize(("kind", "right", "wrong", "words"), FAULTS)
def test_the_component_judge_catches_a_planted_fault(
    kind: str, right: str, wrong: str, words: str
) -> None:
    assert right in GOOD[kind]
    stream = [GOOD["Policy"], GOOD[kind].replace(right, wrong, 1), GOOD["KubeletConfiguration"]]

    problems = judges.component_validate("---\n".join(stream))

    assert {problem.document for problem in problems} == {1}
    assert any(words in problem.message for problem in problems), problems


def test_the_component_judge_reads_json() -> None:
    text = '{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": "y"}'

    (problem,) = judges.component_validate(text)

    assert problem.kind == "KubeletConfiguration"
    assert "maxPods" in problem.message
