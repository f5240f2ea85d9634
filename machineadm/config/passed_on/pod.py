"""The kubelet's validation of a static Pod (k8s.io/kubernetes, pkg/apis/core/validation and pkg/kubelet/config).

The kubelet gives an absent namespace the value default and adds the node's name to that of the pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    Once,
    between,
    is_absent,
    is_label,
    is_label_value,
    is_qualified,
    is_subdomain,
    mapping,
    maps,
    number,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on

_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_LAST_PORT: Final = 65535
_NOT_A_SOURCE: Final = frozenset({"name"})
_RELAXED_ENV_MINOR: Final = 35
"""The first one whose kubelet takes any printable letters but = in the name of a variable of a static pod: those before
validate it without the options of a feature gate (pkg/kubelet/config/common.go), though the API server takes more from 1.32 on."""


def problems(
    pod: dict[str, Any], path: str, minor: int, _inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield what the kubelet refuses besides unknown fields."""
    yield from _metadata(mapping(pod, "metadata"), child(path, "metadata"))
    spec, at = mapping(pod, "spec"), child(path, "spec")
    yield from _spec(spec, at)
    volumes = list(_volumes(spec, at))
    yield from (problem for each in volumes for problem in each[1])
    names = {name for name, _ in volumes}
    yield from _containers(spec, at, names, minor)
    yield from _references(spec, at, minor)


def _metadata(metadata: dict[str, Any], path: str) -> Iterator[Finding]:
    name, namespace = text(metadata, "name"), text(metadata, "namespace")
    yield from required(metadata, path, "name")
    if name and not is_subdomain(name):
        yield refused(
            child(path, "name"), "must be a DNS name: lower-case letters, digits, hyphens and dots"
        )
    if namespace and not is_label(namespace):
        yield refused(child(path, "namespace"), "must be lower-case letters, digits and hyphens")
    yield from _labels(metadata, "labels", path)
    for key in mapping(metadata, "annotations"):
        if isinstance(key, str) and not is_qualified(key):
            yield refused(child(child(path, "annotations"), key), "is not a key of an annotation")


def _labels(value: dict[str, Any], name: str, path: str) -> Iterator[Finding]:
    at = child(path, name)
    for key, label in mapping(value, name).items():
        if not isinstance(key, str):
            continue
        if not is_qualified(key):
            yield refused(child(at, key), "is not a key of a label")
        if isinstance(label, str) and not is_label_value(label):
            yield refused(child(at, key), "is not the value of a label")


