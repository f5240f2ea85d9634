"""NodeConfig of EKS' nodeadm, as far as it has a counterpart."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from machineadm.api.v1alpha1.node import NodeKubelet
from machineadm.conversion.account import View
from machineadm.conversion.fields import put
from machineadm.conversion.kubeadm_config import Draft

# Fields of ours beside those of a KubeletConfiguration.
_NOT_THEIRS: Final = ("nodeIP", "nodeIPFrom", "config")
# What our map of labels takes; anything else stays an argument and is judged as one.
_LABEL: Final = r"([A-Za-z0-9][A-Za-z0-9._/-]*)=([A-Za-z0-9._-]*)"
_EKS: Final = (
    "is of a control plane that kubeadm did not make: `kubeadm join` finds no kubeadm-config in it"
)


def convert(view: View, *, version: str) -> Draft:
    """Convert one NodeConfig.

    Args:
        view: The document.
        version: The version of Kubernetes, or a placeholder.
    """
    # EKS runs the control plane, so a node of it always joins as a worker.
    kubernetes: dict[str, object] = {"version": version, "role": {"type": "JoinWorker"}}
    spec = view.get("spec")
    if spec is not None:
        _cluster(spec.get("cluster"), kubernetes)
        _kubelet(spec.get("kubelet"), kubernetes)
        _containerd(spec.get("containerd"))
        _instance(spec.get("instance"))
        gates = spec.get("featureGates")
        if gates is not None:
            gates.nothing("are gates of nodeadm itself")
    return Draft(spec={"kubernetes": kubernetes}, remarks={})


def _cluster(view: View | None, kubernetes: dict[str, object]) -> None:
    if view is None:
        return
    name = view.get("name")
    if name is not None and name.text:
        name.converted("kubernetes.cluster.name")
        put(kubernetes, "cluster.name", name.text)
    for key in ("apiServerEndpoint", "certificateAuthority"):
        part = view.get(key)
        if part is not None:
            part.decide(
                _EKS,
                "join a cluster that kubeadm made: write its discovery (`--discovery`)",
                "keep nodeadm for nodes of EKS",
                to="kubernetes.role.discovery",
            )
    cidr = view.get("cidr")
    if cidr is not None:
        cidr.default("a joining node gets the address of the DNS service from the cluster")
    for key in ("enableOutpost", "id"):
        part = view.get(key)
        if part is not None:
            part.nothing("is for EKS on Outposts")


def _kubelet(view: View | None, kubernetes: dict[str, object]) -> None:
    if view is None:
        return
    # By our own type: a field that it gets later is converted from then on.
    typed = {
        field.encode_name
        for field in msgspec.structs.fields(NodeKubelet)
        if field.encode_name not in _NOT_THEIRS
    }
    config, flags = view.get("config"), view.get("flags")
    rest: dict[str, Any] = {}
    for name, part in config.entries() if config is not None else ():
        value = part.whole()
        if value is None:
            continue
        if name in ("apiVersion", "kind"):
            part.default("is that of KubeletConfiguration")
        elif name in typed:
            part.converted(f"kubernetes.node.kubelet.{name}")
            put(kubernetes, f"node.kubelet.{name}", value)
        else:
            part.converted(f"kubernetes.node.kubelet.config.{name}")
            rest[name] = value
    put(kubernetes, "node.kubelet.config", rest)
    arguments: list[dict[str, str]] = []
    labels: dict[str, str] = {}
    for item in flags.items() if flags is not None else ():
        _flag(item, arguments, labels)
    put(kubernetes, "node.labels", labels)
    put(kubernetes, "node.extraArgs", arguments)
    expression = view.get("maxPodsExpression")
    if expression is not None:
        expression.decide(
            "is computed by nodeadm on the machine",
            "write the number into kubernetes.node.kubelet.maxPods",
            "leave it out: 110 pods",
            to="kubernetes.node.kubelet.maxPods",
        )
    for empty in (config, flags):
        if empty is not None and empty.is_empty:
            empty.default("is the same as none")


def _flag(item: View, arguments: list[dict[str, str]], labels: dict[str, str]) -> None:
    name, _, value = (item.text or "").removeprefix("--").partition("=")
    # Not a flag: nothing is said of it, so it is told as a decision.
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]*", name):
        return
    pairs = value.split(",") if name == "node-labels" else []
    if pairs and all(re.fullmatch(_LABEL, pair) for pair in pairs):
        for pair in pairs:
            key, _, label = pair.partition("=")
            labels[key] = label
        item.converted("kubernetes.node.labels")
        return
    arguments.append({"name": name, "value": value})
    item.converted("kubernetes.node.extraArgs")


def _containerd(view: View | None) -> None:
    if view is None:
        return
    for _, part in view.entries():
        part.decide(
            "is containerd's own configuration",
            "write it as a file, and restart containerd in commands.preKubeadm",
            "put it into the image",
            to="machine.files",
        )


def _instance(view: View | None) -> None:
    if view is None:
        return
    for name, part in view.entries():
        ways = {
            "localStorage": "write the disks, file systems and mounts as linuxConfiguration.storage",
            "environment": "write drop-ins for the units as linuxConfiguration.systemdUnits",
        }
        part.decide(
            "is something that only nodeadm does",
            ways.get(name, "do the same by commands.preKubeadm"),
            "put it into the image",
        )
