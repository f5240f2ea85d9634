"""Documents of Kubernetes' own that a configuration passes on: what can be told without knowing their fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from machineadm.api.finding import Finding
from machineadm.config.paths import child
from machineadm.config.rules.model import finding


class ObjectKind(msgspec.Struct, frozen=True, kw_only=True):
    """What a passed-on document must be."""

    kind: str
    api_versions: tuple[str, ...]
    optional: bool = False
    """The document may leave `apiVersion` and `kind` out; they are added."""


POLICY: Final = ObjectKind(kind="Policy", api_versions=("audit.k8s.io/v1",))
AUTHENTICATION: Final = ObjectKind(
    kind="AuthenticationConfiguration",
    api_versions=("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"),
)
AUTHORIZATION: Final = ObjectKind(
    kind="AuthorizationConfiguration",
    api_versions=("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"),
)
ADMISSION: Final = ObjectKind(
    kind="AdmissionConfiguration", api_versions=("apiserver.config.k8s.io/v1",)
)
POD: Final = ObjectKind(kind="Pod", api_versions=("v1",))
KUBELET: Final = ObjectKind(
    kind="KubeletConfiguration", api_versions=("kubelet.config.k8s.io/v1beta1",), optional=True
)
KUBE_PROXY: Final = ObjectKind(
    kind="KubeProxyConfiguration",
    api_versions=("kubeproxy.config.k8s.io/v1alpha1",),
    optional=True,
)


def is_kind(value: dict[str, Any] | None, field: str, wanted: ObjectKind) -> Iterator[Finding]:
    """`apiVersion` and `kind` of a passed-on document are what they must be.

    Args:
        value: The document, or None where there is none.
        field: JSON name of the field that holds it.
        wanted: What it must be.
    """
    if value is None:
        return
    for name, allowed in (("apiVersion", wanted.api_versions), ("kind", (wanted.kind,))):
        given = value.get(name)
        if given in allowed or (given is None and wanted.optional):
            continue
        yield finding(
            "MA1313",
            child(field, name) if name in value else field,
            f"{name} must be {' or '.join(allowed)}"
            if name in value
            else f"{name} is missing: {' or '.join(allowed)}",
        )


def mapping(value: dict[str, Any], name: str) -> dict[str, Any]:
    """A field that holds an object, or an empty one where it is absent or something else."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def sequence(value: dict[str, Any], name: str) -> list[Any]:
    """A field that holds a list, or an empty one where it is absent or something else."""
    found = value.get(name)
    return list(found) if isinstance(found, (list, tuple)) else []
