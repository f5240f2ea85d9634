"""kubeadm's own documents (kubeadm.k8s.io, v1beta2 to v1beta4) with the kubelet's and kube-proxy's beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from machineadm.conversion import cluster, halves, joining
from machineadm.conversion.account import View
from machineadm.conversion.fields import Role, Setting, put, text
from machineadm.conversion.kubeadm_config import UNKNOWN_VERSION, Draft
from machineadm.documents.model import Document

_OBJECT: Final = ("apiVersion", "kind")
# Others stay in the document, where our rules refuse them at their place.
_PROXY_MODES: Final = ("iptables", "ipvs", "nftables", "kernelspace")


def groups(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """The documents that kubeadm reads as one file: a kind that comes again begins another."""
    group: list[Document] = []
    for document in documents:
        # Files of several machines, one after the other, are how people keep them.
        if group and (
            document.file != group[0].file or document.kind in {one.kind for one in group}
        ):
            yield group
            group = []
        group.append(document)
    if group:
        yield group


def role_of(kinds: Iterable[str]) -> Role | None:
    """The role that the documents alone say; None: both roles are there."""
    found = set(kinds)
    # `kubeadm config print init-defaults` and join-defaults, put together.
    if {"InitConfiguration", "JoinConfiguration"} <= found:
        return None
    return "JoinWorker" if "JoinConfiguration" in found else "Initialize"


def convert(views: Mapping[str, View], *, setting: Setting, version: str | None) -> Draft:
    """Convert the documents of one file.

    Args:
        views: By kind.
        setting: Of the documents, with a role.
        version: The version of Kubernetes, if it stands elsewhere.
    """
    kubernetes: dict[str, object] = {}
    of_cluster = views.get("ClusterConfiguration")
    init, join = views.get("InitConfiguration"), views.get("JoinConfiguration")
    kubernetes["version"] = version or _version(of_cluster) or UNKNOWN_VERSION
    put(kubernetes, "role", joining.role(init, join, setting))
    if of_cluster is not None:
        if setting.worker:
            _but_heads(of_cluster, "a worker gets it from the cluster")
        else:
            cluster.cluster(of_cluster, kubernetes, setting)
    _discovery(join, kubernetes, setting)
    halves.merge(init, join, kubernetes, setting)
    if setting.worker:
        kubernetes.pop("controlPlane", None)
    if init is not None and setting.role != "Initialize":
        _but_heads(init, f"is for another role than {setting.role}")
    if join is not None and setting.role == "Initialize":
        _but_heads(join, "is for another role than Initialize")
    for half in (init, join):
        dry = half.get("dryRun") if half is not None else None
        if dry is not None:
            dry.nothing("`machineadm plan` is the dry run")
    _kubelet(views.get("KubeletConfiguration"), kubernetes, setting)
    _proxy(views.get("KubeProxyConfiguration"), kubernetes, setting)
    for kind in ("ClusterStatus", "UpgradeConfiguration", "ResetConfiguration"):
        other = views.get(kind)
        if other is not None:
            _but_heads(other, "is not about how a machine joins")
    return Draft(spec={"kubernetes": kubernetes}, remarks={})


def _version(view: View | None) -> str | None:
    """A version by number; kubeadm also takes names of channels, which say something else tomorrow."""
    # stable-1, ci/latest and the like (KubernetesReleaseVersion).
    version = cluster.version_of(view)
    given = view.get("kubernetesVersion") if view is not None else None
    if version is None or given is None or version[1:2].isdecimal() or "${" in version:
        return version
    given.decide(
        "names a channel, and a configuration has one version",
        "write the version itself: `kubeadm version -o short` prints kubeadm's own",
        "say it by `--kubernetes-version`",
        to="kubernetes.version",
    )
    return None


def _discovery(join: View | None, kubernetes: dict[str, object], setting: Setting) -> None:
    if join is None or setting.role == "Initialize":
        return
    # v1beta3; v1beta4 has it below timeouts.
    timeout = join.at("discovery.timeout")
    put(kubernetes, "timeouts.discovery", text(timeout, "kubernetes.timeouts.discovery", setting))
    path = join.at("discovery.file.kubeConfigPath")
    # kubeadm takes a URL here (isHTTPSURL).
    if path is not None and path.text is not None and "://" in path.text:
        path.decide(
            "is fetched by kubeadm, which verifies nothing",
            "let machine.files fetch it with its digest, and name that path",
            "write the parts of the kubeconfig into discovery.kubeconfig",
            to="kubernetes.role.discovery.path",
        )


def _kubelet(view: View | None, kubernetes: dict[str, object], setting: Setting) -> None:
    if view is None:
        return
    # A joining node reads the cluster's ConfigMap, whatever stands beside its JoinConfiguration.
    if setting.role != "Initialize":
        _but_heads(
            view, "kubeadm ignores it with a JoinConfiguration: a node gets it from the cluster"
        )
        return
    put(kubernetes, "cluster.kubelet", _passed_on(view, "kubernetes.cluster.kubelet"))


def _proxy(view: View | None, kubernetes: dict[str, object], setting: Setting) -> None:
    if view is None:
        return
    if setting.role != "Initialize":
        _but_heads(view, "kubeadm ignores it with a JoinConfiguration")
        return
    to = "kubernetes.cluster.proxyAddon"
    config = _passed_on(view, f"{to}.config")
    mode = view.get("mode")
    if mode is not None and mode.text in _PROXY_MODES:
        mode.converted(f"{to}.mode")
        # Our own field has it, and both would be refused as two words about one thing.
        put(kubernetes, "cluster.proxyAddon.mode", config.pop("mode", None))
    elif mode is not None and mode.text == "":
        mode.default("iptables on Linux")
        config.pop("mode", None)
    put(kubernetes, "cluster.proxyAddon.config", config)


def _passed_on(view: View, to: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, part in view.entries():
        if name not in _OBJECT:
            # As its own reader sees it: null and YAML 1.1's booleans included.
            value = part.whole()
            if value is not None:
                part.converted(f"{to}.{name}")
                config[name] = value
    return config


def _but_heads(view: View, note: str) -> None:
    for name, part in view.entries():
        if name not in _OBJECT:
            part.nothing(note)
