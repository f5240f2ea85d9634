"""Inline patches: each is parsed and tried on the object that kubeadm will apply it to, in kubeadm's order.

kubeadm itself does so only after it has written certificates and kubeconfigs, and only the kubelet judges the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.concerns.kubeadm.manifests import manifest
from machineadm.config.rules.model import Context, asked_version, finding
from machineadm.config.rules.patching import (
    PatchError,
    UnknownError,
    apply,
    misfit_of,
    without_nulls,
)
from machineadm.config.versions import judged_minor

# From documents, which config must not import: agent passes it in.
Read = Callable[[str], tuple[list[Any], str]]


def patches_apply(kubernetes: KubernetesConfig, context: Context, read: Read) -> Iterator[Finding]:
    """Findings about `patches`, relative to KubernetesConfig.

    Args:
        kubernetes: As configured.
        context: For the version of Kubernetes.
        read: Gives the documents of a text, or what is wrong with it.
    """
    by_target: dict[str, list[int]] = {}
    for index, patch in enumerate(kubernetes.patches):
        # In the order of the list: the files that kubeadm gets are numbered so that it sorts them
        # the same way.
        by_target.setdefault(patch.target, []).append(index)
    for target, indexes in by_target.items():
        yield from _target(target, indexes, kubernetes, context, read)


def _target(
    target: str, indexes: list[int], kubernetes: KubernetesConfig, context: Context, read: Read
) -> Iterator[Finding]:
    minor = judged_minor(asked_version(context))
    model = manifest(target, kubernetes, minor)
    if model is None:
        return  # kubeadm does not write it, so nothing is patched
    # Each is applied to what the one before has made, as kubeadm does with several files.
    current: Any = model
    for index in indexes:
        patch, field = kubernetes.patches[index], f"patches[{index}].patch"
        # A patch file may hold several documents, which kubeadm applies one by one.
        documents, problem = read(patch.patch)
        if problem or not documents:
            message = problem or "has no document, so it changes nothing"
            yield finding("MA1432", field, message)
            return
        try:
            current = apply(current, patch.type, documents)
        except PatchError as error:
            yield finding("MA1432", field, str(error))
            return
        # The rest of this target cannot be judged either: it is applied to something unknown.
        except UnknownError:
            return
        if problem := _refused(current, model, target, minor):
            yield finding("MA1432", field, problem)
            return


_ALWAYS: Final = frozenset({"selector", "template", "minReadySeconds", "revisionHistoryLimit"})
_SPECS: Final = {
    "Deployment": _ALWAYS | {"replicas", "strategy", "paused", "progressDeadlineSeconds"},
    "DaemonSet": _ALWAYS | {"updateStrategy"},
}
"""Fields of the specs of what is not a pod (k8s.io/api/apps/v1)."""


def _refused(current: Any, model: dict[str, Any], target: str, minor: int | None) -> str:
    """Return why the patched object would be refused; empty if it would not be."""
    if problem := misfit_of(current, model):
        return problem
    # kubeadm decodes the result by the kind of the target, whatever the patch made of it.
    for name in ("apiVersion", "kind"):
        if current.get(name) != model[name]:
            return f"{name} must stay {model[name]}"
    if model["kind"] in _SPECS:
        if not isinstance(current.get("spec"), dict):
            return f"spec must stay: the API server refuses a {model['kind']} without one"
        unknown = sorted(current["spec"].keys() - _SPECS[model["kind"]])
        # kubeadm drops it without a word, and fails if a second patch has it, too.
        more = ": a pod's fields are below spec.template.spec" if "containers" in unknown else ""
        return f"spec of a {model['kind']} has no field {unknown[0]}{more}" if unknown else ""
    # Without tables for the version, the shape is all that can be judged.
    if minor is None:
        return ""
    from machineadm.config.passed_on import judged

    # The first problem is enough: patches are fixed one by one.
    for found in judged(without_nulls(current), "", model["kind"], minor):
        where = found.path.removeprefix(".")
        return f"{where}: {found.message}" if where else found.message
    return next(_not_started(current), "") if model["kind"] == "Pod" else ""


def _not_started(pod: dict[str, Any]) -> Iterator[str]:
    """Yield what no validation reports, but every container runtime refuses."""
    for index, container in enumerate(pod["spec"]["containers"]):
        for at, mount in enumerate(container.get("volumeMounts") or ()):
            path = mount["mountPath"]
            if path == "/" or f"{path}/".startswith("/proc/"):
                yield f"spec.containers[{index}].volumeMounts[{at}].mountPath: nothing can be mounted at {path}"
