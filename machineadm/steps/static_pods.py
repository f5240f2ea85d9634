"""Static pods beside those of kubeadm.

They are written before kubeadm runs and start as soon as kubeadm has started the kubelet. kubeadm's preflight only looks for its
own four manifests (`FileAvailable--etc-kubernetes-manifests-...`, read in 1.29 to 1.34), so it does not mind others in the
directory, for a joining control plane either.
"""

from __future__ import annotations

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.static_pods import StaticPod
from machineadm.config.machine_paths import MANIFESTS
from machineadm.documents.encoding import encode_yaml
from machineadm.plan.model import Phase, Step


def plan_static_pods(kubernetes: KubernetesConfig) -> tuple[Step, ...]:
    """One step that writes the manifests, 0600, or none.

    Args:
        kubernetes: Realised and free of findings.
    """
    config = kubernetes.control_plane
    if config is None or not config.static_pods:
        return ()
    files = tuple(_file(pod) for pod in config.static_pods)
    return (WriteFiles(name="staticPods/files", phase=Phase.PREPARE, files=files),)


def _file(pod: StaticPod) -> PlannedFile:
    manifest = {"apiVersion": "v1", "kind": "Pod", **(pod.manifest or {})}
    return PlannedFile(
        # 0600 as kubeadm's own: a manifest may name secrets in its variables, and the kubelet
        # reads it as root.
        path=f"{MANIFESTS}/{pod.name}.yaml",
        content=encode_yaml(manifest),
        mode=0o600,
    )
