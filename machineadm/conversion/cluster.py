"""ClusterConfiguration, of Cluster API and of kubeadm itself."""

from __future__ import annotations

from typing import Final

from machineadm.conversion import placeholders
from machineadm.conversion.account import View
from machineadm.conversion.fields import (
    Setting,
    boolean,
    days,
    put,
    sourced,
    strings,
    text,
)

_COMPONENTS: Final = ("apiServer", "controllerManager", "scheduler")
_ENV_SOURCES: Final = (
    "configMapKeyRef",
    "fieldRef",
    "fileKeyRef",
    "resourceFieldRef",
    "secretKeyRef",
)


def arguments(view: View | None, to: str, setting: Setting) -> list[dict[str, object]]:
    """Arguments of a component: a list of name and value, or a map."""
    found: list[dict[str, object]] = []
    if view is None:
        return found
    if view.is_empty:
        view.default("no arguments")
        return found
    if view.is_map:
        # A map has no order; kubeadm sorts arguments of v1beta3 by their names.
        for name, given in sorted(view.texts(), key=lambda entry: entry[0]):
            argument = _argument(name, given, f"{to}[{len(found)}]", setting)
            if argument is not None:
                found.append(argument)
        return found
    for item in view.items():
        named, value = item.get("name"), item.get("value")
        # Nothing is said then, so the account has it as a decision.
        if named is None or named.text is None:
            continue
        where = f"{to}[{len(found)}]"
        one: dict[str, object] | None = (
            {"name": named.text, "value": ""}
            # An argument without a value is one with an empty value: `--feature=`.
            if value is None
            else _argument(named.text, value, where, setting)
        )
        if one is not None:
            named.converted(f"{where}.name")
            found.append(one)
    return found


def _argument(name: str, value: View, to: str, setting: Setting) -> dict[str, object] | None:
    given = sourced(value, f"{to}.value", setting)
    return None if given is None else {"name": name, f"value{given[0]}": given[1]}


def cluster(view: View, kubernetes: dict[str, object], setting: Setting) -> None:
    """Convert a ClusterConfiguration but for its version.

    Args:
        view: The ClusterConfiguration.
        kubernetes: What is written below `kubernetes`.
        setting: Of the document.
    """
    if view.is_empty:
        view.default("an empty map is the same as none")
        return
    to = "kubernetes.cluster"
    for theirs, ours in (
        ("clusterName", "name"),
        ("controlPlaneEndpoint", "controlPlaneEndpoint"),
        ("imageRepository", "imageRepository"),
        ("certificatesDir", "certificates.directory"),
        ("encryptionAlgorithm", "certificates.keyAlgorithm"),
        ("certificateValidityPeriod", "certificates.validity"),
        ("caCertificateValidityPeriod", "certificates.caValidity"),
        ("networking.dnsDomain", "network.dnsDomain"),
        ("dns.imageRepository", "dns.image.repository"),
        ("dns.imageTag", "dns.image.tag"),
    ):
        # An empty text is what Go's structs write for a field that nobody set.
        put(kubernetes, f"cluster.{ours}", text(view.at(theirs), f"{to}.{ours}", setting) or None)
    for theirs, ours in (
        ("certificateValidityPeriodDays", "validity"),
        ("caCertificateValidityPeriodDays", "caValidity"),
    ):
        put(
            kubernetes,
            f"cluster.certificates.{ours}",
            days(view.get(theirs), f"{to}.certificates.{ours}"),
        )
    for theirs, ours in (("podSubnet", "podCIDRs"), ("serviceSubnet", "serviceCIDRs")):
        ranges = text(view.at(f"networking.{theirs}"), f"{to}.network.{ours}", setting)
        put(
            kubernetes,
            f"cluster.network.{ours}",
            # Dual stack: kubeadm writes two ranges in one text.
            [part.strip() for part in (ranges or "").split(",") if part.strip()],
        )
    for theirs in ("dns.disabled", "proxy.disabled"):
        ours = theirs.replace("proxy", "proxyAddon")
        put(kubernetes, f"cluster.{ours}", boolean(view.at(theirs), f"{to}.{ours}"))
    # v1beta2 of kubeadm's API had a choice with kube-dns.
    kind = view.at("dns.type")
    if kind is not None and kind.text in ("CoreDNS", ""):
        kind.default("there is only CoreDNS")
    _gates(view.get("featureGates"), kubernetes)
    for name in _COMPONENTS:
        component = view.get(name)
        if component is not None:
            # The components are in another place here: they belong to machines of the control
            # plane, the cluster's settings to all.
            put(kubernetes, f"controlPlane.{name}", _component(component, name, setting))
    _etcd(view.get("etcd"), kubernetes, setting)
    timeout(view, kubernetes, setting)
    # After their fields, so that only a map that was empty in the source is told so.
    for name in ("networking", "dns", "proxy", *_COMPONENTS):
        part = view.get(name)
        if part is not None and part.is_empty:
            part.default("an empty map is the same as none")
    version = view.get("kubernetesVersion")
    # The version of the machines wins, and what became of this one has been said then.
    if version is not None and version.text is not None and not view.account.is_said(version.path):
        version.converted("kubernetes.version")


def _gates(view: View | None, kubernetes: dict[str, object]) -> None:
    if view is None:
        return
    if view.is_empty:
        view.default("an empty map is the same as none")
    found = {
        name: value
        for name, gate in view.entries()
        if (value := boolean(gate, f"kubernetes.cluster.featureGates.{name}")) is not None
    }
    put(kubernetes, "cluster.featureGates", found)


