"""Inline patches: each is read and tried on what kubeadm will apply it to, in kubeadm's order.

kubeadm does so after it has made certificates and kubeconfigs; what a patch leaves is judged by the kubelet alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeGuard

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.concerns.kubeadm.kubelet import known_fields
from machineadm.config.concerns.kubeadm.manifests import SHAPES, manifest
from machineadm.config.rules.model import Context, finding
from machineadm.config.rules.patching import PatchError, UnknownError, apply, misfit_of

Read = Callable[[str], tuple[list[Any], str]]

_VARIABLE: Final = r"([A-Za-z_-]|\.[A-Za-z0-9_-])[A-Za-z0-9._-]*"
_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def patches_apply(kubernetes: KubernetesConfig, context: Context, read: Read) -> Iterator[Finding]:
    """Findings about `patches`, relative to KubernetesConfig.

    Args:
        kubernetes: As configured.
        context: For the version of Kubernetes.
        read: Gives the documents of a text, or what is wrong with it.
    """
    by_target: dict[str, list[int]] = {}
    for index, patch in enumerate(kubernetes.patches):
        by_target.setdefault(patch.target, []).append(index)
    for target, indexes in by_target.items():
        yield from _target(target, indexes, kubernetes, context, read)


def _target(
    target: str, indexes: list[int], kubernetes: KubernetesConfig, context: Context, read: Read
) -> Iterator[Finding]:
    model = manifest(target, kubernetes)
    if model is None:
        return  # kubeadm does not write it, so nothing is patched
    current: Any = model
    for index in indexes:
        patch, field = kubernetes.patches[index], f"patches[{index}].patch"
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
        except UnknownError:
            return
        problem = _refused(current, model, target)
        if problem:
            yield finding("MA1432", field, problem)
            return
        if target == "kubeletconfiguration":
            yield from _settings(current, field, context)


def _settings(document: dict[str, Any], field: str, context: Context) -> Iterator[Finding]:
    """Fields of a KubeletConfiguration that a patch has left."""
    for found in known_fields(document, "", context):
        where = found.path.removeprefix(".")
        yield finding("MA1432", field, f"{where}: {found.message}", found.hint)


def _refused(current: Any, model: dict[str, Any], target: str) -> str:
    """Why nobody takes what patches have left; empty if that is not so."""
    if problem := misfit_of(current, model):
        return problem
    for name in ("apiVersion", "kind"):
        if current.get(name) != model[name]:
            return f"{name} must stay {model[name]}"
    if target in ("kubeletconfiguration", "corednsdeployment"):
        return ""
    if problem := misfit_of(current, SHAPES):
        return problem
    problem = next(_reasons(current), "")
    return f"the kubelet refuses the pod: {problem}" if problem else ""


def _reasons(pod: Any) -> Iterator[str]:
    if not _is_text(_map(pod, "metadata").get("name")):
        yield "metadata.name is gone"
    spec = _map(pod, "spec")
    if spec.get("serviceAccountName"):
        yield "spec.serviceAccountName: a static pod has no service account"
    for name in ("containers", "initContainers", "volumes"):
        if not isinstance(spec.get(name, []), list) or not all(
            isinstance(item, dict) for item in spec.get(name, [])
        ):
            yield f"spec.{name} must be a list of maps"
            return
    containers = spec.get("containers", [])
    if not containers:
        yield "spec.containers is empty"
    volumes = [volume.get("name") for volume in spec.get("volumes", [])]
    for index, volume in enumerate(spec.get("volumes", [])):
        yield from _volume(volume, f"spec.volumes[{index}]", volumes[:index])
    everybody = [
        (f"spec.{kind}[{index}]", container)
        for kind in ("containers", "initContainers")
        for index, container in enumerate(spec.get(kind, []))
    ]
    names: list[Any] = []
    for at, container in everybody:
        yield from _container(container, at, volumes)
        if container.get("name") in names:
            yield f"{at}.name: {container.get('name')} is the name of another container, too"
        names.append(container.get("name"))


def _volume(volume: dict[str, Any], at: str, before: list[Any]) -> Iterator[str]:
    name = volume.get("name")
    if not _is_text(name) or not re.fullmatch(_LABEL, name):
        yield f"{at}.name must be lower-case letters, digits and hyphens"
    elif name in before:
        yield f"{at}.name: {name} is the name of another volume, too"
    sources = [field for field in volume if field != "name"]
    if len(sources) > 1:
        yield f"{at}: {' and '.join(sources)} exclude each other"
    for source in ("secret", "configMap", "persistentVolumeClaim", "csi", "ephemeral"):
        if source in volume:
            yield f"{at}.{source}: a static pod may not refer to an object of the API server"
    path = _map(volume, "hostPath").get("path")
    if "hostPath" in volume and not _is_text(path):
        yield f"{at}.hostPath.path is required"
    elif _is_text(path) and ".." in path.split("/"):
        yield f"{at}.hostPath.path must not hold .."


def _container(container: dict[str, Any], at: str, volumes: list[Any]) -> Iterator[str]:
    for field in ("name", "image"):
        if not _is_text(container.get(field)):
            yield f"{at}.{field} is required"
    if _is_text(container.get("name")) and not re.fullmatch(_LABEL, container["name"]):
        yield f"{at}.name must be lower-case letters, digits and hyphens"
    for field in ("command", "args"):
        given = container.get(field, [])
        if not isinstance(given, list) or not all(
            isinstance(item, (str, type(None))) for item in given
        ):
            yield f"{at}.{field} must be a list of texts"
    for field in ("env", "volumeMounts", "ports"):
        if not isinstance(container.get(field, []), list) or not all(
            isinstance(item, dict) for item in container.get(field, [])
        ):
            yield f"{at}.{field} must be a list of maps"
            return
    yield from _mounts(container.get("volumeMounts", []), f"{at}.volumeMounts", volumes)
    for index, variable in enumerate(container.get("env", [])):
        name = variable.get("name")
        if not _is_text(name) or not re.fullmatch(_VARIABLE, name):
            yield f"{at}.env[{index}].name is not a name that the kubelet takes in a static pod"
        if not isinstance(variable.get("value", ""), str):
            yield f"{at}.env[{index}].value must be text"
        for source in ("secretKeyRef", "configMapKeyRef"):
            if source in _map(variable, "valueFrom"):
                yield f"{at}.env[{index}]: a static pod may not refer to an object of the API server"


def _mounts(mounts: list[dict[str, Any]], at: str, volumes: list[Any]) -> Iterator[str]:
    seen: list[Any] = []
    for index, mount in enumerate(mounts):
        path = mount.get("mountPath")
        if not _is_text(path):
            yield f"{at}[{index}].mountPath is required"
        elif path in seen:
            yield f"{at}[{index}].mountPath: something is mounted at {path} already"
        elif path == "/" or path == "/proc" or path.startswith("/proc/"):
            yield f"{at}[{index}].mountPath: nothing can be mounted at {path}"
        if mount.get("name") not in volumes:
            yield f"{at}[{index}].name: there is no volume {mount.get('name')}"
        seen.append(path)


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value)


def _map(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
