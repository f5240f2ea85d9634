"""A KubeadmConfigSpec (bootstrap.cluster.x-k8s.io, v1beta1 and v1beta2) as `machine` and `kubernetes`."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from machineadm.conversion import (
    cluster,
    commands,
    file_idioms,
    halves,
    ignition,
    joining,
    operating_system,
)
from machineadm.conversion.account import View
from machineadm.conversion.fields import Role, Setting, boolean, integer, put, text
from machineadm.conversion.idioms import READS_KUBEADM, Kubeadm, file_to_read
from machineadm.conversion.texts import Machine

UNKNOWN_VERSION: Final = "${KUBERNETES_VERSION}"
"""What stands for a version that only the Machine says."""

# No field says the system: only what is in the texts shows it.
_WINDOWS: Final = r"(?im)^\s*-?\s*['\"]?(?:powershell|nssm)\b|path:\s*['\"]?[A-Z]:[\\/]|npipe:"


class Draft(Struct, kw_only=True):
    """A converted spec."""

    spec: dict[str, object]
    """`machine`, `kubernetes` and what is beside them in a MachineBootstrap."""

    remarks: dict[str, tuple[str, ...]]
    """Lines above fields, by their paths below spec."""

    setting: Setting = Setting(machine=Machine(jinja=False))
    """What holds for it."""


def convert(
    spec: View,
    *,
    document: str,
    setting: Setting,
    version: str | None,
    role: Role | None,
) -> Draft:
    """Convert one spec.

    Args:
        spec: The KubeadmConfigSpec.
        document: The text around it.
        setting: Of the document; what the spec says itself is filled in here.
        version: The version of Kubernetes, if it stands elsewhere.
        role: What was asked for.
    """
    setting = _setting(spec, document, setting, role)
    # Before any field, since it decides what a text in kubeadm's file means.
    substituted = commands.substituted(
        spec.get("preKubeadmCommands"), document, joins=setting.worker
    )
    machine = Machine(jinja=not setting.ignition, variables=substituted.variables)
    setting = replace(setting, machine=machine)
    remarks: dict[str, tuple[str, ...]] = {}
    # In this order: people read what is on the machine before what it joins.
    out: dict[str, object] = {"machine": {}, "kubernetes": {}}
    _machine(spec, out, setting, substituted, remarks)
    _kubernetes(spec, out, setting, version)
    _components(substituted, out)
    if setting.windows:
        _windows(out)
    return Draft(spec=_without_empty(out), remarks=remarks, setting=setting)


def _setting(spec: View, document: str, setting: Setting, role: Role | None) -> Setting:
    form = spec.get("format")
    join_cp = spec.at("joinConfiguration.controlPlane") is not None
    # A machine on its own that says how it initializes, and not how it joins, is a first one.
    leads = spec.get("joinConfiguration") is None and any(
        (part := spec.get(name)) is not None and not part.is_empty
        for name in ("clusterConfiguration", "initConfiguration")
    )
    # The kind says worker, and what the document itself says is stronger.
    worker = setting.worker and not join_cp and not leads
    return replace(
        setting,
        ignition=form is not None and form.text == "ignition",
        windows=re.search(_WINDOWS, document) is not None,
        role=role,
        worker=worker or role == "JoinWorker",
    )


def _machine(
    spec: View,
    out: dict[str, object],
    setting: Setting,
    substituted: Kubeadm,
    remarks: dict[str, tuple[str, ...]],
) -> None:
    given = spec.get("files")
    files: list[dict[str, object]] = []
    # Before files and commands, which leave out what has become a field.
    idioms = file_idioms.typed(spec, setting)
    if given is not None:
        files, remarked = operating_system.files(given, setting, idioms.files)
        remarks |= remarked
    taken = frozenset(str(file.get("path")) for file in files)
    converted = commands.convert(spec, setting, substituted, taken, idioms.commands)
    remarks |= converted.remarks
    found = converted.typed
    if found.hosts is not None:
        files.append(found.hosts)
    linux: dict[str, object] = {}
    if found.hostname is not None:
        put(linux, f"hostname{found.hostname[0]}", found.hostname[1])
    modules = [*found.modules, *idioms.linux.pop("kernelModules", [])]
    put(linux, "kernelModules", list(dict.fromkeys(modules)))
    # A command that sets one comes after the file was read, so it wins.
    put(linux, "sysctls", {**idioms.linux.pop("sysctls", {}), **found.sysctls})
    for name, convert_part in (("users", operating_system.users), ("ntp", operating_system.ntp)):
        part = spec.get(name)
        if part is not None:
            put(linux, name, convert_part(part, setting))
    # What is left after the two that are merged above.
    linux |= idioms.linux
    if found.swap:
        linux["swap"] = {"enabled": False}
    put(
        linux,
        "storage",
        operating_system.storage(spec.get("diskSetup"), spec.get("mounts"), setting),
    )
    put(out, "machine.files", files)
    put(out, "machine.linuxConfiguration", linux)
    for name, value in idioms.machine.items():
        put(out, f"machine.{name}", value)
    scripts = [str(file.get("content", "")) for file in files]
    # With Ignition the file has a path of its own, and no copy is made of it.
    if (path := file_to_read([*scripts, *converted.texts])) and not setting.ignition:
        lists = {"kubeadmFile": path, **converted.lists}
        remarks["machine.commands.kubeadmFile"] = (f"decide: {READS_KUBEADM[0]}",)
    else:
        lists = converted.lists
    put(out, "machine.commands", lists)
    if "postKubeadm" in converted.lists:
        # Cluster API's scripts write their sentinel right after kubeadm, before the commands that
        # follow: a failure there was no failure of the machine.
        put(out, "machine.sentinel", "AfterKubeadm")
    form = spec.get("format")
    if form is not None and form.text in ("cloud-config", ""):
        form.default("cloud-config is the default")
    elif form is not None and form.text == "ignition":
        form.converted("format")
        if setting.inlined:
            form.nothing("a MachineConfiguration is what user data carries, whatever its format")
        else:
            out["format"] = "ignition"
    elif form is not None:
        form.decide(
            "is a format that Cluster API itself does not have",
            "convert it, and let a template of your own write the user data (bootstrapperTemplateConfigMapName)",
            "keep Cluster API's provider for these machines",
        )
    ignition.convert(spec.get("ignition"), out, setting, remarks)


def _kubernetes(spec: View, out: dict[str, object], setting: Setting, version: str | None) -> None:
    kubernetes: dict[str, object] = {}
    cluster_view = spec.get("clusterConfiguration")
    own = cluster.version_of(cluster_view)
    # The Machine's first: Cluster API overwrites what the ClusterConfiguration says.
    kubernetes["version"] = version or own or UNKNOWN_VERSION
    if version and own and version != own and cluster_view is not None:
        given = cluster_view.get("kubernetesVersion")
        if given is not None:
            given.nothing("the version of the Machine counts, and is another one")
    init, join = spec.get("initConfiguration"), spec.get("joinConfiguration")
    for part in (cluster_view, init, join):
        for name in ("apiVersion", "kind"):
            head = part.get(name) if part is not None else None
            if head is not None:
                head.default("the provider chooses it by the version of Kubernetes")
    # As Cluster API itself takes it over from v1beta1.
    waits = join.at("discovery.timeout") if join is not None else None
    if setting.role == "Initialize" and waits is not None:
        waits.nothing("is for another role than Initialize")
    else:
        to = "timeouts.tlsBootstrap"
        put(kubernetes, to, text(waits, f"kubernetes.{to}", setting))
    put(kubernetes, "role", joining.role(init, join, setting, cluster_view))
    if cluster_view is not None and setting.worker and not cluster_view.is_empty:
        # Cluster API writes this one to every machine, so a worker has it, too.
        cluster.timeout(cluster_view, kubernetes, setting)
        cluster_view.nothing("a worker gets it from the cluster")
    elif cluster_view is not None:
        cluster.cluster(cluster_view, kubernetes, setting)
    halves.merge(init, join, kubernetes, setting, _host_name(out))
    if setting.worker:
        kubernetes.pop("controlPlane", None)
        if init is not None:
            init.nothing("is for the first control plane machine")
    put(kubernetes, "verbosity", integer(spec.get("verbosity"), "kubernetes.verbosity"))
    # Of older versions of the API.
    retry = spec.get("useExperimentalRetryJoin")
    if retry is not None and boolean(retry, "") is not None:
        retry.nothing("Cluster API has removed it: kubeadm itself tries again")
    out["kubernetes"] = kubernetes


def _components(substituted: Kubeadm, out: dict[str, object]) -> None:
    """What commands appended to kubeadm's file, for the kubelets and the kube-proxies of the cluster."""
    for kind, config in substituted.components.items():
        if kind == "KubeletConfiguration":
            put(out, "kubernetes.cluster.kubelet", config)
            continue
        # Our own field has it, and both would be refused as two words about one thing.
        put(out, "kubernetes.cluster.proxyAddon.mode", config.pop("mode", None) or None)
        put(out, "kubernetes.cluster.proxyAddon.config", config)


def _host_name(out: dict[str, object]) -> object:
    machine = out.get("machine")
    linux = machine.get("linuxConfiguration", {}) if isinstance(machine, dict) else {}
    return linux.get("hostname", linux.get("hostnameFrom"))


def _windows(out: dict[str, object]) -> None:
    machine = out["machine"]
    # What was converted for Linux (sysctls from a file, say) cannot be on it.
    if isinstance(machine, dict):
        machine.pop("linuxConfiguration", None)
        machine["windowsConfiguration"] = {}


def _without_empty(out: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in out.items() if value != {}}
