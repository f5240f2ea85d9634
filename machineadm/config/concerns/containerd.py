"""Rules for the container runtime."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.containerd import (
    Containerd,
    ContainerRuntime,
    Registry,
    RegistryAuth,
    RegistryTls,
)
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import (
    CERTS_D,
    CONTAINERD,
    CONTAINERD_BASE,
    is_windows_path,
)
from machineadm.config.rules.model import Context, Rules, finding
from machineadm.config.rules.pem import CERTIFICATE, PRIVATE_KEY, pem_problem
from machineadm.config.rules.toml import read_toml

DRIVER: Final = "systemd"
SOCKET: Final = "unix:///run/containerd/containerd.sock"
IMAGES: Final = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images")
"""The plugin that has the registries, up to version 2 of the configuration and from version 3 on."""


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    runtime = spec.machine.container_runtime
    containerd = runtime.containerd if runtime is not None else None
    if containerd is None:
        return
    yield CONTAINERD, "containerRuntime.containerd"
    # Beside it: a second run must still know what was there before the first.
    yield CONTAINERD_BASE, "containerRuntime.containerd"
    for index, registry in enumerate(containerd.registries):
        for path in registry_files(registry):
            yield path, f"containerRuntime.containerd.registries[{index}]"


def registry_files(registry: Registry) -> tuple[str, ...]:
    """The files of a registry: its own, then certificates and key."""
    directory, tls = f"{CERTS_D}/{registry.host}", registry.tls
    # hosts.toml first: `writes` and the step agree on the order, and the rest depends on what is
    # given.
    found = [f"{directory}/hosts.toml"]
    if tls is not None:
        given = {"ca.crt": tls.ca or tls.ca_from, "client.cert": tls.cert or tls.cert_from, "client.key": tls.key or tls.key_from}  # fmt: skip
        found += [f"{directory}/{name}" for name, value in given.items() if value]
    return tuple(found)


def kubelet_driver(kubernetes: KubernetesConfig | None) -> tuple[str, str]:
    """The cgroup driver that the kubelet of this machine will have, and the field that says so; empty where kubeadm's default counts."""
    if kubernetes is None:
        return "", ""
    node = kubernetes.node.kubelet if kubernetes.node is not None else None
    shared = kubernetes.cluster.kubelet if kubernetes.cluster is not None else None
    own = node.config if node is not None else None
    # In the order in which they win: what kubeadm writes for this node, then the cluster's own.
    for value, place in (
        (node.cgroup_driver if node is not None else None, "node.kubelet.cgroupDriver"),
        (own.get("cgroupDriver") if isinstance(own, dict) else None, "node.kubelet.config"),
        (shared.get("cgroupDriver") if isinstance(shared, dict) else None, "cluster.kubelet"),
    ):
        if isinstance(value, str):
            return value, f"spec.kubernetes.{place}"
    # kubeadm's default since 1.22, where nobody says anything.
    return DRIVER, ""


def _has_the_kubelet_s_driver(containerd: Containerd, context: Context) -> Iterator[Finding]:
    """With two drivers pods are in two trees of cgroups: they start, and die under load."""
    driver, place = kubelet_driver(context.kubernetes)
    # The driver that we write where nobody says.
    given = containerd.cgroup_driver or DRIVER
    if driver and driver != given:
        said = f"{place} says" if place else "the kubelet's default is"
        yield finding(
            "MA1327",
            "cgroupDriver",
            f"is {given}, and {said} {driver}",
            "give both the same: systemd, unless the machine has another init system",
        )


def _is_of_linux(containerd: Containerd, _context: Context) -> Iterator[Finding]:
    # The types let both kinds of path pass, since one schema is for both systems.
    for field, path in (("root", containerd.root), ("state", containerd.state)):
        if path is not None and is_windows_path(path):
            yield finding("MA1304", field, "is a path of Windows, and this is a Linux machine")


def _has_one_default(containerd: Containerd, _context: Context) -> Iterator[Finding]:
    # containerd has one name in default_runtime_name, so a second one would win or lose by the
    # order of a map.
    defaults = [name for name, one in containerd.runtimes.items() if one.default]
    for name in defaults[1:]:
        yield finding("MA1306", f"runtimes.{name}.default", f"{defaults[0]} is the default already")


