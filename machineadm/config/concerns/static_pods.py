"""Static pods besides those of kubeadm: their manifests, where the kubelet looks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.static_pods import StaticPod
from machineadm.config.machine_paths import MANIFESTS
from machineadm.config.passed_on import judge
from machineadm.config.rules.model import Context, Rules, finding

# Their manifests are NAME.yaml in the same directory: one would overwrite the other.
_KUBEADM_PODS: Final = frozenset(
    {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
)


def manifest_path(name: str) -> str:
    """Where the manifest of a static pod is written."""
    return f"{MANIFESTS}/{name}.yaml"


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    if spec.kubernetes is not None and spec.kubernetes.control_plane is not None:
        for pod in spec.kubernetes.control_plane.static_pods:
            yield manifest_path(pod.name), "controlPlane.staticPods"


def _not_one_of_kubeadms(pod: StaticPod, _context: Context) -> Iterator[Finding]:
    if pod.name in _KUBEADM_PODS:
        yield finding("MA1306", "name", f"{pod.name} is the name of a pod that kubeadm creates")


def _is_a_pod(pod: StaticPod, context: Context) -> Iterator[Finding]:
    yield from judge(pod.manifest, "manifest", "Pod", context)


RULES: Final[Rules] = {StaticPod: (_not_one_of_kubeadms, _is_a_pod)}
