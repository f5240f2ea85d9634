"""Every rule between fields: what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

import base64
import gzip
import importlib
from typing import Any, NamedTuple

import pytest

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config import validation
from machineadm.config.paths import structs_in
from machineadm.config.rules.model import Context
from machineadm.config.validation import check
from tests.configurations import TOKEN, configuration, example

K = "kubernetes"
CP = f"{K}.controlPlane"
NODE = f"{K}.node"
CLUSTER = f"{K}.cluster"
OLD = {f"{K}.version": "v1.30.4"}
WORKER = {f"{K}.role": {"type": "JoinWorker", "discovery": TOKEN}}
KEY16, KEY32 = base64.b64encode(b"k" * 16).decode(), base64.b64encode(b"k" * 32).decode()

_maximal = example("maximal.yaml").spec.kubernetes
assert _maximal
assert _maximal.control_plane
assert _maximal.control_plane.certificates
assert _maximal.control_plane.certificates.ca
assert _maximal.control_plane.certificates.ca.key
assert _maximal.control_plane.certificates.service_account
CERTIFICATE = _maximal.control_plane.certificates.ca.certificate
PRIVATE = _maximal.control_plane.certificates.ca.key.reveal()
PUBLIC = _maximal.control_plane.certificates.service_account.public_key

POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "None"}]}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "a", "image": "b"}]},
}
SERVER = {"server": "https://api.example.com:6443"}
PAIR = {"certificate": CERTIFICATE, "key": PRIVATE}
ACCOUNT = {"publicKey": PUBLIC, "privateKey": PRIVATE}


class Case(NamedTuple):
    """A rule, seen from outside."""

    sentence: str
    bad: dict[str, Any]
    findings: list[tuple[str, str]]
    good: dict[str, Any]


def joining(discovery: dict[str, Any], **role: Any) -> dict[str, Any]:
    return {f"{K}.role": {"type": "JoinWorker", "discovery": discovery, **role}}


def file(**fields: Any) -> dict[str, Any]:
    return {"machine.files": [{"path": "/etc/a", **fields}]}


def command(**fields: Any) -> dict[str, Any]:
    return {"machine.commands.boot": [fields]}


def gzipped(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


FILE = "spec.machine.files[0]"
URL = "https://example.com/a"
BOOT = "spec.machine.commands.boot[0]"
ROLE = "spec.kubernetes.role"
DISCOVERY = f"{ROLE}.discovery"

MACHINE = [
    Case("a file has one content",
         file(content="a", source={"url": "file:///a"}), [("MA1301", f"{FILE}.source")],
         file(content="a")),
    Case("a file has a content",
         file(), [("MA1302", FILE)], file(content="")),
    Case("base64 is base64",
         file(content="YQ=", encoding="base64"), [("MA1307", f"{FILE}.content")],
         file(content="YW\nJj\n", encoding="base64")),
    Case("gzip is gzip in base64",
         file(content="YWJj", encoding="gzip"), [("MA1307", f"{FILE}.content")],
         file(content=gzipped(b"abc"), encoding="gzip")),
    Case("gzip+base64 is not cut off",
         file(content=base64.b64encode(gzip.compress(b"abc" * 99, mtime=0)[:-9]).decode(), encoding="gzip+base64"),
         [("MA1307", f"{FILE}.content")],
         file(content=gzipped(b"abc" * 99), encoding="gzip+base64")),
    Case("a source is written as it comes",
         file(source={"url": "file:///a"}, encoding="base64", append=True),
         [("MA1301", f"{FILE}.encoding"), ("MA1301", f"{FILE}.append")],
         file(source={"url": "file:///a"})),
    Case("a template is the manager's",
         file(content="a", contentFormat="Template"), [("MA1308", f"{FILE}.contentFormat")],
         file(content="a", contentFormat="Raw")),
    Case("a download is pinned",
         file(source={"url": URL}), [("MA1309", f"{FILE}.source")],
         file(source={"url": URL, "sha512": "a" * 128})),
    Case("a source is https, http or a file",
         file(source={"url": "ftp://example.com/a"}), [("MA1323", f"{FILE}.source.url")],
         file(source={"url": "file:///a"})),
    Case("a file on the machine has no headers",
         file(source={"url": "file:///a", "headers": {"A": "b"}}), [("MA1301", f"{FILE}.source.headers")],
         file(source={"url": URL, "sha256": "a" * 64, "headers": {"A": "b"}})),
    Case("a header is given once",
         file(source={"url": URL, "sha256": "a" * 64, "headers": {"A": "b"},
                      "headersFrom": {"a": {"secret": {"name": "n", "key": "k"}}}}),
         [("MA1306", f"{FILE}.source.headersFrom.a"), ("MA1308", f"{FILE}.source.headersFrom.a.secret")],
         file(source={"url": URL, "sha256": "a" * 64, "headers": {"A": "b"}})),
    Case("a file is no folder",
         {"machine.files": [{"path": "/etc/a/b", "content": ""}, {"path": "/etc/a", "content": ""}]},
         [("MA1306", f"{FILE}.path")],
         {"machine.files": [{"path": "/etc/a/b", "content": ""}, {"path": "/etc/ab", "content": ""}]}),
    Case("a machine reads no objects of the cluster",
         file(contentFrom={"configMap": {"name": "n", "key": "k"}}),
         [("MA1308", f"{FILE}.contentFrom.configMap")], file(content="a")),
    Case("a reference refers to something",
         file(contentFrom={}), [("MA1302", f"{FILE}.contentFrom")], file(content="a")),
    Case("plugins are not asked yet",
         file(contentFrom={"provider": {"name": "vault"}}),
         [("MA1401", f"{FILE}.contentFrom.provider")], file(content="a")),
    Case("an authority has one content",
         {"machine.systemTrustCertificateAuthorities": [{}]},
         [("MA1401", "spec.machine.systemTrustCertificateAuthorities"),
          ("MA1302", "spec.machine.systemTrustCertificateAuthorities[0]")], {}),
    Case("a command is argv or a script",
         command(argv=["a"], script="b"), [("MA1301", f"{BOOT}.script")], command(argv=["a"])),
    Case("a command is something",
         command(), [("MA1302", BOOT)], command(script="a")),
    Case("a program has a name",
         command(argv=["", "a"]), [("MA1303", f"{BOOT}.argv[0]")], command(argv=["a", ""])),
    Case("a NUL is not for programs",
         command(argv=["a\0"], env=[{"name": "A", "value": "b\0"}]),
         [("MA1323", f"{BOOT}.argv[0]"), ("MA1323", f"{BOOT}.env[0].value")],
         command(argv=["a\t"], env=[{"name": "A", "value": "b\n"}])),
    Case("an interpreter reads a script",
         command(argv=["a"], interpreter=["sh"]), [("MA1301", f"{BOOT}.interpreter")],
         command(script="a", interpreter=["sh"])),
    Case("a command has some time",
         command(argv=["a"], timeout="0s"), [("MA1312", f"{BOOT}.timeout")],
         command(argv=["a"], timeout="1s")),
    Case("a variable has one value",
         command(argv=["a"], env=[{"name": "A"}]), [("MA1302", f"{BOOT}.env[0]")],
         command(argv=["a"], env=[{"name": "A", "value": ""}])),
    Case("a pause between attempts is bounded",
         command(argv=["a"], retries={"limit": 1, "backoff": "2h"}), [("MA1312", f"{BOOT}.retries.backoff")],
         command(argv=["a"], retries={"limit": 1, "backoff": "1h"})),
    Case("a machine is of one platform",
         {"machine.linuxConfiguration": {}, "machine.windowsConfiguration": {}},
         [("MA1401", "spec.machine.windowsConfiguration"), ("MA1301", "spec.machine.windowsConfiguration")],
         {"machine.linuxConfiguration": {}}),
    Case("user data has one template",
         {"machine.bootstrapperTemplateConfigMapName": "a", "machine.bootstrapperTemplateSecretName": "b"},
         [("MA1301", "spec.machine.bootstrapperTemplateSecretName")],
         {"machine.bootstrapperTemplateConfigMapName": "a"}),
    Case("a kernel parameter is set once",
         {"machine.linuxConfiguration.sysctls": {"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0"}},
         [("MA1306", 'spec.machine.linuxConfiguration.sysctls["net/ipv4/ip_forward"]')],
         {"machine.linuxConfiguration.sysctls": {"net/ipv4/conf/a.b/x": "1", "net.ipv4.conf.a.b.x": "0"}}),
    Case("a file has one writer",
         {"machine.files": [{"path": "/etc/hostname", "content": ""},
                            {"path": "/etc/kubernetes/pki/sa.key", "content": ""},
                            {"path": "/etc/kubernetes/manifests/a.yaml", "content": ""},
                            {"path": "/etc/kubernetes/machineadm/a", "content": ""}],
          "machine.linuxConfiguration.hostname": "a", f"{CP}.certificates.serviceAccount": ACCOUNT,
          f"{CP}.staticPods": [{"name": "a", "manifest": POD}]},
         [("MA1306", f"spec.machine.files[{index}].path") for index in range(4)],
         {"machine.files": [{"path": "/etc/hostname", "content": ""},
                            {"path": "/etc/kubernetes/pki/sa.key", "content": ""},
                            {"path": "/etc/kubernetes/manifests/a.yaml", "content": ""}]}),
    Case("a file may bring the key that a certificate lacks",
         {"machine.files": [{"path": "/etc/kubernetes/pki/ca.key", "content": ""}], f"{CP}.certificates.ca": PAIR},
         [("MA1306", "spec.machine.files[0].path")],
         {"machine.files": [{"path": "/etc/kubernetes/pki/ca.key", "content": ""}],
          f"{CP}.certificates.ca.certificate": CERTIFICATE}),
    Case("a host name is one that Linux takes",
         {"machine.linuxConfiguration.hostname": "a" * 65},
         [("MA1312", "spec.machine.linuxConfiguration.hostname"),
          ("MA1322", "spec.machine.linuxConfiguration.hostname")],
         {"machine.linuxConfiguration.hostname": "a" * 63}),
    Case("a module is loaded once",
         {"machine.linuxConfiguration.kernelModules": ["br_netfilter", "br-netfilter"]},
         [("MA1306", "spec.machine.linuxConfiguration.kernelModules[1]")],
         {"machine.linuxConfiguration.kernelModules": ["br_netfilter", "overlay"]}),
]  # fmt: skip

ROLES = [
    Case("a token finds the cluster by one value",
         joining({k: v for k, v in TOKEN.items() if k != "token"}), [("MA1302", DISCOVERY)], joining(TOKEN)),
    Case("a cluster is pinned",
         joining({**TOKEN, "caCertHashes": []}), [("MA1321", f"{DISCOVERY}.caCertHashes")],
         joining({**TOKEN, "caCertHashes": [], "unsafeSkipCAVerification": True})),
    Case("discovery needs a port",
         joining({**TOKEN, "endpoint": "api.example.com"}), [("MA1322", f"{DISCOVERY}.endpoint")],
         joining({**TOKEN, "endpoint": "[fd00::1]:6443"})),
    Case("a port is a port",
         joining({**TOKEN, "endpoint": "api.example.com:70000"}), [("MA1322", f"{DISCOVERY}.endpoint")],
         joining({**TOKEN, "endpoint": "api.example.com:65535"})),
    Case("a joining machine finds its cluster",
         {f"{K}.role": {"type": "JoinWorker"}}, [("MA1303", DISCOVERY)], WORKER),
    Case("a machine becomes something",
         {K: {"version": "v1.34.4"}}, [("MA1303", ROLE)], {}),
    Case("a kubeconfig is a file or parts",
         joining({"type": "File", "path": "/a", "kubeconfig": SERVER}, tlsBootstrapToken=TOKEN["token"]),
         [("MA1301", f"{DISCOVERY}.kubeconfig")], joining({"type": "File", "path": "/a"})),
    Case("a kubeconfig is something",
         joining({"type": "File"}), [("MA1302", DISCOVERY)], joining({"type": "File", "path": "/a"})),
    Case("someone asks for the node",
         joining({"type": "File", "kubeconfig": SERVER}), [("MA1303", f"{ROLE}.tlsBootstrapToken")],
         joining({"type": "File", "kubeconfig": SERVER}, tlsBootstrapToken=TOKEN["token"])),
    Case("an API server speaks https",
         joining({"type": "File", "kubeconfig": {"server": "http://a"}}, tlsBootstrapToken=TOKEN["token"]),
         [("MA1322", f"{DISCOVERY}.kubeconfig.server")],
         joining({"type": "File", "kubeconfig": SERVER}, tlsBootstrapToken=TOKEN["token"])),
    Case("a CA is for verifying",
         joining({"type": "File", "kubeconfig": {**SERVER, "certificateAuthority": CERTIFICATE,
                  "insecureSkipTLSVerify": True}}, tlsBootstrapToken=TOKEN["token"]),
         [("MA1301", f"{DISCOVERY}.kubeconfig.insecureSkipTLSVerify")],
         joining({"type": "File", "kubeconfig": {**SERVER, "certificateAuthority": CERTIFICATE}},
                 tlsBootstrapToken=TOKEN["token"])),
    Case("a user logs in one way",
         joining({"type": "File", "kubeconfig": {**SERVER, "user": {}}}),
         [("MA1302", f"{DISCOVERY}.kubeconfig.user")],
         joining({"type": "File", "kubeconfig": {**SERVER, "user": {"exec": {"command": "a"}}}})),
    Case("the CA is written to a .crt",
         joining(TOKEN, caCertPath="/etc/ca.pem"), [("MA1323", f"{ROLE}.caCertPath")],
         joining(TOKEN, caCertPath="/etc/ca.crt")),
    Case("workers have no control plane",
         {**WORKER, CP: {}}, [("MA1304", "spec.kubernetes.controlPlane")], {CP: {}}),
    Case("only the first sets all kubelets",
         {**WORKER, f"{CLUSTER}.kubelet": {"maxPods": 1}}, [("MA1304", "spec.kubernetes.cluster.kubelet")],
         {f"{CLUSTER}.kubelet": {"maxPods": 1}}),
    Case("only workers wait for Cluster API",
         {f"{NODE}.uninitializedTaint": True}, [("MA1304", "spec.kubernetes.node.uninitializedTaint")],
         {**WORKER, f"{NODE}.uninitializedTaint": True}),
    Case("patches come from one place",
         {f"{K}.patches": [{"target": "etcd", "patch": "{}"}], f"{K}.patchesDirectory": "/a"},
         [("MA1301", "spec.kubernetes.patchesDirectory")], {f"{K}.patchesDirectory": "/a"}),
    Case("a further control plane has the keys",
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN}},
         [("MA1303", f"{ROLE}.certificateKey")],
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN, "certificateKey": "a" * 64}}),
    Case("a further control plane has all keys",
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN}, f"{CP}.certificates.ca": PAIR},
         [("MA1303", "spec.kubernetes.controlPlane.certificates")],
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN},
          f"{CP}.certificates": {"ca": PAIR, "etcdCA": PAIR, "frontProxyCA": PAIR, "serviceAccount": ACCOUNT}}),
    Case("a command may bring the keys",
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN}},
         [("MA1303", f"{ROLE}.certificateKey")],
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN},
          "machine.commands.preKubeadm": [{"argv": ["fetch-keys"]}]}),
    Case("a file may bring the keys",
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN},
          "machine.files": [{"path": "/etc/pki/ca.key", "content": "a"}]},
         [("MA1303", f"{ROLE}.certificateKey")],
         {f"{K}.role": {"type": "JoinControlPlane", "discovery": TOKEN},
          "machine.files": [{"path": "/etc/kubernetes/pki/ca.key", "content": "a"}]}),
    Case("a token ends once",
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": TOKEN["token"], "ttl": "1h", "expires": "2030-01-01T00:00:00Z"}]}},
         [("MA1301", f"{ROLE}.bootstrapTokens[0].expires")],
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [{"token": TOKEN["token"], "ttl": "0s"}]}}),
    Case("groups are for authentication",
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": TOKEN["token"], "usages": ["signing"], "groups": ["system:bootstrappers:a"]}]}},
         [("MA1323", f"{ROLE}.bootstrapTokens[0].groups")],
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": TOKEN["token"], "groups": ["system:bootstrappers:a"]}]}}),
    Case("a token lasts whole seconds",
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [{"token": TOKEN["token"], "ttl": "1ms"}]}},
         [("MA1312", f"{ROLE}.bootstrapTokens[0].ttl")],
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [{"token": TOKEN["token"], "ttl": "1s"}]}}),
    Case("a token expires at a time that there is",
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": TOKEN["token"], "expires": "2030-02-30T00:00:00Z"}]}},
         [("MA1323", "spec.kubernetes.role.bootstrapTokens[0].expires")],
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": TOKEN["token"], "expires": "2030-02-28T23:59:59.123456789-05:30"}]}}),
    Case("a token's id is given once",
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": "abcdef.0123456789abcdef"}, {"token": "abcdef.fedcba9876543210"}]}},
         [("MA1306", f"{ROLE}.bootstrapTokens[1].token")],
         {f"{K}.role": {"type": "Initialize", "bootstrapTokens": [
             {"token": "abcdef.0123456789abcdef"}, {"token": "abcdeg.0123456789abcdef"}]}}),
]  # fmt: skip

NETWORK = f"{CLUSTER}.network"
ETCD = f"{CLUSTER}.etcd"
HTTPS = ["https://etcd.example.com:2379"]
FILES = {"caFile": "/a", "certFile": "/b", "keyFile": "/c"}

CLUSTERS = [
    Case("an endpoint is a host and a port",
         {f"{CLUSTER}.controlPlaneEndpoint": "API.example.com:6443"},
         [("MA1322", "spec.kubernetes.cluster.controlPlaneEndpoint")],
         {f"{CLUSTER}.controlPlaneEndpoint": "api.example.com"}),
    Case("the kubelets' document is one",
         {f"{CLUSTER}.kubelet": {"kind": "Kubelet"}}, [("MA1313", "spec.kubernetes.cluster.kubelet.kind")],
         {f"{CLUSTER}.kubelet": {"kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1"}}),
    Case("two ranges are of two families",
         {NETWORK: {"podCIDRs": ["10.1.0.0/16", "10.2.0.0/16"]}},
         [("MA1316", "spec.kubernetes.cluster.network.podCIDRs")],
         {NETWORK: {"podCIDRs": ["10.1.0.0/16", "fd00::/56"]}}),
    Case("services are not too many",
         {NETWORK: {"serviceCIDRs": ["10.0.0.0/8"]}},
         [("MA1316", "spec.kubernetes.cluster.network.serviceCIDRs[0]")],
         {NETWORK: {"serviceCIDRs": ["10.96.0.0/12"]}}),
    Case("services are not too few",
         {NETWORK: {"serviceCIDRs": ["10.0.0.0/30"]}},
         [("MA1316", "spec.kubernetes.cluster.network.serviceCIDRs[0]")],
         {NETWORK: {"serviceCIDRs": ["10.96.0.0/28"]}}),
    Case("services and pods are apart",
         {NETWORK: {"podCIDRs": ["10.96.0.0/12"], "serviceCIDRs": ["10.100.0.0/16"]}},
         [("MA1316", "spec.kubernetes.cluster.network.serviceCIDRs[0]")],
         {NETWORK: {"podCIDRs": ["10.244.0.0/16"], "serviceCIDRs": ["10.100.0.0/16"]}}),
    Case("pods have room on each node",
         {NETWORK: {"podCIDRs": ["10.244.0.0/25"]}},
         [("MA1316", "spec.kubernetes.cluster.network.podCIDRs[0]")],
         {NETWORK: {"podCIDRs": ["10.244.0.0/25"]},
          f"{CP}.controllerManager.extraArgs": [{"name": "node-cidr-mask-size", "value": "26"}]}),
    Case("certificates are valid for a possible time",
         {f"{CLUSTER}.certificates": {"validity": "30000h", "caValidity": "1m"}},
         [("MA1312", "spec.kubernetes.cluster.certificates.validity"),
          ("MA1312", "spec.kubernetes.cluster.certificates.caValidity"),
          ("MA1312", "spec.kubernetes.cluster.certificates.validity")],
         {f"{CLUSTER}.certificates": {"validity": "8760h", "caValidity": "87600h"}}),
    Case("what is disabled has no settings",
         {f"{CLUSTER}.dns": {"disabled": True, "image": {}},
          f"{CLUSTER}.proxyAddon": {"disabled": True, "mode": "ipvs"}},
         [("MA1301", "spec.kubernetes.cluster.dns.image"), ("MA1301", "spec.kubernetes.cluster.proxyAddon.mode")],
         {f"{CLUSTER}.dns": {"disabled": True}, f"{CLUSTER}.proxyAddon": {"mode": "ipvs"}}),
    Case("the proxy's document is one",
         {f"{CLUSTER}.proxyAddon": {"config": {"apiVersion": "v1"}}},
         [("MA1313", "spec.kubernetes.cluster.proxyAddon.config.apiVersion")],
         {f"{CLUSTER}.proxyAddon": {"config": {"metricsBindAddress": "127.0.0.1"}}}),
    Case("the proxy's mode is said once",
         {f"{CLUSTER}.proxyAddon": {"mode": "ipvs", "config": {"mode": "iptables"}}},
         [("MA1320", "spec.kubernetes.cluster.proxyAddon.config.mode")],
         {f"{CLUSTER}.proxyAddon": {"config": {"mode": "iptables"}}}),
    Case("etcd is here or elsewhere",
         {ETCD: {"local": {}, "external": {"endpoints": HTTPS, **FILES}}},
         [("MA1301", "spec.kubernetes.cluster.etcd.external")], {ETCD: {"local": {}}}),
    Case("etcd's certificates bear names",
         {ETCD: {"local": {"serverCertSANs": ["a", "A"], "peerCertSANs": ["a..b"]}}},
         [("MA1322", "spec.kubernetes.cluster.etcd.local.serverCertSANs[1]"),
          ("MA1322", "spec.kubernetes.cluster.etcd.local.peerCertSANs[0]")],
         {ETCD: {"local": {"serverCertSANs": ["*.example.com", "::1"]}}}),
    Case("etcd's members are of one scheme",
         {ETCD: {"external": {"endpoints": [*HTTPS, "http://b:2379", "ftp://c"], **FILES}}},
         [("MA1322", "spec.kubernetes.cluster.etcd.external.endpoints[1]"),
          ("MA1322", "spec.kubernetes.cluster.etcd.external.endpoints[2]")],
         {ETCD: {"external": {"endpoints": ["http://b:2379"]}}}),
    Case("a client certificate has its key",
         {ETCD: {"external": {"endpoints": HTTPS, "caFile": "/a", "certFile": "/b"}}},
         [("MA1303", "spec.kubernetes.cluster.etcd.external.keyFile")],
         {ETCD: {"external": {"endpoints": HTTPS, **FILES}}}),
    Case("an external etcd is verified",
         {ETCD: {"external": {"endpoints": HTTPS}}},
         [("MA1303", "spec.kubernetes.cluster.etcd.external.caFile")],
         {ETCD: {"external": {"endpoints": HTTPS}}, f"{CP}.certificates.etcdCA.certificate": CERTIFICATE}),
    Case("an etcd without https has no certificates",
         {ETCD: {"external": {"endpoints": ["http://b:2379"], **FILES}}},
         [("MA1322", "spec.kubernetes.cluster.etcd.external.endpoints[0]")],
         {ETCD: {"external": {"endpoints": ["http://b:2379"]}}}),
    Case("etcd's client certificate goes with an external etcd",
         {f"{CP}.certificates.apiserverEtcdClient": PAIR},
         [("MA1304", "spec.kubernetes.controlPlane.certificates.apiserverEtcdClient")],
         {f"{CP}.certificates.apiserverEtcdClient": PAIR, ETCD: {"external": {"endpoints": HTTPS, **FILES}}}),
    Case("a client has its key",
         {f"{CP}.certificates.apiserverEtcdClient.certificate": CERTIFICATE,
          ETCD: {"external": {"endpoints": HTTPS, **FILES}}},
         [("MA1303", "spec.kubernetes.controlPlane.certificates.apiserverEtcdClient.key")],
         {f"{CP}.certificates.apiserverEtcdClient": PAIR, ETCD: {"external": {"endpoints": HTTPS, **FILES}}}),
    Case("a container's variable has one value",
         {f"{CP}.scheduler.extraEnv": [{"name": "A", "value": "b", "valueFrom": {}}]},
         [("MA1301", "spec.kubernetes.controlPlane.scheduler.extraEnv[0].valueFrom"),
          ("MA1302", "spec.kubernetes.controlPlane.scheduler.extraEnv[0].valueFrom")],
         {f"{CP}.scheduler.extraEnv": [{"name": "A"}]}),
]  # fmt: skip

AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthenticationConfiguration",
}
AUTHORIZATION = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthorizationConfiguration",
}
ADMISSION = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration"}
C = "spec.kubernetes.controlPlane"


def encryption(*providers: dict[str, Any]) -> dict[str, Any]:
    return {f"{CP}.encryptionAtRest.providers": list(providers)}


def keys(kind: str, secret: str) -> dict[str, Any]:
    return {kind: {"keys": [{"name": "a", "secret": secret}]}}


CONTROL_PLANES = [
    Case("the API server's certificate bears names",
         {f"{CP}.apiServer.certSANs": ["a_b"]}, [("MA1322", f"{C}.apiServer.certSANs[0]")],
         {f"{CP}.apiServer.certSANs": ["10.0.0.1", "*.example.com"]}),
    Case("an argument of ours is set by its field",
         {f"{CP}.apiServer.extraArgs": [{"name": "audit-log-path", "value": "-"}],
          f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}},
         [("MA1320", f"{C}.apiServer.extraArgs[0].name")],
         {f"{CP}.apiServer.extraArgs": [{"name": "audit-log-path", "value": "-"}]}),
    Case("an argument of ours below a field is set by it",
         {f"{CP}.apiServer.extraArgs": [{"name": "oidc-client-id", "value": "a"}],
          f"{CP}.authentication.oidc": {"issuerURL": "https://a", "clientID": "b"}},
         [("MA1320", f"{C}.apiServer.extraArgs[0].name")],
         {f"{CP}.apiServer.extraArgs": [{"name": "oidc-client-id", "value": "a"}],
          f"{CP}.authentication.webhook.kubeconfig": "a"}),
    Case("audit records go somewhere",
         {f"{CP}.auditPolicy": {"policy": POLICY}}, [("MA1302", f"{C}.auditPolicy")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}}),
    Case("an audit policy is one",
         {f"{CP}.auditPolicy": {"policy": {"kind": "Policy"}, "log": {}}},
         [("MA1313", f"{C}.auditPolicy.policy"), ("MA1313", f"{C}.auditPolicy.policy")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}}),
    Case("webhooks have one kubeconfig",
         {f"{CP}.auditPolicy": {"policy": POLICY, "webhook": {}}, f"{CP}.authentication.webhook": {},
          f"{CP}.authorization": {"modes": ["Webhook"], "webhook": {}}},
         [("MA1302", f"{C}.auditPolicy.webhook"), ("MA1302", f"{C}.authentication.webhook"),
          ("MA1302", f"{C}.authorization.webhook")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "webhook": {"kubeconfig": "a"}}}),
    Case("a provider encrypts one way",
         encryption({**keys("aescbc", KEY32), "identity": {}}, {}),
         [("MA1301", f"{C}.encryptionAtRest.providers[0].identity"),
          ("MA1302", f"{C}.encryptionAtRest.providers[1]")],
         encryption(keys("aescbc", KEY32), {"identity": {}})),
    Case("a key has the size that its cipher takes",
         encryption(keys("secretbox", KEY16), keys("aescbc", base64.b64encode(b"k" * 20).decode())),
         [("MA1318", f"{C}.encryptionAtRest.providers[0].secretbox.keys[0].secret"),
          ("MA1318", f"{C}.encryptionAtRest.providers[1].aescbc.keys[0].secret")],
         encryption(keys("secretbox", KEY32), keys("aesgcm", KEY16))),
    Case("key services have names of their own",
         encryption(*[{"kms": {"name": "a", "endpoint": "unix:///a"}}] * 2),
         [("MA1306", f"{C}.encryptionAtRest.providers[1].kms.name")],
         encryption({"kms": {"name": "a", "endpoint": "unix:///a"}}, {"kms": {"name": "b", "endpoint": "unix:///b"}})),
    Case("encryption encrypts",
         encryption({"identity": {}}), [("MA1323", f"{C}.encryptionAtRest.providers")],
         encryption({"identity": {}}, keys("aescbc", KEY32))),
    Case("what is encrypted is a resource, and once",
         {**encryption(keys("aescbc", KEY32)),
          f"{CP}.encryptionAtRest.resources": [
              "*", "apiserveripinfo", "events.events.k8s.io", "pods.*", "secrets", "*.apps", "deployments.apps"]},
         [("MA1323", f"{C}.encryptionAtRest.resources[{i}]") for i in (0, 1, 2, 3, 6)],
         {**encryption(keys("aescbc", KEY32)),
          f"{CP}.encryptionAtRest.resources": ["secrets", "*.apps", "widgets.example.com"]}),
    Case("all resources are all there are",
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["secrets", "*.*"]},
         [("MA1323", f"{C}.encryptionAtRest.resources[0]")],
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["*.*"]}),
    Case("authentication is structured or not",
         {f"{CP}.authentication": {"oidc": {"issuerURL": "https://a", "clientID": "b"}, "structured": AUTHENTICATION}},
         [("MA1301", f"{C}.authentication.structured")], {f"{CP}.authentication.structured": AUTHENTICATION}),
    Case("authorization is structured or not",
         {f"{CP}.authorization": {"modes": ["RBAC"], "structured": AUTHORIZATION}},
         [("MA1301", f"{C}.authorization.modes")], {f"{CP}.authorization.structured": AUTHORIZATION}),
    Case("structured authorization is that",
         {f"{CP}.authorization.structured": AUTHENTICATION}, [("MA1313", f"{C}.authorization.structured.kind")],
         {f"{CP}.authorization.structured": AUTHORIZATION}),
    Case("mode Webhook has a webhook",
         {f"{CP}.authorization.modes": ["Webhook"]}, [("MA1303", f"{C}.authorization.webhook")],
         {f"{CP}.authorization.modes": ["Node", "RBAC"]}),
    Case("a webhook has its mode",
         {f"{CP}.authorization": {"modes": ["RBAC"], "webhook": {"kubeconfig": "a"}}},
         [("MA1303", f"{C}.authorization.modes")],
         {f"{CP}.authorization": {"modes": ["Webhook"], "webhook": {"kubeconfig": "a"}}}),
    Case("settings of admission stand in their document",
         {f"{CP}.admission.config": {**ADMISSION, "plugins": [{"name": "A", "path": "/a"}]}},
         [("MA1313", f"{C}.admission.config.plugins[0].path")],
         {f"{CP}.admission.config": {**ADMISSION, "plugins": [{"name": "A", "configuration": {}}]}}),
    Case("a plugin is on or off",
         {f"{CP}.admission.plugins": {"enabled": ["A"], "disabled": ["B", "A"]}},
         [("MA1306", f"{C}.admission.plugins.disabled[1]")],
         {f"{CP}.admission.plugins": {"enabled": ["A"], "disabled": ["B"]}}),
    Case("a static pod has one manifest",
         {f"{CP}.staticPods": [{"name": "a"}]}, [("MA1302", f"{C}.staticPods[0]")],
         {f"{CP}.staticPods": [{"name": "a", "manifest": POD}]}),
    Case("kubeadm's pods are its own",
         {f"{CP}.staticPods": [{"name": "etcd", "manifest": POD}]}, [("MA1306", f"{C}.staticPods[0].name")],
         {f"{CP}.staticPods": [{"name": "etcd-backup", "manifest": POD}]}),
    Case("a static pod is a pod",
         {f"{CP}.staticPods": [{"name": "a", "manifest": {"apiVersion": "v1", "kind": "Service"}}]},
         [("MA1313", f"{C}.staticPods[0].manifest.kind"), ("MA1313", f"{C}.staticPods[0].manifest"),
          ("MA1313", f"{C}.staticPods[0].manifest")],
         {f"{CP}.staticPods": [{"name": "a", "manifest": POD}]}),
    Case("a certificate is one",
         {f"{CP}.certificates.ca": {"certificate": PUBLIC}}, [("MA1317", f"{C}.certificates.ca.certificate")],
         {f"{CP}.certificates.ca": {"certificate": CERTIFICATE + CERTIFICATE}}),
    Case("a certificate's key is one",
         {f"{CP}.certificates.ca": {"certificate": CERTIFICATE, "key": PRIVATE + PRIVATE}},
         [("MA1317", f"{C}.certificates.ca.key")], {f"{CP}.certificates.ca": PAIR}),
    Case("a service account's public key is public",
         {f"{CP}.certificates.serviceAccount": {"publicKey": PRIVATE, "privateKey": PRIVATE}},
         [("MA1317", f"{C}.certificates.serviceAccount.publicKey")],
         {f"{CP}.certificates.serviceAccount": ACCOUNT}),
    Case("a service account's private key is private",
         {f"{CP}.certificates.serviceAccount": {"publicKey": PUBLIC, "privateKey": PUBLIC}},
         [("MA1317", f"{C}.certificates.serviceAccount.privateKey")],
         {f"{CP}.certificates.serviceAccount": ACCOUNT}),
]  # fmt: skip

N = "spec.kubernetes.node"

NODES = [
    Case("labels in kubernetes.io are the cluster's",
         {f"{NODE}.labels": {"node-role.kubernetes.io/a": "", "node-restriction.kubernetes.io/a": "", "k8s.io/a": ""}},
         [("MA1314", f'{N}.labels["node-role.kubernetes.io/a"]'),
          ("MA1314", f'{N}.labels["node-restriction.kubernetes.io/a"]'), ("MA1314", f'{N}.labels["k8s.io/a"]')],
         {f"{NODE}.labels": {"kubelet.kubernetes.io/a": "", "a.node.kubernetes.io/b": "", "role": "",
                             "topology.kubernetes.io/zone": "a", "node.cluster.x-k8s.io/a": ""}}),
    Case("a taint is given once",
         {f"{NODE}.taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "value": "b", "effect": "NoSchedule"}]},
         [("MA1306", f"{N}.taints[1]")],
         {f"{NODE}.taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}]}),
    Case("all stands alone",
         {f"{NODE}.ignorePreflightErrors": ["All", "Swap"]}, [("MA1323", f"{N}.ignorePreflightErrors")],
         {f"{NODE}.ignorePreflightErrors": ["all"]}),
    Case("a socket is unix or a pipe",
         {f"{NODE}.criSocket": "containerd.sock"}, [("MA1322", f"{N}.criSocket")],
         {f"{NODE}.criSocket": "unix:///run/containerd/containerd.sock"}),
    Case("the kubelet's arguments of ours are set by their fields",
         {f"{NODE}.labels": {"a": "b"}, f"{NODE}.extraArgs": [{"name": "node-labels", "value": "c=d"}]},
         [("MA1320", f"{N}.extraArgs[0].name")],
         {f"{NODE}.extraArgs": [{"name": "node-labels", "value": "c=d"}]}),
    Case("what is passed on to a kubelet is a field of its own",
         {f"{NODE}.kubelet.config": {"registryBursts": 5, "logging": {"anything": 1},
                                     "authentication": {"anonymus": {}, "webhook": {"enable": True}}}},
         [("MA1324", f"{N}.kubelet.config.registryBursts"),
          ("MA1324", f"{N}.kubelet.config.authentication.anonymus"),
          ("MA1324", f"{N}.kubelet.config.authentication.webhook.enable")],
         {f"{NODE}.kubelet.config": {"nodeStatusMaxImages": 5, "authentication": {"anonymous": {"enabled": False}}}}),
    Case("what is passed on to a kubelet has the kind of its field",
         {f"{NODE}.kubelet.config": {"nodeStatusMaxImages": "5", "enableServer": 1, "volumePluginDir": True,
                                     "registerWithTaints": [{"key": 1}], "memorySwap": [],
                                     "staticPodURLHeader": {"X-A": "b"}, "memoryThrottlingFactor": "1"}},
         [("MA1324", f"{N}.kubelet.config.{where}") for where in (
             "nodeStatusMaxImages", "enableServer", "volumePluginDir", "registerWithTaints[0].key", "memorySwap",
             "staticPodURLHeader.X-A", "memoryThrottlingFactor")],
         {f"{NODE}.kubelet.config": {"nodeStatusMaxImages": 5, "enableServer": True, "volumePluginDir": "/a",
                                     "registerWithTaints": [{"key": "a"}], "memorySwap": {},
                                     "staticPodURLHeader": {"X-A": ["b"]}, "memoryThrottlingFactor": 1,
                                     "reservedMemory": [{"numaNode": 0, "limits": {"memory": 1024, "a": "1Gi"}}]}}),
    Case("what all kubelets inherit is a field of theirs",
         {f"{CLUSTER}.kubelet": {"maxPod": 5}}, [("MA1324", "spec.kubernetes.cluster.kubelet.maxPod")],
         {f"{CLUSTER}.kubelet": {"maxPods": 5}}),
    Case("of a kubelet that came later nobody knows all fields",
         {f"{NODE}.kubelet.config": {"tlsCurvePreferences": ["X25519"]}},
         [("MA1324", f"{N}.kubelet.config.tlsCurvePreferences")],
         {f"{NODE}.kubelet.config": {"tlsCurvePreferences": ["X25519"]}, f"{K}.version": "v1.36.0"}),
    Case("the node's kubelet document is one",
         {f"{NODE}.kubelet.config": {"apiVersion": "v1"}}, [("MA1313", f"{N}.kubelet.config.apiVersion")],
         {f"{NODE}.kubelet.config": {"address": "127.0.0.1"}}),
    Case("what has its own place stands there",
         {f"{NODE}.kubelet.config": {"maxPods": 1}}, [("MA1320", f"{N}.kubelet.config.maxPods")],
         {f"{NODE}.kubelet.maxPods": 1}),
    Case("images are removed downwards",
         {f"{NODE}.kubelet.imageGCHighThresholdPercent": 80},
         [("MA1312", f"{N}.kubelet.imageGCHighThresholdPercent")],
         {f"{NODE}.kubelet": {"imageGCHighThresholdPercent": 80, "imageGCLowThresholdPercent": 70}}),
    Case("soft evictions have a grace period",
         {f"{NODE}.kubelet": {"evictionSoft": {"memory.available": "1Gi"},
                              "evictionSoftGracePeriod": {"nodefs.available": "1m"}}},
         [("MA1303", f'{N}.kubelet.evictionSoft["memory.available"]'),
          ("MA1303", f'{N}.kubelet.evictionSoftGracePeriod["nodefs.available"]')],
         {f"{NODE}.kubelet": {"evictionSoft": {"memory.available": "1Gi"},
                              "evictionSoftGracePeriod": {"memory.available": "1m"}}}),
    Case("thresholds are more than nothing",
         {f"{NODE}.kubelet.evictionHard": {"memory.available": "0Mi", "nodefs.available": "0.0", "pid.available": "0%"}},
         [("MA1312", f'{N}.kubelet.evictionHard["memory.available"]'),
          ("MA1312", f'{N}.kubelet.evictionHard["nodefs.available"]')],
         {f"{NODE}.kubelet.evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%"}}),
    Case("CPUs are counted upwards",
         {f"{NODE}.kubelet.reservedSystemCPUs": "0,3-1"}, [("MA1312", f"{N}.kubelet.reservedSystemCPUs")],
         {f"{NODE}.kubelet.reservedSystemCPUs": "0,1-3"}),
    Case("parallel pulls are not serial",
         {f"{NODE}.kubelet.maxParallelImagePulls": 2}, [("MA1323", f"{N}.kubelet.maxParallelImagePulls")],
         {f"{NODE}.kubelet": {"maxParallelImagePulls": 2, "serializeImagePulls": False}}),
    Case("critical pods share the shutdown",
         {f"{NODE}.kubelet": {"shutdownGracePeriod": "500ms", "shutdownGracePeriodCriticalPods": "1s"}},
         [("MA1312", f"{N}.kubelet.shutdownGracePeriodCriticalPods"), ("MA1312", f"{N}.kubelet.shutdownGracePeriod")],
         {f"{NODE}.kubelet": {"shutdownGracePeriod": "30s", "shutdownGracePeriodCriticalPods": "10s"}}),
]  # fmt: skip

S = "spec.kubernetes"
TWICE = [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]

VERSIONS = [
    Case("older than 1.29 is refused",
         {f"{K}.version": "v1.28.9"}, [("MA1311", f"{S}.version")], {f"{K}.version": "v1.29.0"}),
    Case("there is no Kubernetes 2",
         {f"{K}.version": "v2.0.0"}, [("MA1311", f"{S}.version")], {f"{K}.version": "v1.99.0"}),
    Case("v1beta4's fields need 1.31",
         {**OLD, f"{CLUSTER}.certificates": {"keyAlgorithm": "RSA-2048", "validity": "100h", "caValidity": "1000h"},
          f"{CLUSTER}.dns.disabled": True, f"{CLUSTER}.proxyAddon.disabled": True,
          f"{NODE}.imagePullSerial": True},
         [("MA1310", f"{S}.cluster.certificates.keyAlgorithm"), ("MA1310", f"{S}.cluster.certificates.validity"),
          ("MA1310", f"{S}.cluster.certificates.caValidity"), ("MA1310", f"{S}.cluster.dns.disabled"),
          ("MA1310", f"{S}.cluster.proxyAddon.disabled"), ("MA1310", f"{S}.node.imagePullSerial")],
         {**OLD, f"{CLUSTER}.certificates.directory": "/etc/pki", f"{CLUSTER}.dns.disabled": False}),
    Case("variables of components need 1.31",
         {**OLD, f"{CLUSTER}.etcd.local.extraEnv": [{"name": "A"}], f"{CP}.apiServer.extraEnv": [{"name": "A"}],
          f"{CP}.controllerManager.extraEnv": [{"name": "A"}], f"{CP}.scheduler.extraEnv": [{"name": "A"}]},
         [("MA1310", f"{S}.cluster.etcd.local.extraEnv"), ("MA1310", f"{S}.controlPlane.apiServer.extraEnv"),
          ("MA1310", f"{S}.controlPlane.controllerManager.extraEnv"),
          ("MA1310", f"{S}.controlPlane.scheduler.extraEnv")],
         {f"{CP}.scheduler.extraEnv": [{"name": "A"}]}),
    Case("five timeouts need 1.31",
         {**OLD, f"{K}.timeouts": {"etcdAPICall": "1m", "kubeletHealthCheck": "1m", "kubernetesAPICall": "1m",
                                   "tlsBootstrap": "1m", "upgradeManifests": "1m",
                                   "controlPlaneComponentHealthCheck": "1m"}},
         [("MA1310", f"{S}.timeouts.{name}") for name in (
             "etcdAPICall", "kubeletHealthCheck", "kubernetesAPICall", "tlsBootstrap", "upgradeManifests")],
         {**OLD, f"{K}.timeouts.controlPlaneComponentHealthCheck": "1m"}),
    Case("before 1.31 one timeout goes with init",
         {**OLD, **WORKER, f"{K}.timeouts.controlPlaneComponentHealthCheck": "1m"},
         [("MA1310", f"{S}.timeouts.controlPlaneComponentHealthCheck")],
         {**OLD, **WORKER, f"{K}.timeouts.discovery": "1m"}),
    Case("before 1.31 one timeout goes with join",
         {**OLD, f"{K}.timeouts.discovery": "1m"}, [("MA1310", f"{S}.timeouts.discovery")],
         {f"{K}.timeouts.discovery": "1m"}),
    Case("P-384 needs 1.34",
         {f"{K}.version": "v1.33.1", f"{CLUSTER}.certificates.keyAlgorithm": "ECDSA-P384"},
         [("MA1310", f"{S}.cluster.certificates.keyAlgorithm")],
         {f"{K}.version": "v1.34.0-rc.0", f"{CLUSTER}.certificates.keyAlgorithm": "ECDSA-P384"}),
    Case("several claims are required from 1.31 on",
         {**OLD, f"{CP}.authentication.oidc": {
             "issuerURL": "https://a", "clientID": "b", "requiredClaims": {"c": "d", "e": "f"}}},
         [("MA1310", f"{S}.controlPlane.authentication.oidc.requiredClaims")],
         {**OLD, f"{CP}.authentication.oidc": {
             "issuerURL": "https://a", "clientID": "b", "requiredClaims": {"c": "d"}}}),
    Case("an argument comes twice from 1.31 on",
         {**OLD, f"{NODE}.extraArgs": TWICE, f"{CP}.apiServer.extraArgs": TWICE, f"{CP}.scheduler.extraArgs": TWICE,
          f"{CLUSTER}.etcd.local.extraArgs": TWICE},
         [("MA1310", f"{S}.cluster.etcd.local.extraArgs[1].name"),
          ("MA1310", f"{S}.controlPlane.apiServer.extraArgs[1].name"),
          ("MA1310", f"{S}.controlPlane.scheduler.extraArgs[1].name"), ("MA1310", f"{S}.node.extraArgs[1].name")],
         {f"{NODE}.extraArgs": TWICE}),
    Case("CoreDNS is patched from 1.31 on",
         {**OLD, f"{K}.patches": [{"target": "corednsdeployment", "patch": "{}"}]},
         [("MA1310", f"{S}.patches[0].target")],
         {f"{K}.patches": [{"target": "corednsdeployment", "patch": "{}"}]}),
    Case("nftables needs 1.31 or its gate",
         {**OLD, f"{CLUSTER}.proxyAddon.mode": "nftables"}, [("MA1310", f"{S}.cluster.proxyAddon.mode")],
         {**OLD, f"{CLUSTER}.proxyAddon": {"mode": "nftables",
                                           "config": {"featureGates": {"NFTablesProxyMode": True}}}}),
    Case("structured documents need 1.30",
         {f"{K}.version": "v1.29.4", f"{CP}.authentication.structured": AUTHENTICATION,
          f"{CP}.authorization.structured": AUTHORIZATION},
         [("MA1310", f"{S}.controlPlane.authentication.structured"),
          ("MA1310", f"{S}.controlPlane.authorization.structured")],
         {**OLD, f"{CP}.authentication.structured": AUTHENTICATION}),
    Case("v1 of structured documents came later",
         {f"{K}.version": "v1.31.4",
          f"{CP}.authentication.structured": {**AUTHENTICATION, "apiVersion": "apiserver.config.k8s.io/v1"},
          f"{CP}.authorization.structured": {**AUTHORIZATION, "apiVersion": "apiserver.config.k8s.io/v1"}},
         [("MA1310", f"{S}.controlPlane.authentication.structured.apiVersion"),
          ("MA1310", f"{S}.controlPlane.authorization.structured.apiVersion")],
         {f"{CP}.authorization.structured": {**AUTHORIZATION, "apiVersion": "apiserver.config.k8s.io/v1"}}),
    Case("kubeadm knows its gates",
         {f"{CLUSTER}.featureGates": {"NodeLocalCRISockets": True, "UpgradeAddonsBeforeControlPlane": True}},
         [("MA1315", f"{S}.cluster.featureGates.NodeLocalCRISockets"),
          ("MA1310", f"{S}.cluster.featureGates.UpgradeAddonsBeforeControlPlane")],
         {f"{CLUSTER}.featureGates": {"NodeLocalCRISocket": True}}),
    Case("kubeadm init knows its phases",
         {f"{K}.skipPhases": ["addons/coredns", "check-etcd", "kubelet-finalize/experimental-cert-rotation"]},
         [("MA1315", f"{S}.skipPhases[0]"), ("MA1315", f"{S}.skipPhases[1]"), ("MA1310", f"{S}.skipPhases[2]")],
         {f"{K}.skipPhases": ["addon/coredns", "preflight"]}),
    Case("kubeadm join knows its phases",
         {**WORKER, **OLD, f"{K}.skipPhases": ["addon", "etcd-join"]},
         [("MA1315", f"{S}.skipPhases[0]"), ("MA1310", f"{S}.skipPhases[1]")],
         {**WORKER, f"{K}.skipPhases": ["check-etcd", "etcd-join"]}),
    Case("kubeadm to come is not second-guessed",
         {f"{K}.skipPhases": ["brand-new"], f"{CLUSTER}.featureGates": {"BrandNew": True}},
         [("MA1315", f"{S}.skipPhases[0]"), ("MA1315", f"{S}.cluster.featureGates.BrandNew")],
         {f"{K}.version": "v1.40.0", f"{K}.skipPhases": ["brand-new"], f"{CLUSTER}.featureGates": {"BrandNew": True}}),
]  # fmt: skip

CASES = [*MACHINE, *ROLES, *CLUSTERS, *CONTROL_PLANES, *NODES, *VERSIONS]
IDS = [case.sentence for case in CASES]


def places(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in findings]


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_breaks_a_rule_is_told_with_its_place_and_nothing_else_is(case: Case) -> None:
    assert places(check(configuration(case.bad))) == case.findings


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_what_keeps_a_rule_passes(case: Case) -> None:
    assert check(configuration(case.good)) == []


ALL_TABLES = validation.tables(set(validation.THEMES))


def test_rules_that_are_loaded_for_a_module_look_at_its_types_alone() -> None:
    for types, rules in validation.THEMES.items():
        assert {cls.__module__ for cls in importlib.import_module(rules).RULES} == {types}


def test_every_rule_has_a_case_that_breaks_it() -> None:
    silent = {rule for table in ALL_TABLES for rules in table.values() for rule in rules}
    given = [configuration(case.bad) for case in CASES]
    given.append(
        configuration(
            {
                "machine.images": [{"reference": "a"}],
                "machine.linuxConfiguration.users": [{"name": "a"}],
            }
        )
    )
    for each in given:
        silent -= speaking(each)

    # These have tests of their own below.
    assert {rule.__name__ for rule in silent} == {
        "_kubernetes_or_preparation",
        "_sentinel_has_kubeadm",
    }


def speaking(given: MachineConfiguration) -> set[Any]:
    """The rules that find something."""
    context = Context(configuration=given, mode="provisioning", kubernetes_version=None)
    return {
        rule
        for value, _ in structs_in(given.spec, "spec")
        for table in ALL_TABLES
        for rule in table.get(type(value), ())
        if list(rule(value, context))
    }


def test_a_machine_without_kubernetes_can_only_be_prepared() -> None:
    given = configuration({"kubernetes": None, "machine.sentinel": "AfterKubeadm"})

    assert places(check(given)) == [
        ("MA1303", "spec.kubernetes"),
        ("MA1323", "spec.machine.sentinel"),
    ]
    assert places(check(given, mode="preparation")) == [("MA1323", "spec.machine.sentinel")]


def test_another_version_can_be_asked_for() -> None:
    given = configuration({f"{CLUSTER}.dns.disabled": True})

    assert check(given) == []
    assert [finding.message for finding in check(given, kubernetes_version="v1.30.1")] == [
        "needs Kubernetes 1.31 or later, this machine asks for v1.30.1"
    ]


def test_a_near_name_is_suggested() -> None:
    (finding,) = check(configuration({f"{K}.skipPhases": ["addon/core-dns"]}))

    assert finding.hint == 'did you mean "addon/coredns"?'


def test_no_finding_holds_a_secret() -> None:
    canary = "canary-4711-0123456789abcdef"
    given = configuration(
        {
            f"{CP}.certificates.ca": {"certificate": CERTIFICATE, "key": _armoured(canary)},
            **encryption(keys("secretbox", base64.b64encode(canary.encode()).decode())),
            "machine.files": [
                {"path": "/a", "content": canary, "encoding": "base64", "sensitive": True}
            ],
        }
    )

    findings = check(given)

    assert len(findings) == 3
    assert "canary" not in str(findings)
    assert base64.b64encode(canary.encode()).decode() not in str(findings)


def _armoured(text: str) -> str:
    body = base64.b64encode(text.encode()).decode()
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
