"""What must hold before a run may touch anything."""

from __future__ import annotations

from collections.abc import Callable

from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.kubeadm import Initialize
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.model import Configuration
from machineadm.errors import HostError, UsageError, VerificationError
from machineadm.execution.journal import Identity
from machineadm.host.facts import Facts
from machineadm.host.ports import Host
from machineadm.version import VERSION


def require_root(*, is_root: bool, offline: bool, what: str = "bootstrapping") -> None:
    """Refuse to change half of the running system as an ordinary user.

    Raises:
        UsageError: This process is not root, and works on the running system.
    """
    if not is_root and not offline:
        raise UsageError(
            "MA7003",
            f"{what} the running system needs root",
            hint="run as root, or work on another tree with --root DIR",
        )


def require_agent(pin: AgentPin | None, digest: Callable[[], str]) -> None:
    """Refuse a configuration that was made for another agent.

    Args:
        pin: What the configuration says about the agent.
        digest: Returns the SHA-256 of this agent's file, which takes time; empty if it is not a single file.

    Raises:
        VerificationError: This is another agent.
    """
    if pin is None:
        return
    # Both are compared before it is told: one may differ because the other does.
    differing = []
    # Releases are tagged with a v, and the agent's version has none.
    if pin.version is not None and pin.version.removeprefix("v") != VERSION:
        differing.append(f"version {pin.version}, this is {VERSION}")
    if pin.sha256 is not None and pin.sha256 != (found := digest()):
        differing.append(f"sha256 {pin.sha256}, this has {found or 'none'}")
    if differing:
        raise VerificationError(
            "MA2010",
            f"the configuration is for another agent: {'; '.join(differing)}",
            hint="install that agent, or fix spec.agent",
        )


def unsuitable(configuration: Configuration, facts: Facts, host: Host) -> tuple[HostError, ...]:
    """Why a machine cannot become the node: cgroup v1 with a kubelet that refuses it, swap, or too small for a control plane."""
    # A tree is not the machine, and without Kubernetes there is nothing to be too small for.
    if configuration.kubernetes is None or host.offline:
        return ()
    from machineadm.actions.suitability import REFUSED, flaws

    found = flaws(
        configuration.kubernetes,
        facts,
        host,
        machine=configuration.machine,
        # A run must not depend on a name server, nor wait for one.
        online=False,
        only=REFUSED,
    )
    return tuple(
        HostError(one.code, one.message, hint=one.hint) for one in found if one.severity == "error"
    )


def identity_of(kubernetes: KubernetesConfig | None) -> Identity:
    """The node that a configuration makes."""
    # A machine that was only prepared may become any node.
    if kubernetes is None:
        return Identity()
    cluster = kubernetes.cluster
    endpoint = cluster.control_plane_endpoint if cluster else None
    return Identity(
        role=type(kubernetes.role).__name__ if kubernetes.role else "",
        cluster=(cluster.name if cluster else None) or "",
        # A joining machine often knows its cluster by the endpoint alone.
        endpoint=endpoint or _discovered(kubernetes),
        version=kubernetes.version,
    )


def _discovered(kubernetes: KubernetesConfig) -> str:
    role = kubernetes.role
    if role is None or isinstance(role, Initialize):
        return ""
    if role.discovery is None:
        return ""
    from machineadm.api.v1alpha1.discovery import TokenDiscovery

    if isinstance(role.discovery, TokenDiscovery):
        return role.discovery.endpoint
    if role.discovery.kubeconfig is not None:
        # As TokenDiscovery has it, so that both forms name the same cluster.
        return role.discovery.kubeconfig.server.removeprefix("https://").rstrip("/")
    return ""
