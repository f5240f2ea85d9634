"""The kubelet's validation of a static Pod (k8s.io/kubernetes, pkg/apis/core/validation and pkg/kubelet/config).

The kubelet gives an absent namespace the value default and adds the node's name to that of the pod. Volumes, containers and what
decides where a pod runs have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on import pod_containers, pod_placement, pod_volumes
from machineadm.config.passed_on.values import (
    Once,
    between,
    is_absent,
    is_address,
    is_label,
    is_qualified,
    is_subdomain,
    items,
    labels,
    mapping,
    maps,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on

# int32, though ids of Linux have 32 bits without a sign.
_LAST_ID: Final = 2147483647
# See pod_containers: from here on the kubelet validates by its gates.
_BY_GATES: Final = 35


def problems(
    pod: dict[str, Any], path: str, minor: int, _inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield what the kubelet refuses besides unknown fields."""
    spec, at = mapping(pod, "spec"), child(path, "spec")
    yield from _metadata(mapping(pod, "metadata"), child(path, "metadata"), spec)
    yield from _spec(spec, at, minor)
    yield from pod_placement.problems(spec, at, minor)
    volumes = list(pod_volumes.volumes(spec, at, minor))
    yield from (problem for each in volumes for problem in each[1])
    # A volume without a source is an empty directory.
    names = {
        text(volume, "name"): {*volume} if len(volume) > 1 else {"name", "emptyDir"}
        for volume, _at in maps(spec, "volumes", at)
    }
    yield from pod_containers.containers(spec, at, names, minor)
    yield from _references(spec, at, minor)
    yield from _claims(spec, at, minor)


_FINALIZERS: Final = ("kubernetes", "orphan", "foregroundDeletion")
# TotalAnnotationSizeLimitB.
_MOST_ANNOTATIONS: Final = 256 << 10
_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_APP_ARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP: Final = "container.seccomp.security.alpha.kubernetes.io/"
_SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"


def _metadata(metadata: dict[str, Any], path: str, spec: dict[str, Any]) -> Iterator[Finding]:
    name, namespace = text(metadata, "name"), text(metadata, "namespace")
    yield from required(metadata, path, "name")
    if name and not is_subdomain(name):
        yield refused(
            child(path, "name"), "must be a DNS name: lower-case letters, digits, hyphens and dots"
        )
    generated = text(metadata, "generateName")
    # The API server puts letters behind it, so a hyphen may be last.
    if generated and not is_subdomain(re.sub(r"-$", "a", generated)):
        yield refused(child(path, "generateName"), "must be the beginning of a DNS name")
    if namespace and not is_label(namespace):
        yield refused(child(path, "namespace"), "must be lower-case letters, digits and hyphens")
    yield from labels(metadata, "labels", path)
    yield from _annotations(metadata, path, spec)
    for finalizer, at in strings(metadata, "finalizers", path):
        # Names without a domain are those of the API itself.
        if not is_qualified(finalizer) or ("/" not in finalizer and finalizer not in _FINALIZERS):
            yield refused(at, "is not a name such as example.com/cleanup")
    controllers = Once()
    for owner, at in maps(metadata, "ownerReferences", path):
        yield from required(owner, at, "apiVersion", "kind", "name", "uid")
        # One object controls another.
        if owner.get("controller") is True:
            yield from controllers.again("controller", child(at, "controller"))
    yield from between(metadata, "generation", path, 0)
    for entry, at in maps(metadata, "managedFields", path):
        if text(entry, "operation") not in ("Apply", "Update"):
            yield refused(child(at, "operation"), "must be Apply or Update")
        if text(entry, "fieldsType") not in ("", "FieldsV1"):
            yield refused(child(at, "fieldsType"), "must be FieldsV1")


def _annotations(metadata: dict[str, Any], path: str, spec: dict[str, Any]) -> Iterator[Finding]:
    annotations, at = mapping(metadata, "annotations"), child(path, "annotations")
    # Annotations of AppArmor name a container of the pod.
    known = {
        text(container, "name")
        for kind in ("containers", "initContainers")
        for container, _at in maps(spec, kind, "")
    }
    size = 0
    for key, value in annotations.items():
        if not isinstance(key, str) or not isinstance(value, str):
            continue
        place, size = child(at, key), size + len(key.encode()) + len(value.encode())
        if not is_qualified(key.lower()):
            yield refused(place, "is not a key of an annotation")
        elif key == _DELETION_COST and not re.fullmatch(r"0|-?[1-9][0-9]{0,9}", value):
            yield refused(place, "must be an integer")
        elif key.startswith((_SECCOMP, _SECCOMP_POD)) and not (
            value in ("runtime/default", "docker/default", "unconfined")
            or re.fullmatch(r"localhost/(?!/)(?!(.*/)?\.\.(/|$)).*", value)
        ):
            yield refused(place, "must be runtime/default, unconfined, or localhost/ and a path")
        elif key.startswith(_APP_ARMOR):
            if key.removeprefix(_APP_ARMOR) not in known:
                yield refused(place, "names no container of this pod")
            elif value not in ("", "runtime/default", "unconfined") and not value.startswith(
                "localhost/"
            ):
                yield refused(
                    place, "must be runtime/default, unconfined, or localhost/ and a name"
                )
    if size > _MOST_ANNOTATIONS:
        yield refused(at, "have more than 256 KiB")


