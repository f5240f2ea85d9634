"""Where a variable of a static pod may come from, by the rules of the kubelet (k8s.io/kubernetes/pkg/apis/core/validation).

A static pod must not refer to objects of the API, because it runs before the API exists (pkg/kubelet/config/common.go).
"""

from __future__ import annotations

from collections.abc import Iterator

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.cluster import ContainerVariableSource, ResourceReference
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.rules.downward import (
    VARIABLE_FIELDS,
    divisor_problem,
    field_problem,
    is_resource,
)
from machineadm.config.rules.model import finding


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
    # The kubelet wants an emptyDir that an init container fills; only a patch can add both.
    if source.file_key_ref is not None and not _is_patched(kubernetes):
        yield finding(
            "MA1431",
            "fileKeyRef",
            "needs a volume of type emptyDir, and kubeadm's pods have none",
            "give the value itself",
        )
    if (reference := source.field_ref) is not None:
        # Names of fields are converted for v1 alone (ConvertDownwardAPIFieldLabel).
        if reference.api_version not in (None, "v1"):
            yield finding("MA1431", "fieldRef.apiVersion", "must be v1")
        if problem := field_problem(reference.field_path, VARIABLE_FIELDS):
            hint = f"one of {', '.join(VARIABLE_FIELDS)}"
            yield finding("MA1431", "fieldRef.fieldPath", problem, hint)
    if source.resource_field_ref is not None:
        yield from _resource_fits(source.resource_field_ref)


def _is_patched(kubernetes: KubernetesConfig | None) -> bool:
    # Any patch: which volumes a directory of patches brings is not known here.
    return kubernetes is not None and bool(kubernetes.patches or kubernetes.patches_directory)


def _resource_fits(reference: ResourceReference) -> Iterator[Finding]:
    if not is_resource(reference.resource):
        yield finding(
            "MA1431",
            "resourceFieldRef.resource",
            "is not a resource of a container",
            "limits. or requests. and cpu, memory, ephemeral-storage or hugepages-SIZE",
        )
    elif reference.divisor is not None and (
        problem := divisor_problem(reference.resource, reference.divisor)
    ):
        yield finding("MA1431", "resourceFieldRef.divisor", problem)
