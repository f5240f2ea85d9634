"""containerd: its configuration over the one that was there, registries, and a runtime that answers."""

from __future__ import annotations

from collections.abc import Mapping

from machineadm.api.v1alpha1.containerd import ContainerRuntime
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.concerns.containerd import SOCKET
from machineadm.plan.model import Step
from machineadm.redaction import Secret
from machineadm.steps.containerd.configuration import ConfigureRuntime, UseRuntime
from machineadm.steps.containerd.registries import write_registries


def plan_containerd(
    runtime: ContainerRuntime,
    kubernetes: KubernetesConfig | None,
    headers: Mapping[str, Secret],
) -> tuple[Step, ...]:
    """The steps of the container runtime, or none.

    Args:
        runtime: Free of findings, every value known.
        kubernetes: Names the pause image that kubeadm would use.
        headers: Values of `Authorization`, by the registry's host.
    """
    settings = runtime.containerd
    if settings is None:
        return ()
    cluster = kubernetes.cluster if kubernetes is not None else None
    # Kubernetes writes the scheme, containerd's own configuration only a path.
    socket = (runtime.socket or SOCKET).removeprefix("unix://")
    # Before the runtime is waited for: whatever pulls first must find them.
    steps: list[Step] = list(write_registries(settings.registries, headers))
    steps += (
        ConfigureRuntime(
            settings=settings,
            address=socket if runtime.socket is not None else None,
            socket=socket,
            kubernetes=kubernetes.version if kubernetes is not None else "",
            repository=(cluster.image_repository or "") if cluster is not None else "",
        ),
        UseRuntime(socket=socket),
    )
    return tuple(steps)
