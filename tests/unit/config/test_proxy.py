"""Proxies: every rule, what it refuses, where it says so, and what a machine of a cluster reaches directly."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from machineadm.api.v1alpha1.proxy import ProxyCredentials, SystemProxyConfig
from machineadm.config.concerns.proxy import direct, variables
from machineadm.redaction import Secret
from tests.configurations import TOKEN, configuration
from tests.rulecases import SERVER, Case, joining, judging

P = "machine.systemProxies"
S = f"spec.{P}"
URL = "http://proxy.example.com:3128"
VOUCHED = {"authFrom": {"handler": {"name": "h"}}}


def entry(*targets: str, **fields: Any) -> dict[str, Any]:
    return {"targets": list(targets) or ["host"], "httpProxy": URL, **fields}


CASES = [
    Case("each target has one proxy", {P: [entry("host", "kubelet"), entry("kubelet")]},
         [("MA1306", f"{S}[1].targets[0]")], {P: [entry("host"), entry("kubelet")]}),
    Case("there is a proxy", {P: [{"targets": ["host"]}]}, [("MA1303", f"{S}[0].httpsProxy")],
         {P: [{"targets": ["host"], "httpsProxy": URL}]}),
    Case("a password has a name", {P: [entry(credentials={"password": "x"})]},
         [("MA1303", f"{S}[0].credentials.username")],
         {P: [entry(credentials={"usernameFrom": {"provider": {"name": "a"}}, "password": "x"})],
          "machine.plugins": []}),
    Case("a token or a password", {P: [entry(credentials={"username": "a", "password": "b", **VOUCHED})]},
         [("MA1301", f"{S}[0].credentials.authFrom")], {P: [entry(credentials={"username": "a", **VOUCHED})]}),
    Case("a token or a value", {P: [entry(credentials={"passwordFrom": {"provider": {"name": "a"}}, **VOUCHED})]},
         [("MA1301", f"{S}[0].credentials.authFrom")], {P: [entry(credentials=VOUCHED)]}),
]  # fmt: skip
CASES += [
    Case(f"one writer of {path}", {P: [entry(target)], "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {"machine.files": [{"path": path, "content": ""}]})
    for target, path in (
        ("host", "/etc/machineadm/proxy/host.env"),
        ("host", "/etc/profile.d/90-machineadm-proxy.sh"),
        ("host", "/etc/systemd/system.conf.d/90-machineadm-proxy.conf"),
        ("kubelet", "/etc/systemd/system/kubelet.service.d/90-machineadm-proxy.conf"),
        ("containerRuntime", "/etc/machineadm/proxy/containerd.service.env"),
    )
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)

OF_EVERY_MACHINE = ("localhost", "127.0.0.0/8", "::1", "169.254.169.254", "fd00:ec2::254")


@pytest.mark.parametrize(
    ("spec", "beside"),
    [
        ({"kubernetes": None}, ()),
        (joining(TOKEN), ("10.96.0.0/12", ".svc", ".cluster.local", "api.example.com")),
        (joining({"type": "File", "kubeconfig": {**SERVER, "server": "https://[2001:db8::1]:6443/a"}}),
         ("10.96.0.0/12", ".svc", ".cluster.local", "2001:db8::1")),
        ({"kubernetes.cluster.network": {"podCIDRs": ["10.1.0.0/16"], "serviceCIDRs": ["10.2.0.0/16"], "dnsDomain": "k8s.test"},
          "kubernetes.cluster.controlPlaneEndpoint": "api.example.com:6443",
          "kubernetes.controlPlane.localAPIEndpoint.advertiseAddress": "192.0.2.1",
          "kubernetes.node.kubelet.nodeIP": "192.0.2.1"},
         ("10.1.0.0/16", "10.2.0.0/16", ".svc", ".k8s.test", "api.example.com", "192.0.2.1")),
    ],
)  # fmt: skip
def test_what_belongs_to_the_cluster_is_reached_directly(
    spec: dict[str, Any], beside: tuple[str, ...]
) -> None:
    assert direct(configuration(spec).spec.kubernetes) == (*OF_EVERY_MACHINE, *beside)


@pytest.mark.parametrize(
    "password", ["a b", "p@ss:w/rd", "100%", "\"quoted\" 'twice'", "$HOME`id`\\", "日本", "a,b;c#d"]
)
def test_a_password_means_itself_again_and_no_reader_finds_anything_to_expand(
    password: str,
) -> None:
    credentials = ProxyCredentials(username="DOM\\user", password=Secret(password))
    settings = SystemProxyConfig(targets=("host",), https_proxy=URL, credentials=credentials)

    found = dict(variables(settings, ()))

    assert found["HTTPS_PROXY"] == found["https_proxy"]
    assert "HTTP_PROXY" not in found
    parts = urlsplit(found["HTTPS_PROXY"])
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("DOM\\user", password)
    assert (parts.hostname, parts.port) == ("proxy.example.com", 3128)
    assert not set(found["HTTPS_PROXY"]) & set(" \"'$`\\;#,\n")
