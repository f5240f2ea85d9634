"""Cases for rules between fields: what breaks one, where it is told, and what keeps it."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from machineadm.api.finding import Finding
from machineadm.config.validation import check
from machineadm.documents.decoding import read_values
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
assert _maximal.control_plane.certificates.ca.certificate
assert _maximal.control_plane.certificates.ca.key
assert _maximal.control_plane.certificates.service_account
assert _maximal.control_plane.certificates.service_account.public_key
assert _maximal.control_plane.certificates.service_account.private_key
CERTIFICATE: str = _maximal.control_plane.certificates.ca.certificate
PRIVATE = _maximal.control_plane.certificates.ca.key.reveal()
PUBLIC: str = _maximal.control_plane.certificates.service_account.public_key
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "None"}]}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "a", "image": "b"}]},
}
KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: "https://a.example.com"}}]
users: [{name: b, user: {token: c}}]
contexts: [{name: d, context: {cluster: a, user: b}}]
current-context: d
"""
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
NETWORK = f"{CLUSTER}.network"
ETCD = f"{CLUSTER}.etcd"
HTTPS = ["https://etcd.example.com:2379"]
FILES = {"caFile": "/etc/etcd/a", "certFile": "/etc/etcd/b", "keyFile": "/etc/etcd/c"}
AUTHENTICATION = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthenticationConfiguration",
}
AUTHORIZATION = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "AuthorizationConfiguration",
    "authorizers": [{"type": "Node", "name": "node"}, {"type": "RBAC", "name": "rbac"}],
}
ADMISSION = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration"}
C = "spec.kubernetes.controlPlane"


def encryption(*providers: dict[str, Any]) -> dict[str, Any]:
    return {f"{CP}.encryptionAtRest.providers": list(providers)}


def keys(kind: str, secret: str) -> dict[str, Any]:
    return {kind: {"keys": [{"name": "a", "secret": secret}]}}


N = "spec.kubernetes.node"
S = "spec.kubernetes"
TWICE = [{"name": "v", "value": "1"}, {"name": "v", "value": "2"}]


def places(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.code, finding.path) for finding in findings]


def judging(cases: Sequence[Case]) -> Callable[[Case], None]:
    """A test of each case, both ways."""

    def test(case: Case) -> None:
        assert places(check(configuration(case.bad), read=read_values)) == case.findings
        assert check(configuration(case.good), read=read_values) == []

    mark = pytest.mark.parametrize("case", cases, ids=[case.sentence for case in cases])
    marked: Callable[[Case], None] = mark(test)
    return marked