def _extra_config_is_sound(containerd: Containerd, _context: Context) -> Iterator[Finding]:
    if containerd.extra_config is None:
        return
    # Before the machine: containerd ignores keys that it does not know, and TOML that it cannot
    # read keeps it from starting.
    try:
        tables = read_toml(containerd.extra_config)
    except ValueError as error:
        yield finding("MA1328", "extraConfig", str(error))
        return
    version = tables.get("version")
    # Version 1 names its tables otherwise, and containerd 2.0 has given it up.
    if version is not None and version not in (2, 3, 4):
        yield finding("MA1328", "extraConfig", f"says version {version!r}, which is not 2, 3 or 4")
    # containerd's CRI plugin does not load with both, and then there is no runtime at all; that is
    # seen only when kubeadm waits.
    for name in inline_registries(tables):
        yield finding(
            "MA1328",
            "extraConfig",
            f"has {name}: containerd refuses it beside the files in {CERTS_D}",
            "use `registries`",
        )


def inline_registries(tables: dict[str, Any]) -> Iterator[str]:
    """The settings of registries that containerd refuses beside `config_path`."""
    plugins = tables.get("plugins")
    for plugin in IMAGES:
        found = plugins.get(plugin) if isinstance(plugins, dict) else None
        registry = found.get("registry") if isinstance(found, dict) else None
        if not isinstance(registry, dict):
            continue
        if registry.get("mirrors"):
            yield f"{plugin}.registry.mirrors"
        configs = registry.get("configs")
        for host, one in configs.items() if isinstance(configs, dict) else ():
            if isinstance(one, dict) and one.get("tls"):
                yield f"{plugin}.registry.configs.{host}.tls"


def _login_is_for_one_registry(registry: Registry, _context: Context) -> Iterator[Finding]:
    # _default stands for all registries without a directory of their own.
    if registry.host == "_default" and registry.auth is not None:
        yield finding(
            "MA1304", "auth", "is not allowed for _default: every registry would be told it"
        )


def _login_is_whole(auth: RegistryAuth, _context: Context) -> Iterator[Finding]:
    name, word = auth.username or auth.username_from, auth.password or auth.password_from
    # A handler gives a token at each run, and a user with it; a password beside it would never be
    # sent.
    if auth.auth_from is not None:
        for field, value in (("password", word), ("handler", auth.handler)):
            if value is not None:
                yield finding("MA1301", "authFrom", f"not together with {field}")
    elif auth.handler is not None and (name or word):
        yield finding("MA1323", "handler", "is instead of username and password")
    elif name and not word:
        yield finding("MA1303", "password", "is required with username")
    elif word and not name:
        yield finding("MA1303", "username", "is required with password")


def _tls_is_whole(tls: RegistryTls, _context: Context) -> Iterator[Finding]:
    certificate, key = tls.cert or tls.cert_from, tls.key or tls.key_from
    if certificate and not key:
        yield finding("MA1303", "key", "is required with cert")
    if key and not certificate:
        yield finding("MA1303", "cert", "is required with key")
    # Only what is written here: a value from elsewhere is judged when it is there.
    for field, text in (("ca", tls.ca), ("cert", tls.cert)):
        if text and (problem := pem_problem(text, CERTIFICATE, what="a certificate", single=False)):
            yield finding("MA1317", field, problem)
    if tls.key is not None and (
        problem := pem_problem(
            tls.key.reveal(), PRIVATE_KEY, what="an unencrypted private key", single=True
        )
    ):
        yield finding("MA1317", "key", problem)


def _socket_path(socket: str) -> str:
    """The path of a socket: kubeadm takes it without its scheme as well, and /var/run is a link to /run (file-hierarchy(7))."""
    path = socket.removeprefix("unix://")
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _socket_is_the_node_s(runtime: ContainerRuntime, context: Context) -> Iterator[Finding]:
    node = context.kubernetes.node if context.kubernetes is not None else None
    given = node.cri_socket if node is not None else None
    own = runtime.socket or SOCKET
    # Nothing is said of a runtime, so kubeadm finds its socket by itself.
    if runtime.containerd is None and runtime.socket is None:
        return
    if not own.removeprefix("unix://").startswith("/"):
        yield finding("MA1323", "socket", "must be unix:// and an absolute path")
    elif given is not None and _socket_path(given) != _socket_path(own):
        yield finding(
            "MA1323", "socket", f"is {own}, and spec.kubernetes.node.criSocket is {given}"
        )


RULES: Final[Rules] = {
    ContainerRuntime: (_socket_is_the_node_s,),
    Containerd: (_has_the_kubelet_s_driver, _is_of_linux, _has_one_default, _extra_config_is_sound),
    Registry: (_login_is_for_one_registry,),
    RegistryAuth: (_login_is_whole,),
    RegistryTls: (_tls_is_whole,),
}
