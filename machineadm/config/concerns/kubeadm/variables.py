"""Where a variable of a static pod may come from, by the rules of the kubelet (k8s.io/kubernetes/pkg/apis/core/validation).

A static pod must not refer to objects of the API, because it runs before the API exists (pkg/kubelet/config/common.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.meta import QualifiedName
from machineadm.api.v1alpha1.cluster import ContainerVariableSource, ResourceReference
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.rules.model import finding
from machineadm.config.rules.names import misfit

_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.host",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SUBSCRIPT: Final = r"metadata\.(annotations|labels)\['(.*)'\]"

_RESOURCE: Final = r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.*)"
_CPU_DIVISORS: Final = ("1m", "1")
_DIVISORS: Final = ("1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E")),
                    *(f"1{unit}i" for unit in ("K", "M", "G", "T", "P", "E")))  # fmt: skip


def source_fits(
    source: ContainerVariableSource, kubernetes: KubernetesConfig | None
) -> Iterator[Finding]:
    """Findings about a variable's source, relative to it.

    Args:
        source: Where the variable comes from.
        kubernetes: As configured; a patch of it may bring a volume.
    """
    for field, value in (
        ("secretKeyRef", source.secret_key_ref),
        ("configMapKeyRef", source.config_map_key_ref),
    ):
        if value is not None:
            yield finding(
                "MA1431",
                field,
                "a static pod must not refer to an object of the API server, so the kubelet refuses it",
                "give the value itself, or a file by extraVolumes",
            )
    if source.file_key_ref is not None and not _is_patched(kubernetes):
        yield finding(
            "MA1431",
            "fileKeyRef",
            "needs a volume of type emptyDir, and kubeadm's pods have none",
            "give the value itself",
        )
    if (reference := source.field_ref) is not None:
        if reference.api_version not in (None, "v1"):
            yield finding("MA1431", "fieldRef.apiVersion", "must be v1")
        if problem := _no_field(reference.field_path):
            yield finding("MA1431", "fieldRef.fieldPath", problem, f"one of {', '.join(_FIELDS)}")
    if source.resource_field_ref is not None:
        yield from _resource_fits(source.resource_field_ref)


def _is_patched(kubernetes: KubernetesConfig | None) -> bool:
    return kubernetes is not None and bool(kubernetes.patches or kubernetes.patches_directory)


def _no_field(path: str) -> str:
    found = re.fullmatch(_SUBSCRIPT, path, re.DOTALL)
    if found is None:
        return "" if path in _FIELDS else "is not a field that a variable can take"
    # Keys of annotations may have capital letters in their domain.
    key = found[2].lower() if found[1] == "annotations" else found[2]
    problem = misfit(QualifiedName, key)
    return f"the key of {found[1]} {problem}" if problem else ""


def _resource_fits(reference: ResourceReference) -> Iterator[Finding]:
    found = re.fullmatch(_RESOURCE, reference.resource)
    if found is None:
        yield finding(
            "MA1431",
            "resourceFieldRef.resource",
            "is not a resource of a container",
            "limits. or requests. and cpu, memory, ephemeral-storage or hugepages-SIZE",
        )
        return
    allowed = _CPU_DIVISORS if found[2] == "cpu" else _DIVISORS
    if reference.divisor is not None and _canonical(reference.divisor) not in (*allowed, "0"):
        yield finding("MA1431", "resourceFieldRef.divisor", f"must be one of {', '.join(allowed)}")


def _canonical(quantity: str) -> str:
    """A quantity that is a power of its unit, as Kubernetes writes it: `1000m` is `1`; anything else as it stands."""
    from fractions import Fraction

    found = re.fullmatch(r"([0-9.]+)([KMGTPE]i|[mkMGTPE])?", quantity)
    if found is None:  # with an exponent, which Kubernetes keeps
        return {"0": "0", "1": "1"}.get(re.sub(r"[eE][+-]?0+$", "", quantity), quantity)
    number, unit = Fraction(found[1]), found[2] or ""
    if not number:
        return "0"
    binary = unit.endswith("i")
    units = (
        ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
        if binary
        else ("m", "", "k", "M", "G", "T", "P", "E")
    )
    base = 1024 if binary else 1000
    value = number * Fraction(base) ** units.index(unit)
    for power, name in enumerate(units):
        if value == Fraction(base) ** power:
            return f"1{name}"
    return quantity
