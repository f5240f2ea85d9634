"""What a container may learn about its own pod, by the rules of the kubelet (k8s.io/kubernetes, pkg/apis/core/validation)."""

from __future__ import annotations

import re
from typing import Final

from machineadm.api.meta import QualifiedName
from machineadm.config.rules.names import misfit

# validEnvDownwardAPIFieldPathExpressions and its twin for volumes; labels as a whole do not fit
# into a variable.
VARIABLE_FIELDS: Final = (
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
"""What a variable can be."""

VOLUME_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.labels",
    "metadata.annotations",
    "metadata.uid",
)
"""What a file of a volume can be."""

_SUBSCRIPT: Final = r"metadata\.(annotations|labels)\['(.*)'\]"

_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES: Final = "hugepages-"
# validContainerResourceDivisorForCPU and its twins: the only units that the kubelet shows amounts
# in.
_CPU_DIVISORS: Final = ("1m", "1")
_DIVISORS: Final = ("1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E")),
                    *(f"1{unit}i" for unit in ("K", "M", "G", "T", "P", "E")))  # fmt: skip


def field_problem(path: str, fields: tuple[str, ...]) -> str:
    """What is wrong with the path of a field of the pod; empty if nothing is.

    Args:
        path: The `fieldPath` of a reference.
        fields: Those that can be had, beside single labels and annotations.
    """
    # DOTALL, as a key with a line break must be refused by its form and not pass as no subscript.
    found = re.fullmatch(_SUBSCRIPT, path, re.DOTALL)
    if found is None:
        what = "a variable" if fields is VARIABLE_FIELDS else "a file"
        return "" if path in fields else f"is not a field that {what} can take"
    # Keys of annotations may have capital letters in their domain.
    key = found[2].lower() if found[1] == "annotations" else found[2]
    problem = misfit(QualifiedName, key)
    return f"the key of {found[1]} {problem}" if problem else ""


def is_resource(name: str) -> bool:
    """Whether it is a resource of a container: `limits.cpu`."""
    part, _, kind = name.partition(".")
    return part in ("limits", "requests") and (kind in _RESOURCES or kind.startswith(_HUGE_PAGES))


def divisor_problem(resource: str, divisor: str) -> str:
    """What is wrong with the unit of a resource; empty if nothing is.

    Args:
        resource: One that `is_resource`.
        divisor: A quantity; the zero one means that there is none.
    """
    # hugepages-cpu is not a name, so the ending decides.
    allowed = _CPU_DIVISORS if resource.endswith(".cpu") else _DIVISORS
    if divisor in (*allowed, "0") or _canonical(divisor) in (*allowed, "0"):
        return ""
    return f"must be one of {', '.join(allowed)}"


def _canonical(quantity: str) -> str:
    """A quantity that is a power of its unit, as Kubernetes writes it: `1000m` is `1`; anything else as it is."""
    from fractions import Fraction

    found = re.fullmatch(r"([0-9.]{1,64})([KMGTPE]i|[mkMGTPE])?", quantity)
    if found is None:  # with an exponent, which Kubernetes keeps
        return {"0": "0", "1": "1"}.get(re.sub(r"[eE][+-]?0+$", "", quantity), quantity)
    try:
        number, unit = Fraction(found[1]), found[2] or ""
    except ValueError:
        return quantity
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
