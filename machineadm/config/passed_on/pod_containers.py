"""The kubelet's validation of a pod's containers (k8s.io/kubernetes, pkg/apis/core/validation, validateContainers)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.pod_volumes import descends, field_reference, resource_reference
from machineadm.config.passed_on.values import (
    UNIT,
    Once,
    amount,
    between,
    is_absent,
    is_label,
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
# int32 (ValidateSecurityContext).
_LAST_USER: Final = 2147483647
_GRACE: Final = 30
"""Seconds that a pod gets to end when nothing is said."""
_BY_GATES: Final = 35
"""The first minor version whose kubelet validates a static pod by its feature gates. Those before validate it as if all were off
(pkg/kubelet/config/common.go), though the API server takes more from 1.32 on."""


def containers(
    spec: dict[str, Any], path: str, volumes: dict[str, set[str]], minor: int
) -> Iterator[Finding]:
    """Yield what the kubelet refuses of the containers of a PodSpec.

    Args:
        spec: The PodSpec.
        path: Where it is.
        volumes: The names of its volumes, and of each what it has beside a name.
        minor: The minor version of Kubernetes 1.
    """
    # One set of names for both kinds: the kubelet refuses an init container with the name of a
    # container.
    names, host_ports = Once(), Once()
    for kind in ("containers", "initContainers"):
        for container, at in maps(spec, kind, path):
            yield from _container(container, at, spec, volumes, minor)
            yield from names.again(text(container, "name"), child(at, "name"))
            # Of init containers the kubelet does not ask which port of the host's network they take.
            on_host = spec.get("hostNetwork") is True and kind == "containers"
            ports = host_ports if kind == "containers" else Once()
            yield from _ports(container, at, ports, on_host=on_host)
            if kind == "initContainers":
                yield from _init(container, at, minor)
            elif not is_absent(container, "restartPolicy") and not _by_gate(
                "ContainerRestartRules", minor
            ):
                yield refused(child(at, "restartPolicy"), "is only for init containers")


def _by_gate(gate: str, minor: int) -> bool:
    return minor >= _BY_GATES and is_on(gate, "kubelet", minor, {})


def _init(container: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    policy = text(container, "restartPolicy")
    if policy != "Always":
        for name in (*_PROBES, "lifecycle"):
            if name in container:
                yield refused(
                    child(path, name), "is only for init containers of restartPolicy Always"
                )
        if policy and not _by_gate("ContainerRestartRules", minor):
            yield refused(child(path, "restartPolicy"), "must be Always for an init container")
    if not is_absent(container, "resizePolicy") and not _by_gate(
        "InPlacePodVerticalScaling", minor
    ):
        yield refused(child(path, "resizePolicy"), "is not for init containers")


def _container(
    container: dict[str, Any],
    path: str,
    spec: dict[str, Any],
    volumes: dict[str, set[str]],
    minor: int,
) -> Iterator[Finding]:
    yield from required(container, path, "name", "image")
    name, image = text(container, "name"), text(container, "image")
    if name and not is_label(name):
        yield refused(child(path, "name"), "must be lower-case letters, digits and hyphens")
    if image.strip() != image:
        yield refused(child(path, "image"), "has blanks around it")
    yield from _mounts(container, path, volumes)
    yield from _devices(container, path, volumes)
    yield from _env(container, path, volumes, minor)
    for probe in _PROBES:
        if probe in container:
            yield from _probe(mapping(container, probe), child(path, probe), probe)
    yield from _lifecycle(container, path, spec, minor)
    yield from resources(mapping(container, "resources"), child(path, "resources"), spec)
    yield from _resize(container, path, spec)
    if _by_gate("ContainerRestartRules", minor):
        yield from _restart_rules(container, path)
    yield from security(mapping(container, "securityContext"), child(path, "securityContext"))
    context, at = mapping(container, "securityContext"), child(path, "securityContext")
    # Without a user namespace an unmasked /proc gives the host away.
    if text(context, "procMount") == "Unmasked" and spec.get("hostUsers") is not False:
        yield refused(child(at, "procMount"), "Unmasked needs hostUsers: false")
    added = mapping(context, "capabilities").get("add")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield refused(
                child(at, "allowPrivilegeEscalation"), "false does not go with privileged"
            )
        # With the prefix, as Kubernetes compares it: names of capabilities have none otherwise.
        if isinstance(added, Sequence) and "CAP_SYS_ADMIN" in added:
            yield refused(
                child(at, "allowPrivilegeEscalation"), "false does not go with CAP_SYS_ADMIN"
            )


def security(context: dict[str, Any], path: str) -> Iterator[Finding]:
    """What the security contexts of pods and containers share."""
    for each in ("runAsUser", "runAsGroup"):
        yield from between(context, each, path, 0, _LAST_USER)
    for name in ("seccompProfile", "appArmorProfile"):
        if name not in context:
            continue
        profile, at = mapping(context, name), child(path, name)
        yield from required(profile, at, "type")
        local = text(profile, "localhostProfile")
        # Only a profile of type Localhost has a name.
        if text(profile, "type") == "Localhost":
            if "localhostProfile" not in profile or (name == "appArmorProfile" and not local):
                yield refused(child(at, "localhostProfile"), "is required")
            elif name == "seccompProfile":
                yield from descends(profile, "localhostProfile", at)
            # PATH_MAX without its NUL.
            elif local.strip() != local or len(local) > 4095:
                yield refused(child(at, "localhostProfile"), "has blanks around it, or is too long")
        elif "localhostProfile" in profile:
            yield refused(child(at, "localhostProfile"), "is only for type Localhost")
    yield from _windows(mapping(context, "windowsOptions"), child(path, "windowsOptions"))


def _windows(options: dict[str, Any], path: str) -> Iterator[Finding]:
    if "gmsaCredentialSpecName" in options and not is_subdomain(
        text(options, "gmsaCredentialSpecName")
    ):
        yield refused(child(path, "gmsaCredentialSpecName"), "must be a DNS name in lower case")
    for name in ("gmsaCredentialSpec", "runAsUserName"):
        if name in options and not text(options, name):
            yield refused(child(path, name), "must not be empty")
    # A static pod for Linux may carry it; its form is validated all the same.
    user = text(options, "runAsUserName").rpartition("\\")[2]
    if set(user) & set('"/:;|=,+*?<>@[]') or (user and not user.strip(". ")):
        yield refused(child(path, "runAsUserName"), "is not the name of a user of Windows")


def _mounts(
    container: dict[str, Any], path: str, volumes: dict[str, set[str]]
) -> Iterator[Finding]:
    from machineadm.nearest import suggest

    places = Once()
    for mount, at in maps(container, "volumeMounts", path):
        name = text(mount, "name")
        yield from required(mount, at, "name", "mountPath")
        for option, place in strings(mount, "bindMountOptions", at):
            if option not in ("noexec", "nodev", "nosuid"):
                yield refused(place, "is not one of its values", "noexec, nodev, nosuid")
        if name and name not in volumes:
            meant = suggest(name, volumes)
            guess = f'; did you mean "{meant}"?' if meant else ""
            yield refused(child(at, "name"), f"is not a volume of this pod{guess}")
        # Two mounts at one path: the kubelet refuses the pod as a whole.
        yield from places.again(text(mount, "mountPath"), child(at, "mountPath"))
        for sub in ("subPath", "subPathExpr"):
            yield from descends(mount, sub, at)
        if text(mount, "subPath") and text(mount, "subPathExpr"):
            yield refused(child(at, "subPathExpr"), "not together with subPath")
        spread, recursive = text(mount, "mountPropagation"), text(mount, "recursiveReadOnly")
        privileged = mapping(container, "securityContext").get("privileged") is True
        # A mount of the container would reach the host.
        if spread == "Bidirectional" and not privileged:
            yield refused(child(at, "mountPropagation"), "Bidirectional needs privileged: true")
        if recursive in ("Enabled", "IfPossible"):
            if mount.get("readOnly") is not True:
                yield refused(child(at, "recursiveReadOnly"), "needs readOnly: true")
            if spread not in ("", "None"):
                yield refused(child(at, "recursiveReadOnly"), "needs mountPropagation: None")


def _devices(
    container: dict[str, Any], path: str, volumes: dict[str, set[str]]
) -> Iterator[Finding]:
    mounted = {
        text(mount, name)
        for mount, _at in maps(container, "volumeMounts", path)
        for name in ("name", "mountPath")
    }
    names, places = Once(), Once()
    for device, at in maps(container, "volumeDevices", path):
        yield from required(device, at, "name", "devicePath")
        name, place = text(device, "name"), text(device, "devicePath")
        if name and name not in volumes:
            yield refused(child(at, "name"), "is not a volume of this pod")
        # Only a claim can be a block device.
        elif name and not volumes[name] & {"persistentVolumeClaim", "ephemeral"}:
            yield refused(child(at, "name"), "must be a persistent volume claim")
        yield from names.again(name, child(at, "name"))
        yield from places.again(place, child(at, "devicePath"))
        if ".." in place.split("/"):
            yield refused(child(at, "devicePath"), "must not hold ..")
        for field, given in (("name", name), ("devicePath", place)):
            if given and given in mounted:
                yield refused(child(at, field), "is also in volumeMounts")


_SOURCES: Final = (
    "fieldRef",
    "resourceFieldRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fileKeyRef",
)


def _env(
    container: dict[str, Any], path: str, volumes: dict[str, set[str]], minor: int
) -> Iterator[Finding]:
    for variable, at in maps(container, "env", path):
        name = text(variable, "name")
        yield from required(variable, at, "name")
        if name and not _is_variable(name, minor):
            yield refused(child(at, "name"), "is not the name of a variable")
        source, place = mapping(variable, "valueFrom"), child(at, "valueFrom")
        if "valueFrom" in variable:
            if not is_absent(variable, "value"):
                yield refused(place, "not together with value")
            # Exactly one: an empty valueFrom is refused as well.
            if len(source) != 1:
                yield refused(place, "needs exactly one source")
            yield from field_reference(source, place)
            yield from resource_reference(source, place)
            for each in ("configMapKeyRef", "secretKeyRef"):
                if each in source:
                    yield from required(mapping(source, each), child(place, each), "name", "key")
            yield from _file_reference(source, place, volumes)
    for source, at in maps(container, "envFrom", path):
        prefix = text(source, "prefix")
        if prefix and not _is_variable(prefix, minor):
            yield refused(child(at, "prefix"), "is not the beginning of the name of a variable")
        # Order decides what the message names first, as everywhere here.
        given = [each for each in ("configMapRef", "secretRef") if each in source]
        if not given:
            yield refused(at, "needs configMapRef or secretRef")
        elif len(given) > 1:
            yield refused(child(at, given[1]), f"not together with {given[0]}")
        for each in given:
            yield from required(mapping(source, each), child(at, each), "name")
            name = text(mapping(source, each), "name")
            # From 1.34 on a static pod must not name any, which is told of the whole.
            if minor < _NO_REFERENCES and name and not is_subdomain(name):
                yield refused(child(child(at, each), "name"), "is not a DNS name")


_NO_REFERENCES: Final = 34


def _file_reference(
    source: dict[str, Any], path: str, volumes: dict[str, set[str]]
) -> Iterator[Finding]:
    if "fileKeyRef" not in source:
        return
    reference, at = mapping(source, "fileKeyRef"), child(path, "fileKeyRef")
    yield from required(reference, at, "volumeName", "path", "key")
    name, key = text(reference, "volumeName"), text(reference, "key")
    if name and name not in volumes:
        yield refused(child(at, "volumeName"), "is not a volume of this pod")
    elif name and "emptyDir" not in volumes[name]:
        yield refused(child(at, "volumeName"), "must be a volume of type emptyDir")
    if ".." in text(reference, "path").split("/"):
        yield refused(child(at, "path"), "must not hold ..")
    if not _is_relaxed(key):
        yield refused(child(at, "key"), "is not the name of a variable")


def _is_variable(name: str, minor: int) -> bool:
    if minor >= _BY_GATES:
        return _is_relaxed(name)
    # Nearly all are names of Python, too, and no pattern needs to be compiled.
    if name.isascii() and name.isidentifier():
        return True
    return re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", name) is not None and not (
        name == "." or name.startswith("..")
    )


def _is_relaxed(name: str) -> bool:
    # IsRelaxedEnvVarName: anything printable in ASCII but `=`, which ends a name.
    return all(" " <= letter <= "~" and letter != "=" for letter in name)


def _probe(probe: dict[str, Any], path: str, name: str) -> Iterator[Finding]:
    yield from _handler(probe, path, _HANDLERS)
    for each in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"):
        yield from between(probe, each, path, 0)
    yield from between(probe, "successThreshold", path, 0)
    successes = number(probe, "successThreshold")
    # Liveness and startup are over with one success.
    if name != "readinessProbe" and successes is not None and successes > 1:
        yield refused(child(path, "successThreshold"), "must be 1")
    seconds = number(probe, "terminationGracePeriodSeconds")
    if seconds is not None and (name == "readinessProbe" or seconds < 1):
        at = child(path, "terminationGracePeriodSeconds")
        what = "is not for readinessProbe" if name == "readinessProbe" else "must be at least 1"
        yield refused(at, what)


def _lifecycle(
    container: dict[str, Any], path: str, spec: dict[str, Any], minor: int
) -> Iterator[Finding]:
    lifecycle, at = mapping(container, "lifecycle"), child(path, "lifecycle")
    seconds = number(spec, "terminationGracePeriodSeconds")
    # The hook runs within the grace of the pod.
    grace = _GRACE if seconds is None else seconds
    for hook in ("postStart", "preStop"):
        if hook not in lifecycle:
            continue
        handler, below = mapping(lifecycle, hook), child(at, hook)
        yield from _handler(handler, below, ("exec", "httpGet", "tcpSocket", "sleep"))
        if "sleep" in handler:
            slept = number(mapping(handler, "sleep"), "seconds") or 0
            least = 0 if _by_gate("PodLifecycleSleepActionAllowZero", minor) else 1
            if not least <= slept <= grace:
                yield refused(
                    child(child(below, "sleep"), "seconds"),
                    f"must be at least {least}, and at most terminationGracePeriodSeconds ({grace:g})",
                )
    # Signals of Windows and Linux differ, so the pod must say which it is.
    if "stopSignal" in lifecycle and not text(mapping(spec, "os"), "name"):
        yield refused(child(at, "stopSignal"), "needs os.name of the pod")


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
    for header, at in maps(mapping(handler, "httpGet"), "httpHeaders", child(path, "httpGet")):
        if not re.fullmatch(r"[-A-Za-z0-9]{1,1024}", text(header, "name")):
            yield refused(child(at, "name"), "must be letters, digits and hyphens")


def _port(value: dict[str, Any], path: str) -> Iterator[Finding]:
    port, at = value.get("port"), child(path, "port")
    if port is None:
        yield refused(at, "is required")
    elif isinstance(port, str) and not _is_port_name(port):
        yield refused(at, "is not the name of a port; write a number without quotes")
    else:
        yield from between(value, "port", path, 1, _LAST_PORT)


def _is_port_name(name: str) -> bool:
    # IANA's service names (RFC 6335, 5.1): a letter is needed, and at most 15 characters.
    digits = name.replace("-", "").isdecimal()
    return len(name) <= 15 and is_label(name) and "--" not in name and not digits


def _ports(
    container: dict[str, Any], path: str, host_ports: Once, *, on_host: bool
) -> Iterator[Finding]:
    names = Once()
    for port, at in maps(container, "ports", path):
        yield from between(port, "containerPort", at, 1, _LAST_PORT)
        yield from between(port, "hostPort", at, 0, _LAST_PORT)
        if is_absent(port, "containerPort"):
            yield refused(child(at, "containerPort"), "is required")
        own, hosts = number(port, "containerPort"), number(port, "hostPort")
        # The container's port is the host's then, so another hostPort says something false.
        if on_host and hosts and own and 0 < own <= _LAST_PORT and hosts != own:
            yield refused(child(at, "hostPort"), "must be containerPort in the host's network")
        # In the host's network every containerPort is a port of the host, whether hostPort says so
        # or not.
        taken = hosts or (own if on_host else None)
        if taken:
            # UDP and TCP have ports of their own, and so has each address.
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


def _resize(container: dict[str, Any], path: str, spec: dict[str, Any]) -> Iterator[Finding]:
    names = Once()
    for policy, at in maps(container, "resizePolicy", path):
        name = text(policy, "resourceName")
        yield from required(policy, at, "resourceName", "restartPolicy")
        if name and name not in ("cpu", "memory"):
            yield refused(child(at, "resourceName"), "must be cpu or memory")
        yield from names.again(name, child(at, "resourceName"))
        if text(spec, "restartPolicy") == "Never" and (
            text(policy, "restartPolicy") == "RestartContainer"
        ):
            yield refused(child(at, "restartPolicy"), "must be NotRequired in a pod of Never")


_MOST_RULES: Final = 20
_MOST_CODES: Final = 255


def _restart_rules(container: dict[str, Any], path: str) -> Iterator[Finding]:
    # KEP-5307.
    rules = list(maps(container, "restartPolicyRules", path))
    if rules and is_absent(container, "restartPolicy"):
        yield refused(child(path, "restartPolicy"), "is required with restartPolicyRules")
    if len(rules) > _MOST_RULES:
        yield refused(child(path, "restartPolicyRules"), f"at most {_MOST_RULES} are allowed")
    for rule, at in rules:
        yield from required(rule, at, "action")
        if "exitCodes" not in rule:
            yield refused(child(at, "exitCodes"), "is required")
            continue
        codes, below = mapping(rule, "exitCodes"), child(at, "exitCodes")
        yield from required(codes, below, "operator")
        values = codes.get("values")
        if isinstance(values, (list, tuple)) and len(values) > _MOST_CODES:
            yield refused(child(below, "values"), f"at most {_MOST_CODES} are allowed")


_STANDARD: Final = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES: Final = "hugepages-"


def resources(given: dict[str, Any], path: str, spec: dict[str, Any]) -> Iterator[Finding]:
    """Judge requests, limits and claims of a container."""
    requests, limits = mapping(given, "requests"), mapping(given, "limits")
    for part, amounts in (("requests", requests), ("limits", limits)):
        for name, value in amounts.items():
            if isinstance(name, str):
                yield from resource(name, value, child(child(path, part), name))
    for name, value in requests.items():
        if not isinstance(name, str):
            continue
        least, most = amount(value), amount(limits.get(name))
        at = child(child(path, "requests"), name)
        # Huge pages and devices cannot be promised twice.
        fixed = name.startswith(_HUGE_PAGES) or _is_extended(name)
        if fixed and name not in limits:
            yield refused(at, "needs a limit")
        elif fixed and least != most:
            yield refused(at, "must be its limit")
        elif least is not None and most is not None and least > most:
            yield refused(at, "must not be more than its limit")
    names = {*requests, *limits}
    # They are taken from memory, so the pod must have some.
    if any(str(name).startswith(_HUGE_PAGES) for name in names) and not names & {"cpu", "memory"}:
        yield refused(path, "huge pages need cpu or memory")
    claims = {text(claim, "name") for claim, _at in maps(spec, "resourceClaims", "")}
    seen = Once()
    for claim, at in maps(given, "claims", path):
        yield from required(claim, at, "name")
        name = text(claim, "name")
        if name and name not in claims:
            yield refused(child(at, "name"), "is not in resourceClaims of this pod")
        yield from seen.again(f"{name}/{text(claim, 'request')}", at)


def _is_extended(name: str) -> bool:
    # A resource of a device plugin: whole units that cannot be overcommitted.
    return "/" in name and "kubernetes.io/" not in name


def resource(name: str, value: Any, path: str) -> Iterator[Finding]:
    """Judge one amount of a resource of a container."""
    found = amount(value)
    if not is_qualified(name) or not _is_known(name):
        yield refused(path, "is not a resource", "cpu, memory, ephemeral-storage, or example.com/a")
    elif found is not None and found < 0:
        yield refused(path, "must not be negative")
    elif found is not None and _is_extended(name) and found % UNIT:
        yield refused(path, "must be a whole number")
    elif found is not None and name.startswith(_HUGE_PAGES):
        size = amount(name.removeprefix(_HUGE_PAGES))
        if size is None or size <= 0 or size % UNIT or found % size:
            yield refused(path, "must be a multiple of the size of the pages")


def _is_known(name: str) -> bool:
    if "/" in name:
        # A quota has the name with `requests.` in front, which must be a name as well.
        return not _is_extended(name) or (
            not name.startswith("requests.") and is_qualified(f"requests.{name}")
        )
    return name in _STANDARD or name.startswith(_HUGE_PAGES)
