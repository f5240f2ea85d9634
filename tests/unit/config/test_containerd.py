"""The container runtime: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

from tests.rulecases import CERTIFICATE, PRIVATE, Case, judging

KUBELET_TABLES = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}

R = "machine.containerRuntime"
C = f"{R}.containerd"
S = f"spec.{C}"


def registry(host: str = "registry.example.com", **fields: Any) -> dict[str, Any]:
    return {f"{C}.registries": [{"host": host, **fields}]}


INLINE = '[plugins."io.containerd.grpc.v1.cri".registry.mirrors.x]\nendpoint = ["https://a"]\n'
LOGIN = {"username": "a", "password": "b"}
VOUCHED = {"authFrom": {"handler": {"name": "h"}}}
CASES = [
    Case("one cgroup driver", {f"{C}.cgroupDriver": "cgroupfs"}, [("MA1327", f"{S}.cgroupDriver")],
         {f"{C}.cgroupDriver": "cgroupfs", "kubernetes.node.kubelet.cgroupDriver": "cgroupfs"}),
    Case("one cgroup driver, by default", {C: {}, "kubernetes.node.kubelet.cgroupDriver": "cgroupfs"},
         [("MA1327", f"{S}.cgroupDriver")], {C: {}, "kubernetes.node.kubelet.cgroupDriver": "systemd"}),
    Case("one cgroup driver, of every node", {C: {}, "kubernetes.cluster.kubelet": {**KUBELET_TABLES, "cgroupDriver": "cgroupfs"}},
         [("MA1327", f"{S}.cgroupDriver")], {C: {}, "kubernetes.cluster.kubelet": KUBELET_TABLES}),
    Case("no kubelet, no disagreement", {C: {}, "kubernetes.node.kubelet.cgroupDriver": "cgroupfs"},
         [("MA1327", f"{S}.cgroupDriver")], {f"{C}.root": "/data/containerd"}),
    Case("paths of Linux", {f"{C}.root": "C:\\a"}, [("MA1304", f"{S}.root")], {f"{C}.root": "/a"}),
    Case("one default", {f"{C}.runtimes": {"a": {"default": True}, "b": {"default": True}}},
         [("MA1306", f"{S}.runtimes.b.default")], {f"{C}.runtimes": {"a": {"default": True}, "b": {}}}),
    Case("TOML", {f"{C}.extraConfig": "a = "}, [("MA1328", f"{S}.extraConfig")], {f"{C}.extraConfig": "oom_score = 1"}),
    Case("a version that is read", {f"{C}.extraConfig": "version = 1"}, [("MA1328", f"{S}.extraConfig")],
         {f"{C}.extraConfig": "version = 2"}),
    Case("registries in one place", {f"{C}.extraConfig": INLINE}, [("MA1328", f"{S}.extraConfig")],
         {f"{C}.extraConfig": INLINE.replace("mirrors", "headers")}),
    Case("a login for one registry", registry("_default", auth=LOGIN), [("MA1304", f"{S}.registries[0].auth")],
         registry("_default", mirrors=[{"url": "https://mirror.example.com"}])),
    Case("a login is whole", registry(auth={"username": "a"}), [("MA1303", f"{S}.registries[0].auth.password")],
         registry(auth=LOGIN)),
    Case("a password has a name", registry(auth={"password": "a"}), [("MA1303", f"{S}.registries[0].auth.username")],
         registry(auth=LOGIN)),
    Case("one kind of login", registry(auth={**LOGIN, "handler": "x"}), [("MA1323", f"{S}.registries[0].auth.handler")],
         registry(auth={"handler": "x"})),
    Case("a token or a password", registry(auth={**LOGIN, **VOUCHED}), [("MA1301", f"{S}.registries[0].auth.authFrom")],
         registry(auth={"username": "a", **VOUCHED})),
    Case("a token or a value", registry(auth={"passwordFrom": {"provider": {"name": "a"}}, **VOUCHED}),
         [("MA1301", f"{S}.registries[0].auth.authFrom")], registry(auth=VOUCHED)),
    Case("a token or a handler", registry(auth={"handler": "x", **VOUCHED}), [("MA1301", f"{S}.registries[0].auth.authFrom")],
         registry(auth=VOUCHED)),
    Case("a token for one registry", registry("_default", auth=VOUCHED), [("MA1304", f"{S}.registries[0].auth")],
         registry(auth=VOUCHED)),
    Case("a certificate has its key", registry(tls={"cert": CERTIFICATE}), [("MA1303", f"{S}.registries[0].tls.key")],
         registry(tls={"cert": CERTIFICATE, "key": PRIVATE})),
    Case("a key has its certificate", registry(tls={"key": PRIVATE}), [("MA1303", f"{S}.registries[0].tls.cert")],
         registry(tls={"ca": CERTIFICATE})),
    Case("PEM of the right kind", registry(tls={"ca": PRIVATE}), [("MA1317", f"{S}.registries[0].tls.ca")],
         registry(tls={"ca": CERTIFICATE})),
    Case("one socket", {f"{R}.socket": "unix:///run/a.sock", "kubernetes.node.criSocket": "unix:///run/b.sock"},
         [("MA1323", f"spec.{R}.socket")], {f"{R}.socket": "/run/a.sock", "kubernetes.node.criSocket": "unix:///run/a.sock"}),
    Case("one socket by either name of /run", {f"{R}.socket": "unix:///run/a.sock", "kubernetes.node.criSocket": "/var/lib/run/a.sock"},
         [("MA1323", f"spec.{R}.socket")], {f"{R}.socket": "/run/a.sock", "kubernetes.node.criSocket": "unix:///var/run/a.sock"}),
    Case("a socket's path", {f"{R}.socket": "tcp://a"}, [("MA1323", f"spec.{R}.socket")], {f"{R}.socket": "unix:///a"}),
]  # fmt: skip
CASES += [
    Case(f"one writer of {path}", {**registry(tls={"ca": CERTIFICATE}), "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {"machine.files": [{"path": path, "content": ""}]})
    for path in ("/etc/containerd/config.toml", "/etc/containerd/machineadm-base.toml",
                 "/etc/containerd/certs.d/registry.example.com/hosts.toml", "/etc/containerd/certs.d/registry.example.com/ca.crt")
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