def _spec(spec: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(spec, path, "containers")
    if spec.get("ephemeralContainers"):
        yield refused(child(path, "ephemeralContainers"), "are added to a running pod alone")
    yield from between(spec, "terminationGracePeriodSeconds", path, 0)
    yield from between(spec, "activeDeadlineSeconds", path, 1)
    for name in ("hostname", "subdomain"):
        if text(spec, name) and not is_label(text(spec, name)):
            yield refused(child(path, name), "must be lower-case letters, digits and hyphens")
    yield from _labels(spec, "nodeSelector", path)
    if text(spec, "dnsPolicy") == "None" and is_absent(mapping(spec, "dnsConfig"), "nameservers"):
        yield refused(child(path, "dnsPolicy"), "None needs dnsConfig.nameservers")
    for server, at in strings(mapping(spec, "dnsConfig"), "nameservers", child(path, "dnsConfig")):
        if not _is_address(server):
            yield refused(at, "is not an IP address")
    for alias, at in maps(spec, "hostAliases", path):
        if not _is_address(text(alias, "ip")):
            yield refused(child(at, "ip"), "is not an IP address")
    for toleration, at in maps(spec, "tolerations", path):
        yield from _toleration(toleration, at)
    context, at = mapping(spec, "securityContext"), child(path, "securityContext")
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        yield from between(context, name, at, 0, 2147483647)
    yield from _profile(context, at)


def _is_address(value: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _toleration(toleration: dict[str, Any], path: str) -> Iterator[Finding]:
    key, operator = text(toleration, "key"), text(toleration, "operator")
    if key and not is_qualified(key):
        yield refused(child(path, "key"), "is not a key such as example.com/gpu")
    if not key and operator not in ("Exists", "Exist"):
        yield refused(child(path, "operator"), "must be Exists without a key")
    if operator == "Exists" and text(toleration, "value"):
        yield refused(child(path, "value"), "not together with operator Exists")
    if operator in ("", "Equal") and not is_label_value(text(toleration, "value")):
        yield refused(child(path, "value"), "is not the value of a label")
    if "tolerationSeconds" in toleration and text(toleration, "effect") != "NoExecute":
        yield refused(child(path, "tolerationSeconds"), "is for effect NoExecute alone")


def _volumes(spec: dict[str, Any], path: str) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each volume's name, and what is wrong with it."""
    seen = Once()
    for volume, at in maps(spec, "volumes", path):
        name = text(volume, "name")
        found = list(required(volume, at, "name"))
        if name and not is_label(name):
            found.append(
                refused(child(at, "name"), "must be lower-case letters, digits and hyphens")
            )
        found += seen.again(name, child(at, "name"))
        sources = [each for each in volume if each not in _NOT_A_SOURCE]
        if not sources:
            found.append(refused(at, "has no source", "hostPath or emptyDir, for example"))
        elif len(sources) > 1:
            found.append(refused(child(at, sources[1]), f"not together with {sources[0]}"))
        found += _host_path(volume, at)
        yield name, found


def _host_path(volume: dict[str, Any], path: str) -> Iterator[Finding]:
    if "hostPath" not in volume:
        return
    host_path, at = mapping(volume, "hostPath"), child(path, "hostPath")
    yield from required(host_path, at, "path")
    if ".." in text(host_path, "path").split("/"):
        yield refused(child(at, "path"), "must not hold ..")


def _containers(
    spec: dict[str, Any], path: str, volumes: set[str], minor: int
) -> Iterator[Finding]:
    # One set of names for both kinds: the kubelet refuses an init container with the name of a
    # container.
    names, host_ports = Once(), Once()
    for kind in ("containers", "initContainers"):
        for container, at in maps(spec, kind, path):
            yield from _container(container, at, volumes, minor)
            yield from names.again(text(container, "name"), child(at, "name"))
            yield from _ports(container, at, spec, host_ports if kind == "containers" else Once())
            if kind == "initContainers" and text(container, "restartPolicy") != "Always":
                for probe in (*_PROBES, "lifecycle"):
                    if probe in container:
                        yield refused(
                            child(at, probe), "is for init containers of restartPolicy Always alone"
                        )


def _container(
    container: dict[str, Any], path: str, volumes: set[str], minor: int
) -> Iterator[Finding]:
    yield from required(container, path, "name", "image")
    name, image = text(container, "name"), text(container, "image")
    if name and not is_label(name):
        yield refused(child(path, "name"), "must be lower-case letters, digits and hyphens")
    if image.strip() != image:
        yield refused(child(path, "image"), "has blanks around it")
    yield from _mounts(container, path, volumes)
    yield from _env(container, path, minor)
    for probe in _PROBES:
        if probe in container:
            yield from _probe(mapping(container, probe), child(path, probe), probe)
    lifecycle, at = mapping(container, "lifecycle"), child(path, "lifecycle")
    for hook in ("postStart", "preStop"):
        if hook in lifecycle:
            yield from _handler(
                mapping(lifecycle, hook), child(at, hook), ("exec", "httpGet", "tcpSocket", "sleep")
            )
    yield from _resources(mapping(container, "resources"), child(path, "resources"))
    context, at = mapping(container, "securityContext"), child(path, "securityContext")
    added = mapping(context, "capabilities").get("add")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield refused(
                child(at, "allowPrivilegeEscalation"), "false does not go with privileged"
            )
        if isinstance(added, Sequence) and "SYS_ADMIN" in added:
            yield refused(child(at, "allowPrivilegeEscalation"), "false does not go with SYS_ADMIN")
    for each in ("runAsUser", "runAsGroup"):
        yield from between(context, each, at, 0, 2147483647)
    yield from _profile(context, at)


def _profile(context: dict[str, Any], path: str) -> Iterator[Finding]:
    """Only a seccomp or AppArmor profile of type Localhost has a name."""
    for name in ("seccompProfile", "appArmorProfile"):
        if name not in context:
            continue
        profile, at = mapping(context, name), child(path, name)
        yield from required(profile, at, "type")
        if text(profile, "type") == "Localhost":
            yield from required(profile, at, "localhostProfile")
        elif "localhostProfile" in profile:
            yield refused(child(at, "localhostProfile"), "is for type Localhost alone")


def _mounts(container: dict[str, Any], path: str, volumes: set[str]) -> Iterator[Finding]:
    from machineadm.nearest import suggest

    places = Once()
    for mount, at in maps(container, "volumeMounts", path):
        name = text(mount, "name")
        yield from required(mount, at, "name", "mountPath")
        if name and name not in volumes:
            meant = suggest(name, volumes)
            guess = f'; did you mean "{meant}"?' if meant else ""
            yield refused(child(at, "name"), f"is not a volume of this pod{guess}")
        yield from places.again(text(mount, "mountPath"), child(at, "mountPath"))
        for sub in ("subPath", "subPathExpr"):
            given = text(mount, sub)
            if given.startswith("/") or ".." in given.split("/"):
                yield refused(child(at, sub), "must be a path below the volume, without ..")
        if text(mount, "subPath") and text(mount, "subPathExpr"):
            yield refused(child(at, "subPathExpr"), "not together with subPath")


def _env(container: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    for variable, at in maps(container, "env", path):
        name = text(variable, "name")
        yield from required(variable, at, "name")
        if name and not _is_variable(name, minor):
            yield refused(child(at, "name"), "is not the name of a variable")
        source, place = mapping(variable, "valueFrom"), child(at, "valueFrom")
        if "valueFrom" in variable:
            if not is_absent(variable, "value"):
                yield refused(place, "not together with value")
            if len(source) != 1:
                yield refused(place, "needs exactly one source")


def _is_variable(name: str, minor: int) -> bool:
    if minor >= _RELAXED_ENV_MINOR:
        return all(" " <= letter <= "~" and letter != "=" for letter in name)
    return re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name) is not None and not (
        name == "." or name.startswith("..")
    )


def _probe(probe: dict[str, Any], path: str, name: str) -> Iterator[Finding]:
    yield from _handler(probe, path, _HANDLERS)
    for each in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"):
        yield from between(probe, each, path, 0)
    yield from between(probe, "successThreshold", path, 0)
    successes = number(probe, "successThreshold")
    if name != "readinessProbe" and successes is not None and successes > 1:
        yield refused(child(path, "successThreshold"), "must be 1")
    seconds = number(probe, "terminationGracePeriodSeconds")
    if seconds is not None and (name == "readinessProbe" or seconds < 1):
        at = child(path, "terminationGracePeriodSeconds")
        what = "is not for readinessProbe" if name == "readinessProbe" else "must be at least 1"
        yield refused(at, what)


def _handler(handler: dict[str, Any], path: str, kinds: tuple[str, ...]) -> Iterator[Finding]:
    given = [each for each in kinds if each in handler]
    if not given:
        yield refused(path, f"needs one of {', '.join(kinds)}")
    elif len(given) > 1:
        yield refused(child(path, given[1]), f"not together with {given[0]}")
    if "exec" in handler:
        yield from required(mapping(handler, "exec"), child(path, "exec"), "command")
    for each in ("httpGet", "tcpSocket", "grpc"):
        if each in handler:
            yield from _port(mapping(handler, each), child(path, each))


def _port(value: dict[str, Any], path: str) -> Iterator[Finding]:
    port, at = value.get("port"), child(path, "port")
    if port is None:
        yield refused(at, "is required")
    elif isinstance(port, str) and not _is_port_name(port):
        yield refused(at, "is not the name of a port; a number stands without quotes")
    else:
        yield from between(value, "port", path, 1, 65535)


def _is_port_name(name: str) -> bool:
    digits = name.replace("-", "").isdigit()
    return len(name) <= 15 and is_label(name) and "--" not in name and not digits


def _ports(
    container: dict[str, Any], path: str, spec: dict[str, Any], host_ports: Once
) -> Iterator[Finding]:
    names = Once()
    on_host = spec.get("hostNetwork") is True
    for port, at in maps(container, "ports", path):
        yield from between(port, "containerPort", at, 1, 65535)
        yield from between(port, "hostPort", at, 0, 65535)
        if is_absent(port, "containerPort"):
            yield refused(child(at, "containerPort"), "is required")
        own, hosts = number(port, "containerPort"), number(port, "hostPort")
        if on_host and hosts and own and 0 < own <= _LAST_PORT and hosts != own:
            yield refused(child(at, "hostPort"), "must be containerPort in the host's network")
        # In the host's network every containerPort is a port of the host, whether hostPort says so
        # or not.
        taken = hosts or (own if on_host else None)
        if taken:
            protocol, ip = text(port, "protocol") or "TCP", text(port, "hostIP")
            yield from host_ports.again(
                f"{protocol} {ip} {taken}", child(at, "hostPort" if hosts else "containerPort")
            )
        name = text(port, "name")
        if name and not _is_port_name(name):
            yield refused(
                child(at, "name"), "must be 15 lower-case letters, digits and hyphens at most"
            )
        yield from names.again(name, child(at, "name"))


def _resources(resources: dict[str, Any], path: str) -> Iterator[Finding]:
    requests, limits = mapping(resources, "requests"), mapping(resources, "limits")
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, given in amounts.items():
            if isinstance(name, str) and (found := _amount(given)) is not None and found < 0:
                yield refused(child(child(path, part), name), "must not be negative")
    for name, given in requests.items():
        least, most = _amount(given), _amount(limits.get(name))
        if least is not None and most is not None and least > most:
            yield refused(child(child(path, "requests"), name), "must not be more than its limit")


_FACTORS: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = "KMGTPE"


def _amount(value: Any) -> Fraction | None:
    """Parse a quantity; None if it is not one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Fraction(value)
    # A bound: Fraction computes exactly, and a million digits take minutes.
    if not isinstance(value, str) or len(value) > 64:
        return None
    found = re.fullmatch(
        r"([+-]?[0-9.]+)(?:([KMGTPE])i|([numkMGTPE])|[eE]([+-]?[0-9]{1,3}))?", value
    )
    if not found:
        return None
    number_, binary, decimal, exponent = found.groups()
    try:
        base = Fraction(number_)
    except ValueError:
        return None
    if binary:
        return base * int(1024 ** (_BINARY.index(binary) + 1))
    power = _FACTORS[decimal] if decimal else int(exponent or 0)
    return Fraction(base * Fraction(10) ** power)


_OF_THE_API: Final = {
    "configMap": "config maps",
    "secret": "secrets",
    "csi": "CSI drivers",
    "glusterfs": "endpoints",
    "persistentVolumeClaim": "persistent volume claims",
    "ephemeral": "persistent volume claims",
    "azureFile": "secrets",
}
_PROJECTED: Final = {
    "configMap": "config maps",
    "secret": "secrets",
    "serviceAccountToken": "service accounts",
    "clusterTrustBundle": "trust bundles of the cluster",
    "podCertificate": "certificates of pods",
}


def _references(spec: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """A static pod exists before the API server, so it must not refer to anything in it."""
    if not is_on("PreventStaticPodAPIReferences", "kubelet", minor, {}):
        return
    for name, what in (
        ("serviceAccountName", "service accounts"),
        ("serviceAccount", "service accounts"),
        ("imagePullSecrets", "secrets"),
        ("resourceClaims", "resource claims"),
    ):
        if not is_absent(spec, name):
            yield _reference(child(path, name), what)
    for kind in ("containers", "initContainers"):
        for container, at in maps(spec, kind, path):
            yield from _env_references(container, at)
    for volume, at in maps(spec, "volumes", path):
        for name, what in _OF_THE_API.items():
            if name in volume:
                yield _reference(child(at, name), what)
        projected = mapping(volume, "projected")
        for source, place in maps(projected, "sources", child(at, "projected")):
            for name, what in _PROJECTED.items():
                if name in source:
                    yield _reference(child(place, name), what)


def _env_references(container: dict[str, Any], path: str) -> Iterator[Finding]:
    for variable, at in maps(container, "env", path):
        source, place = mapping(variable, "valueFrom"), child(at, "valueFrom")
        for name, what in (("configMapKeyRef", "config maps"), ("secretKeyRef", "secrets")):
            if name in source:
                yield _reference(child(place, name), what)
    for source, at in maps(container, "envFrom", path):
        for name, what in (("configMapRef", "config maps"), ("secretRef", "secrets")):
            if name in source:
                yield _reference(child(at, name), what)


def _reference(path: str, what: str) -> Finding:
    return refused(path, f"a static pod must not refer to {what}", "put what it needs into files")