def _component(view: View, name: str, setting: Setting) -> dict[str, object]:
    to = f"kubernetes.controlPlane.{name}"
    found: dict[str, object] = {}
    put(found, "extraArgs", arguments(view.get("extraArgs"), f"{to}.extraArgs", setting))
    put(found, "extraVolumes", _volumes(view.get("extraVolumes"), f"{to}.extraVolumes", setting))
    put(found, "extraEnv", _variables(view.get("extraEnvs"), f"{to}.extraEnv", setting))
    if name == "apiServer":
        names = view.get("certSANs")
        if names is not None and names.is_empty:
            names.default("an empty list is the same as none")
        # Two lists: a name that the machine knows cannot stand in a list of texts.
        plain, sources = [], []
        for item in names.items() if names is not None else ():
            given = sourced(item, f"{to}.certSANs", setting)
            if given is not None and given[0]:
                sources.append(given[1])
            elif given is not None:
                plain.append(given[1])
        # kubeadm takes a name twice and a certificate has it once; here a second one is an error.
        put(found, "certSANs", list(dict.fromkeys(plain)))
        put(found, "certSANsFrom", sources)
    return found


def _volumes(view: View | None, to: str, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for item in view.items() if view is not None else ():
        volume: dict[str, object] = {}
        where = f"{to}[{len(found)}]"
        for name in ("name", "hostPath", "mountPath", "pathType"):
            # hostPath and mountPath; for the others a slash at the end is not removed, since they
            # do not begin with one.
            put(volume, name, _path(item.get(name), f"{where}.{name}", setting))
        put(volume, "readOnly", boolean(item.get("readOnly"), f"{where}.readOnly"))
        found.append(volume)
    if view is not None and view.is_empty:
        view.default("an empty list is the same as none")
    return found


def _path(view: View | None, to: str, setting: Setting) -> str | None:
    """A path in its plain form, or any other text."""
    given = text(view, to, setting)
    # Our rules compare paths as text, and kubelet and kubeadm clean theirs.
    if (
        given
        and view is not None
        and given.startswith("/")
        and given != "/"
        and given.endswith("/")
    ):
        view.converted(to, "written without the slash at its end")
        return given.rstrip("/") or "/"
    return given or None


def _variables(view: View | None, to: str, setting: Setting) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for item in view.items() if view is not None else ():
        variable: dict[str, object] = {}
        where = f"{to}[{len(found)}]"
        for name in ("name", "value"):
            put(variable, name, text(item.get(name), f"{where}.{name}", setting))
        for source in _ENV_SOURCES:
            # The forms are core/v1's in both, so each field goes over as it is.
            part = item.at(f"valueFrom.{source}")
            for name, value in part.entries() if part is not None else ():
                at = f"{where}.valueFrom.{source}.{name}"
                given: object = (
                    boolean(value, at) if name == "optional" else text(value, at, setting)
                )
                put(variable, f"valueFrom.{source}.{name}", given)
        found.append(variable)
    if view is not None and view.is_empty:
        view.default("an empty list is the same as none")
    return found


def _etcd(view: View | None, kubernetes: dict[str, object], setting: Setting) -> None:
    if view is None:
        return
    if view.is_empty:
        view.default("an empty map is the same as none")
        return
    to = "kubernetes.cluster.etcd"
    local, external = view.get("local"), view.get("external")
    if local is not None:
        # `local: {}` is how people say that they do not want an external one.
        if local.is_empty:
            local.default("etcd runs on the control plane machines")
        found: dict[str, object] = {}
        for theirs, ours in (
            ("dataDir", "dataDir"),
            ("imageRepository", "image.repository"),
            ("imageTag", "image.tag"),
        ):
            put(found, ours, text(local.get(theirs), f"{to}.local.{ours}", setting) or None)
        put(found, "extraArgs", arguments(local.get("extraArgs"), f"{to}.local.extraArgs", setting))
        put(found, "extraEnv", _variables(local.get("extraEnvs"), f"{to}.local.extraEnv", setting))
        for name in ("serverCertSANs", "peerCertSANs"):
            put(found, name, strings(local.get(name), f"{to}.local.{name}", setting))
        put(kubernetes, "cluster.etcd.local", found)
    if external is not None:
        found = {}
        put(
            found,
            "endpoints",
            strings(external.get("endpoints"), f"{to}.external.endpoints", setting),
        )
        for name in ("caFile", "certFile", "keyFile"):
            put(found, name, text(external.get(name), f"{to}.external.{name}", setting) or None)
        put(kubernetes, "cluster.etcd.external", found)


def timeout(view: View, kubernetes: dict[str, object], setting: Setting) -> None:
    """Convert the only timeout that a ClusterConfiguration has had.

    Args:
        view: The ClusterConfiguration.
        kubernetes: The draft below `kubernetes`.
        setting: Of the document.
    """
    # v1beta3's only timeout of a component, which v1beta4 moved to `timeouts` under this name.
    to = "timeouts.controlPlaneComponentHealthCheck"
    put(
        kubernetes,
        to,
        text(view.at("apiServer.timeoutForControlPlane"), f"kubernetes.{to}", setting),
    )


def version_of(view: View | None) -> str | None:
    """The version of Kubernetes that a ClusterConfiguration asks for, with its `v`."""
    given = view.get("kubernetesVersion") if view is not None else None
    if given is None or not given.text:
        return None
    version = given.text.strip()
    # kubeadm takes 1.34.1 as well.
    return version if version.startswith("v") or placeholders.holds(version) else f"v{version}"
