"""The kubelet's validation of a pod's volumes (k8s.io/kubernetes, pkg/apis/core/validation, ValidateVolumes)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    Once,
    amount,
    between,
    is_absent,
    is_label,
    is_subdomain,
    mapping,
    maps,
    number,
    refused,
    required,
    text,
)
from machineadm.config.paths import child
from machineadm.config.rules.downward import (
    VARIABLE_FIELDS,
    VOLUME_FIELDS,
    divisor_problem,
    field_problem,
    is_resource,
)

_NOT_A_SOURCE: Final = frozenset({"name"})
_LAST_MODE: Final = 0o777
# With the sticky bit, as /tmp has it.
_LAST_DIRECTORY_MODE: Final = 0o1777
# LUNs and partitions are a byte in the API's validation.
_LAST_BYTE: Final = 255
_LAST_USER: Final = 2147483647

_REQUIRED: Final = {
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "nfs": ("server", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "persistentVolumeClaim": ("claimName",),
    "rbd": ("monitors", "image"),
    "cinder": ("volumeID",),
    "cephfs": ("monitors",),
    "quobyte": ("registry", "volume"),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "storageos": ("volumeName",),
    "scaleIO": ("gateway", "system", "volumeName"),
    "csi": ("driver",),
    "ephemeral": ("volumeClaimTemplate",),
    "secret": ("secretName",),
    "configMap": ("name",),
    "hostPath": ("path",),
    "image": ("reference",),
}
"""What each source must have."""

_IMAGE_NEEDED: Final = 35
"""The first minor version whose kubelet validates a static pod as a pod, not as a template."""


def volumes(spec: dict[str, Any], path: str, minor: int) -> Iterator[tuple[str, list[Finding]]]:
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
        # By their keys: a source that is null has been left out by the reader.
        sources = [each for each in volume if each not in _NOT_A_SOURCE]
        if len(sources) > 1:
            found.append(refused(child(at, sources[1]), f"not together with {sources[0]}"))
        # Each of them, though only one may stay: whoever removes one must not meet the other's
        # mistakes afterwards.
        for source in sources:
            found += _source(source, volume, at, minor)
        yield name, found


def _source(name: str, volume: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    # What is not a map has been told with the types.
    if not isinstance(volume.get(name), dict):
        return
    source, at = mapping(volume, name), child(path, name)
    # Templates of pods may leave an image out, for a controller to fill in.
    if name != "image" or minor >= _IMAGE_NEEDED:
        yield from required(source, at, *_REQUIRED.get(name, ()))
    rules = _RULES.get(name)
    if rules is not None:
        yield from rules(source, at)


def _empty_dir(source: dict[str, Any], path: str) -> Iterator[Finding]:
    if (amount(source.get("sizeLimit")) or 0) < 0:
        yield refused(child(path, "sizeLimit"), "must not be negative")
    yield from between(source, "mode", path, 0, _LAST_DIRECTORY_MODE)


def _host_path(source: dict[str, Any], path: str) -> Iterator[Finding]:
    # It could leave the directory that a policy allows.
    if ".." in text(source, "path").split("/"):
        yield refused(child(path, "path"), "must not hold ..")


def _git_repo(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from descends(source, "directory", path)


def _partition(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from between(source, "partition", path, 0, _LAST_BYTE)


def _nfs(source: dict[str, Any], path: str) -> Iterator[Finding]:
    if text(source, "path") and not text(source, "path").startswith("/"):
        yield refused(child(path, "path"), "must be an absolute path")


# RFC 3720, 3.2.6.3: iqn with a date and a domain, eui and naa with hex digits.
_NAMES_OF_TARGETS: Final = (
    r"iqn\.\d{4}-\d{2}\.([0-9a-z\-.]+)(:([^,;*&$|\s]+))",
    r"eui\.[0-9A-Fa-f]{16}",
    r"naa\.([0-9A-Fa-f]{32}|[0-9A-Fa-f]{16})",
)


def _iscsi(source: dict[str, Any], path: str) -> Iterator[Finding]:
    for name in ("iqn", "initiatorName"):
        given = text(source, name)
        if (given or (name == "initiatorName" and name in source)) and not any(
            len(given) <= 512 and re.fullmatch(pattern, given) for pattern in _NAMES_OF_TARGETS
        ):
            yield refused(child(path, name), "is not a name such as iqn.2026-01.com.example:disk")
    yield from between(source, "lun", path, 0, _LAST_BYTE)
    chap = source.get("chapAuthDiscovery") is True or source.get("chapAuthSession") is True
    if chap and "secretRef" not in source:
        yield refused(child(path, "secretRef"), "is required with CHAP")


def _fc(source: dict[str, Any], path: str) -> Iterator[Finding]:
    # A disk is found by target and LUN, or by a world-wide id that needs neither.
    names, ids = not is_absent(source, "targetWWNs"), not is_absent(source, "wwids")
    if not names and not ids:
        yield refused(child(path, "targetWWNs"), "is required, or wwids")
    elif names and ids:
        yield refused(child(path, "wwids"), "not together with targetWWNs")
    if names and source.get("lun") is None:
        yield refused(child(path, "lun"), "is required with targetWWNs")
    elif names:
        yield from between(source, "lun", path, 0, _LAST_BYTE)


def _quobyte(source: dict[str, Any], path: str) -> Iterator[Finding]:
    # Bounded before the pattern, which looks at each address by itself.
    registry = text(source, "registry")
    if len(text(source, "tenant")) > 64:
        yield refused(child(path, "tenant"), "must be 64 letters at most")
    elif registry and not all(
        re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", each[:512])
        for each in registry.split(",")
    ):
        yield refused(child(path, "registry"), "must be host:port, or several with commas")


def _flocker(source: dict[str, Any], path: str) -> Iterator[Finding]:
    if is_absent(source, "datasetName") and is_absent(source, "datasetUUID"):
        yield refused(path, "needs datasetName or datasetUUID")
    elif not is_absent(source, "datasetName") and not is_absent(source, "datasetUUID"):
        yield refused(child(path, "datasetUUID"), "not together with datasetName")
    if "/" in text(source, "datasetName"):
        yield refused(child(path, "datasetName"), "must not hold a slash")


def _flex(source: dict[str, Any], path: str) -> Iterator[Finding]:
    for key in mapping(source, "options"):
        domain = f".{str(key).partition('/')[0].lower()}"
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield refused(child(child(path, "options"), str(key)), "is Kubernetes' own")


def _azure_disk(source: dict[str, Any], path: str) -> Iterator[Finding]:
    kind = text(source, "kind")
    # A managed disk has an id of the cloud, the others a blob's URL.
    start = "/subscriptions/" if kind == "Managed" else "https://"
    if kind and text(source, "diskURI") and not text(source, "diskURI").startswith(start):
        yield refused(child(path, "diskURI"), f"must begin with {start} for kind {kind}")


def _storage_os(source: dict[str, Any], path: str) -> Iterator[Finding]:
    for name in ("volumeName", "volumeNamespace"):
        if text(source, name) and not is_label(text(source, name)):
            yield refused(child(path, name), "must be lower-case letters, digits and hyphens")
    yield from _secret_reference(source, path)


def _secret_reference(source: dict[str, Any], path: str) -> Iterator[Finding]:
    if "secretRef" in source:
        yield from required(mapping(source, "secretRef"), child(path, "secretRef"), "name")


def _csi(source: dict[str, Any], path: str) -> Iterator[Finding]:
    driver = text(source, "driver")
    # ValidateCSIDriverName takes capital letters, too.
    if driver and (len(driver) > 63 or not is_subdomain(driver.lower())):
        yield refused(child(path, "driver"), "is not the name of a driver")


def _downward(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from _modes(source, path)
    for file, at in maps(source, "items", path):
        yield from _downward_file(file, at)


def _downward_file(file: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(file, path, "path")
    yield from not_reserved(file, "path", path)
    yield from between(file, "mode", path, 0, _LAST_MODE)
    yield from between(file, "user", path, 0, _LAST_USER)
    if "fieldRef" in file and "resourceFieldRef" in file:
        yield refused(child(path, "resourceFieldRef"), "not together with fieldRef")
    elif "fieldRef" in file:
        yield from field_reference(file, path, VOLUME_FIELDS)
    elif "resourceFieldRef" in file:
        below = child(path, "resourceFieldRef")
        # In a variable the container is the one that has it; a volume has none.
        yield from required(mapping(file, "resourceFieldRef"), below, "containerName")
        yield from resource_reference(file, path)
    else:
        yield refused(path, "needs fieldRef or resourceFieldRef")


def field_reference(
    value: dict[str, Any], path: str, fields: tuple[str, ...] = VARIABLE_FIELDS
) -> Iterator[Finding]:
    """A `fieldRef`, where it is there."""
    reference, at = mapping(value, "fieldRef"), child(path, "fieldRef")
    if "fieldRef" not in value:
        return
    if text(reference, "apiVersion") not in ("", "v1"):
        yield refused(child(at, "apiVersion"), "must be v1")
    yield from required(reference, at, "fieldPath")
    given = text(reference, "fieldPath")
    if given and (problem := field_problem(given, fields)):
        yield refused(child(at, "fieldPath"), problem, f"one of {', '.join(fields)}")


def resource_reference(value: dict[str, Any], path: str) -> Iterator[Finding]:
    """A `resourceFieldRef`, where it is there."""
    reference, at = mapping(value, "resourceFieldRef"), child(path, "resourceFieldRef")
    if "resourceFieldRef" not in value:
        return
    yield from required(reference, at, "resource")
    resource, divisor = text(reference, "resource"), reference.get("divisor")
    if resource and not is_resource(resource):
        yield refused(
            child(at, "resource"),
            "is not a resource of a container",
            "limits. or requests. and cpu, memory, ephemeral-storage or hugepages-SIZE",
        )
    elif (
        resource
        and isinstance(divisor, (str, int))
        and (problem := divisor_problem(resource, str(divisor)))
    ):
        yield refused(child(at, "divisor"), problem)


def _modes(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from between(source, "defaultMode", path, 0, _LAST_MODE)
    yield from between(source, "defaultUser", path, 0, _LAST_USER)


def _keyed(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from _modes(source, path)
    yield from _items(source, path)


def _items(source: dict[str, Any], path: str) -> Iterator[Finding]:
    for item, at in maps(source, "items", path):
        yield from required(item, at, "key", "path")
        yield from not_reserved(item, "path", at)
        yield from between(item, "mode", at, 0, _LAST_MODE)
        yield from between(item, "user", at, 0, _LAST_USER)


_PROJECTIONS: Final = (
    "secret",
    "configMap",
    "downwardAPI",
    "serviceAccountToken",
    "clusterTrustBundle",
    "podCertificate",
)
# 10 minutes: TokenRequest refuses less, as nobody could renew it in time.
_SHORTEST_TOKEN, _LONGEST_TOKEN = 600, 1 << 32


def _projected(source: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from _modes(source, path)
    # Over all sources: they end in one directory.
    paths = Once()
    for each, at in maps(source, "sources", path):
        given = [name for name in _PROJECTIONS if name in each]
        if not given:
            yield refused(at, "has no source", f"one of {', '.join(_PROJECTIONS)}")
        elif len(given) > 1:
            yield refused(child(at, given[1]), f"not together with {given[0]}")
        for name in ("secret", "configMap"):
            if name in each:
                part, below = mapping(each, name), child(at, name)
                yield from required(part, below, "name")
                yield from _items(part, below)
                yield from _paths_differ(part, below, paths)
        part, below = mapping(each, "downwardAPI"), child(at, "downwardAPI")
        for file, place in maps(part, "items", below):
            yield from _downward_file(file, place)
        yield from _paths_differ(part, below, paths)
        if "serviceAccountToken" in each:
            yield from _token(mapping(each, "serviceAccountToken"), child(at, given[0]))


def _paths_differ(part: dict[str, Any], path: str, paths: Once) -> Iterator[Finding]:
    for item, at in maps(part, "items", path):
        yield from paths.again(text(item, "path"), child(at, "path"))


def _token(token: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(token, path, "path")
    yield from not_reserved(token, "path", path)
    seconds = number(token, "expirationSeconds")
    if seconds is not None and not _SHORTEST_TOKEN <= seconds <= _LONGEST_TOKEN:
        yield refused(child(path, "expirationSeconds"), "must be at least 10 minutes")


def descends(value: dict[str, Any], name: str, path: str) -> Iterator[Finding]:
    """A path below something, without `..`."""
    given = text(value, name)
    if given.startswith("/") or ".." in given.split("/"):
        yield refused(child(path, name), "must be a path below the volume, without ..")


def not_reserved(value: dict[str, Any], name: str, path: str) -> Iterator[Finding]:
    """As `descends`; names that begin with two dots are the kubelet's own."""
    given = text(value, name)
    # The kubelet's atomic writer has ..data and ..TIMESTAMP in the same directory.
    if given.startswith("..") and not given.startswith("../"):
        yield refused(child(path, name), "must not begin with ..")
    else:
        yield from descends(value, name, path)


_RULES: Final[dict[str, Callable[[dict[str, Any], str], Iterator[Finding]]]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": _partition,
    "awsElasticBlockStore": _partition,
    "nfs": _nfs,
    "iscsi": _iscsi,
    "fc": _fc,
    "quobyte": _quobyte,
    "flocker": _flocker,
    "flexVolume": _flex,
    "azureDisk": _azure_disk,
    "storageos": _storage_os,
    "cinder": _secret_reference,
    "csi": _csi,
    "downwardAPI": _downward,
    "secret": _keyed,
    "configMap": _keyed,
    "projected": _projected,
}
