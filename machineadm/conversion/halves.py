"""What a KubeadmConfig says twice, for the first machine and for joining ones, and is one thing here."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from machineadm.conversion.account import View
from machineadm.conversion.cluster import arguments
from machineadm.conversion.fields import (
    Role,
    Setting,
    boolean,
    integer,
    put,
    seconds,
    sourced,
    strings,
    text,
)

_TIMEOUTS: Final = (
    "controlPlaneComponentHealthCheck",
    "discovery",
    "etcdAPICall",
    "kubeletHealthCheck",
    "kubernetesAPICall",
    "tlsBootstrap",
    "upgradeManifests",
)
# kubeadm init discovers no cluster and bootstraps no kubelet's certificate.
_JOIN_ONLY: Final = ("timeouts.discovery", "timeouts.tlsBootstrap")
_ALIKE: Final = (
    "node.criSocket",
    "node.imagePullPolicy",
    "node.imagePullSerial",
    "controlPlane.localAPIEndpoint.bindPort",
    *(f"timeouts.{name}" for name in _TIMEOUTS),
)
"""What does no harm to the machines whose half does not say it: they are of the same image, behind the same load balancer."""

# Phases of init alone: `kubeadm join` has none of these, and would refuse their names.
_ADDONS: Final = {
    "addon/kube-proxy": "cluster.proxyAddon.disabled",
    "addon/coredns": "cluster.dns.disabled",
}


class HalvesDifferError(Exception):
    """What the two halves say cannot stand in one document whose role is left open.

    Args:
        path: Our field that differs.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class _Part(Struct):
    value: object
    views: list[View]


Half = dict[str, _Part]
"""Fields of ours below `kubernetes`, with what they were made of."""


def merge(
    init: View | None,
    join: View | None,
    kubernetes: dict[str, object],
    setting: Setting,
    host_name: object = None,
) -> None:
    """Convert both halves into one.

    Args:
        init: The InitConfiguration.
        join: The JoinConfiguration.
        kubernetes: What is written below `kubernetes`.
        setting: Its role decides which half counts.
        host_name: What the machine's host name is set to; a node is named by it without more.

    Raises:
        HalvesDifferError: The role is left open, and the halves differ.
    """
    first = _half(init, setting)
    other = _half(join, setting)
    # A worker's template has an init half at most by mistake.
    role = setting.role or ("JoinWorker" if setting.worker else None)
    if role is not None:
        chosen, left = (first, other) if role == "Initialize" else (other, first)
        for path, part in chosen.items():
            put_any(kubernetes, path, part.value)
        for path, part in left.items():
            # What both say alike is not lost, and was said by the other half.
            if path not in chosen or part.value != chosen[path].value:
                for view in part.views:
                    view.nothing(f"is for another role than {role}", anew=True)
        return
    # In the order of the first half, so that what is written reads like what was read.
    for path in dict.fromkeys([*first, *other]):
        ours = first.get(path) or other[path]
        put_any(kubernetes, path, ours.value)
        # A machine that initializes never waits for these, so the joining half may say them for
        # all.
        if path in _JOIN_ONLY:
            continue
        theirs = other.get(path)
        if path in first and theirs is not None and _same(path, ours.value, theirs.value):
            continue
        # Phases differ between the commands, so a list for both cannot be right; addons can be said
        # otherwise.
        if path == "skipPhases" and path in first:
            _addons(ours, kubernetes)
            continue
        # In a document for both roles a field of one half would reach machines of the other.
        alike = path in _ALIKE or _is_host_name(path, ours.value, host_name)
        if not alike or (theirs is not None and path in first):
            # At the first difference: the caller converts again for each role, and all of them are
            # then apart.
            raise HalvesDifferError(f"kubernetes.{path}")
        for view in ours.views:
            view.converted(
                f"kubernetes.{path}", "holds for the first machine and for joining ones alike"
            )


def _same(path: str, one: object, other: object) -> bool:
    if path == "node.criSocket":
        return _socket(one) == _socket(other)
    return one == other


def _socket(value: object) -> str:
    """A socket as kubeadm means it: without a scheme it is a Unix one, and /var/run is /run."""
    return re.sub("^/var/run/", "/run/", str(value).removeprefix("unix://"))


def _addons(phases: _Part, kubernetes: dict[str, object]) -> None:
    """Phases that only the first machine has. What they would install is a field of the cluster, which holds for every role."""
    left = []
    # A half has one list.
    (view,) = phases.views
    for item in view.items():
        to = _ADDONS.get(item.text or "")
        if to is None:
            left.append(item.text)
        else:
            put(kubernetes, to, True)
            item.converted(f"kubernetes.{to}", "was a phase that kubeadm init skips")
    if left:
        kubernetes["skipPhases"] = left
    else:
        kubernetes.pop("skipPhases", None)


def _is_host_name(path: str, value: object, host_name: object) -> bool:
    # kubeadm names the node by the host name without more, so saying it for one role says nothing
    # new.
    return path in ("node.name", "node.nameFrom") and value == host_name