# Their names become parts of other names and of DNS.
_NAMES: Final = (
    ("nodeName", is_subdomain),
    ("priorityClassName", is_subdomain),
    ("runtimeClassName", is_subdomain),
    ("serviceAccountName", is_subdomain),
    ("hostname", is_label),
    ("subdomain", is_label),
)


def _whole_resources(spec: dict[str, Any], path: str) -> Iterator[Finding]:
    """Judge the resources of the pod itself, which the kubelet looks at from 1.35 on."""
    given, at = mapping(spec, "resources"), child(path, "resources")
    if given.get("claims") is not None:
        yield refused(child(at, "claims"), "only a container has claims")
        return
    yield from pod_containers.resources(given, at, spec)
    for part in ("requests", "limits"):
        for name in mapping(given, part):
            if str(name) not in ("cpu", "memory") and not str(name).startswith("hugepages-"):
                yield refused(child(child(at, part), str(name)), "is not cpu, memory or hugepages-")


def _spec(spec: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    yield from required(spec, path, "containers")
    # They are added by a subresource of the API, which a static pod does not have.
    if spec.get("ephemeralContainers"):
        yield refused(child(path, "ephemeralContainers"), "can be added to a running pod only")
    if minor >= _BY_GATES:
        yield from _whole_resources(spec, path)
    group = mapping(spec, "schedulingGroup")
    if "schedulingGroup" in spec:
        at = child(path, "schedulingGroup")
        yield from required(group, at, "podGroupName")
        if text(group, "podGroupName") and not is_subdomain(text(group, "podGroupName")):
            yield refused(child(at, "podGroupName"), "must be a DNS name")
    yield from between(spec, "activeDeadlineSeconds", path, 1, _LAST_ID)
    for name, fits in _NAMES:
        if text(spec, name) and not fits(text(spec, name)):
            what = "letters, digits and hyphens" if fits is is_label else "a DNS name"
            yield refused(child(path, name), f"must be {what} in lower case")
    yield from labels(spec, "nodeSelector", path)
    yield from _dns(spec, path, minor)
    for alias, at in maps(spec, "hostAliases", path):
        if not is_address(text(alias, "ip")):
            yield refused(child(at, "ip"), "is not an IP address")
        for name, place in strings(alias, "hostnames", at):
            if not is_subdomain(name):
                yield refused(place, "must be a DNS name in lower case")
    yield from _host(spec, path)
    for name, value in mapping(spec, "overhead").items():
        if isinstance(name, str):
            yield from pod_containers.resource(name, value, child(child(path, "overhead"), name))
    yield from _security(spec, path)


# MAXNS of resolv.conf(5); 32 and 2048 since 1.28, which older resolvers cut.
_MOST_SERVERS, _MOST_SEARCHES, _LONGEST_SEARCH = 3, 32, 2048


def _dns(spec: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    dns, at = mapping(spec, "dnsConfig"), child(path, "dnsConfig")
    # Then the kubelet writes resolv.conf from dnsConfig alone.
    if text(spec, "dnsPolicy") == "None" and is_absent(dns, "nameservers"):
        yield refused(child(path, "dnsPolicy"), "None needs dnsConfig.nameservers")
    servers, searches = list(strings(dns, "nameservers", at)), list(strings(dns, "searches", at))
    if len(servers) > _MOST_SERVERS:
        yield refused(child(at, "nameservers"), f"at most {_MOST_SERVERS} are allowed")
    for server, place in servers:
        if not is_address(server):
            yield refused(place, "is not an IP address")
    whole = " ".join(search for search, _place in searches)
    if len(searches) > _MOST_SEARCHES or len(whole) > _LONGEST_SEARCH:
        yield refused(
            child(at, "searches"),
            f"at most {_MOST_SEARCHES} with {_LONGEST_SEARCH} letters are allowed",
        )
    # A kubelet before 1.35 validates as if every gate were off (pkg/kubelet/config/common.go).
    relaxed = minor >= _BY_GATES and is_on("RelaxedDNSSearchValidation", "kubelet", minor, {})
    for search, place in searches:
        name = search.removesuffix(".")
        if relaxed and search == ".":
            continue
        if not is_subdomain(re.sub("^_|_(?=[a-z0-9])", "a", name) if relaxed else name):
            yield refused(place, "must be a DNS name in lower case")
    for option, place in maps(dns, "options", at):
        yield from required(option, place, "name")


def _host(spec: dict[str, Any], path: str) -> Iterator[Finding]:
    """What shares with the host, and what does not go with it."""
    # One namespace of processes cannot be both the pod's and the host's.
    if spec.get("shareProcessNamespace") is True and spec.get("hostPID") is True:
        yield refused(child(path, "shareProcessNamespace"), "not together with hostPID")
    # A user namespace owns the other ones; those of the host belong to the host's.
    if spec.get("hostUsers") is False:
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(name) is True:
                yield refused(child(path, name), "not together with hostUsers: false")
    override, at = text(spec, "hostnameOverride"), child(path, "hostnameOverride")
    if "hostnameOverride" in spec:
        if spec.get("setHostnameAsFQDN") is True or spec.get("hostNetwork") is True:
            other = "hostNetwork" if spec.get("hostNetwork") is True else "setHostnameAsFQDN"
            yield refused(at, f"not together with {other}")
        # sethostname(2).
        elif len(override) > 64 or not is_subdomain(override):
            yield refused(at, "must be a DNS name in lower case of 64 letters at most")
    system, at = text(mapping(spec, "os"), "name"), child(child(path, "os"), "name")
    if "os" in spec and not system:
        yield refused(at, "is required")
    elif system == "windows":
        yield refused(at, "machineadm makes machines with Linux")


_SYSCTL: Final = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_OF_IPC: Final = ("kernel.shm", "kernel.msg", "fs.mqueue.")
"""Prefixes of sysctls that belong to the namespace of IPC; kernel.sem is one of them, too."""


def _security(spec: dict[str, Any], path: str) -> Iterator[Finding]:
    context, at = mapping(spec, "securityContext"), child(path, "securityContext")
    yield from between(context, "fsGroup", at, 0, _LAST_ID)
    for group, place in items(context, "supplementalGroups", at):
        if isinstance(group, int) and not 0 <= group <= _LAST_ID:
            yield refused(place, f"must be between 0 and {_LAST_ID}")
    yield from pod_containers.security(context, at)
    names = Once()
    for sysctl, place in maps(context, "sysctls", at):
        name = text(sysctl, "name")
        yield from required(sysctl, place, "name")
        yield from names.again(name, child(place, "name"))
        dotted = _dotted(name)
        if name and (len(name) > 253 or not re.fullmatch(_SYSCTL, name)):
            yield refused(child(place, "name"), "is not the name of a kernel parameter")
        # It would be set for the whole machine.
        elif spec.get("hostNetwork") is True and dotted.startswith("net."):
            yield refused(child(place, "name"), "not together with hostNetwork")
        elif spec.get("hostIPC") is True and (dotted == "kernel.sem" or dotted.startswith(_OF_IPC)):
            yield refused(child(place, "name"), "not together with hostIPC")


def _dotted(name: str) -> str:
    """The name with dots between its parts: the kernel takes slashes, too, and dots within parts then."""
    first = min((name.find(each) for each in "./" if each in name), default=-1)
    if first >= 0 and name[first] == "/":
        return name.translate(str.maketrans("./", "/."))
    return name


# The kubelet would have to ask the API server for these, by a pod that the API server does not
# know.
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
    # On from 1.34: before it the kubelet started such a pod, and the mirror pod was refused.
    if not is_on("PreventStaticPodAPIReferences", "kubelet", minor, {}):
        return
    for name, what in (
        ("serviceAccountName", "service accounts"),
        ("serviceAccount", "service accounts"),
        ("imagePullSecrets", "secrets"),
        ("resourceClaims", "resource claims"),
    ):
        if is_absent(spec, name):
            continue
        # One without a name refers to nothing.
        if name != "imagePullSecrets" or any(
            text(each, "name") for each, _at in maps(spec, name, "")
        ):
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


_FLAT_CLAIMS: Final = 31
"""The first minor version in which a claim has no `source` around its names."""


def _claims(spec: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """The service account and claims of resources, where the kubelet does not refuse a static pod that has any."""
    if is_on("PreventStaticPodAPIReferences", "kubelet", minor, {}):
        return
    # The older name of the field, which is read where the newer one is not there.
    account = text(spec, "serviceAccount")
    if account and not text(spec, "serviceAccountName") and not is_subdomain(account):
        yield refused(child(path, "serviceAccount"), "must be a DNS name in lower case")
    seen = Once()
    for claim, at in maps(spec, "resourceClaims", path):
        yield from required(claim, at, "name")
        name = text(claim, "name")
        if name and not is_label(name):
            yield refused(child(at, "name"), "must be lower-case letters, digits and hyphens")
        yield from seen.again(name, child(at, "name"))
        flat = minor >= _FLAT_CLAIMS
        source, below = (claim, at) if flat else (mapping(claim, "source"), child(at, "source"))
        named = [each for each in _CLAIM_NAMES if source.get(each) is not None]
        if len(named) != 1:
            yield refused(below, f"must have one of {' and '.join(_CLAIM_NAMES)}")
        for each in named:
            if isinstance(source[each], str) and not is_subdomain(source[each]):
                yield refused(child(below, each), "is not a DNS name")


_CLAIM_NAMES: Final = ("resourceClaimName", "resourceClaimTemplateName")


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