def put_any(target: dict[str, object], path: str, value: object) -> None:
    """As `put`, but an empty list is a value: `taints: []` means none."""
    if value == []:
        *above, last = path.split(".")
        for name in above:
            inner = target.setdefault(name, {})
            if not isinstance(inner, dict):
                return
            target = inner
        target[last] = []
    else:
        put(target, path, value)


def _half(view: View | None, setting: Setting) -> Half:
    found: Half = {}
    if view is None:
        return found
    if view.is_empty:
        view.default("an empty map is the same as none")
        return found
    _registration(view.get("nodeRegistration"), found, setting)
    # Where init has it, and where join has it.
    for where in ("localAPIEndpoint", "controlPlane.localAPIEndpoint"):
        _endpoint(view.at(where), found, setting)
    phases = view.get("skipPhases")
    if phases is not None:
        _add(found, "skipPhases", strings(phases, "kubernetes.skipPhases", setting), phases)
    patches = view.at("patches.directory")
    if patches is not None:
        _add(
            found,
            "patchesDirectory",
            text(patches, "kubernetes.patchesDirectory", setting),
            patches,
        )
    for part in ("patches", "timeouts"):
        empty = view.get(part)
        if empty is not None and empty.is_empty:
            empty.default("an empty map is the same as none")
    for name in _TIMEOUTS:
        # Cluster API's name, then kubeadm's own: a document has one of them.
        length = view.at(f"timeouts.{name}Seconds")
        to = f"kubernetes.timeouts.{name}"
        if length is not None:
            _add(found, f"timeouts.{name}", seconds(length, to), length)
        length = view.at(f"timeouts.{name}")
        if length is not None:
            _add(found, f"timeouts.{name}", text(length, to, setting), length)
    return found


def _registration(view: View | None, found: Half, setting: Setting) -> None:
    if view is None:
        return
    if view.is_empty:
        view.default("an empty map is the same as none")
        return
    name = view.get("name")
    # Go writes the empty text for a name that nobody gave.
    if name is not None and name.text == "":
        name.default("the host name is the default")
    elif name is not None:
        given = sourced(name, "kubernetes.node.name", setting)
        if given is not None:
            _add(found, f"node.name{given[0]}", given[1], name)
    for key in ("criSocket", "imagePullPolicy"):
        part = view.get(key)
        if part is not None:
            _add(found, f"node.{key}", text(part, f"kubernetes.node.{key}", setting), part)
    serial = view.get("imagePullSerial")
    if serial is not None:
        _add(
            found,
            "node.imagePullSerial",
            boolean(serial, "kubernetes.node.imagePullSerial"),
            serial,
        )
    errors = view.get("ignorePreflightErrors")
    if errors is not None:
        _add(
            found,
            "node.ignorePreflightErrors",
            list(dict.fromkeys(strings(errors, "kubernetes.node.ignorePreflightErrors", setting))),
            errors,
        )
    extra = view.get("kubeletExtraArgs")
    if extra is not None:
        _add(found, "node.extraArgs", arguments(extra, "kubernetes.node.extraArgs", setting), extra)
    taints = view.get("taints")
    if taints is not None:
        if taints.is_empty:
            # Not the same as no field: kubeadm taints a control plane unless told otherwise.
            taints.converted("kubernetes.node.taints", "none at all")
        _add(found, "node.taints", _taints(taints, setting), taints)


def _taints(view: View, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for item in view.items():
        taint: dict[str, object] = {}
        for name in ("key", "value", "effect"):
            given = text(item.get(name), f"kubernetes.node.taints[{len(found)}].{name}", setting)
            put(taint, name, given or None)
        added = item.get("timeAdded")
        if added is not None:
            added.nothing("the API server sets it, only for NoExecute")
        found.append(taint)
    return found


def _endpoint(view: View | None, found: Half, setting: Setting) -> None:
    if view is None:
        return
    if view.is_empty:
        view.default("an empty map is the same as none")
        return
    to = "controlPlane.localAPIEndpoint"
    address, port = view.get("advertiseAddress"), view.get("bindPort")
    if address is not None and address.text == "":
        # kubeadm's ChooseAPIServerBindAddress.
        address.default("the address of the default route")
    elif address is not None:
        given = sourced(address, f"kubernetes.{to}.advertiseAddress", setting)
        if given is not None:
            _add(found, f"{to}.advertiseAddress{given[0]}", given[1], address)
    if port is not None and port.value == 0:
        port.default("0 means 6443")
    elif port is not None:
        _add(found, f"{to}.bindPort", integer(port, f"kubernetes.{to}.bindPort"), port)


def _add(found: Half, path: str, value: object, view: View) -> None:
    if value is None:
        return
    # An empty list says something of taints only.
    if value == [] and path != "node.taints":
        return
    found[path] = _Part(value, [view])


def role_of(name: Role | None) -> dict[str, object]:
    """A role without anything in it."""
    return {} if name is None else {"type": name}
