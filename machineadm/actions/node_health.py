"""Whether a node lives: its runtime, its kubelet, its certificates. Queries only, without the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.actions.suitability import Flaw
from machineadm.actions.waits import is_met
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.concerns.containerd import SOCKET
from machineadm.config.machine_paths import certificates_directory
from machineadm.config.rules.certificate_facts import certificates_in
from machineadm.errors import MachineadmError
from machineadm.host.ports import Host

_KUBELET: Final = "kubelet.service"
# A link that the kubelet turns to its newest certificate.
_KUBELET_CERTIFICATE: Final = "/var/lib/kubelet/pki/kubelet-client-current.pem"
_SOON: Final = 30 * 86400
"""Seconds. A kubelet renews its certificate when a tenth to three tenths of a year are left, and kubeadm's last a year."""


def ailments(
    kubernetes: KubernetesConfig, machine: MachineConfig, host: Host, *, is_root: bool
) -> Iterator[Flaw]:
    """Yield what ails a node that was made.

    Args:
        kubernetes: Its part in a cluster.
        machine: Where its runtime answers.
        host: Only queried.
        is_root: An ordinary user can read no keys, and asks no runtime.
    """
    if is_root:
        yield from _runtime(kubernetes, machine, host)
    services = host.services
    if services is not None:
        # Asked of systemd and not of the API server: this must work without the network.
        if not services.active(_KUBELET):
            yield Flaw(
                code="MA4604",
                severity="error",
                message=f"{_KUBELET} does not run",
                hint=f"`journalctl -u {_KUBELET}` says why",
            )
        if not services.enabled(_KUBELET):
            yield Flaw(
                code="MA4605",
                severity="warning",
                message=f"{_KUBELET} does not start at the next boot",
                hint=f"`systemctl enable {_KUBELET}`",
            )
    # Where the configuration has kubeadm keep them; on a worker it holds the authority alone.
    directory = certificates_directory(kubernetes)
    for path in (
        _KUBELET_CERTIFICATE,
        *_below(directory, host),
        *_below(f"{directory}/etcd", host),
    ):
        yield from _certificate(path, host)


def _runtime(kubernetes: KubernetesConfig, machine: MachineConfig, host: Host) -> Iterator[Flaw]:
    runtime, node = machine.container_runtime, kubernetes.node
    named = (runtime.socket if runtime is not None else None) or (
        node.cri_socket if node is not None else None
    )
    # kubeadm takes both forms, and a file has only one.
    socket = (named or SOCKET).removeprefix("unix://")
    if not is_met(f"runtime {socket}", host):
        yield Flaw(
            code="MA4603",
            severity="error",
            message=f"no container runtime answers at {socket}",
            hint="`systemctl status` of its unit, and `crictl info`, say why",
        )


def _below(directory: str, host: Host) -> list[str]:
    return [f"{directory}/{name}" for name in host.files.list(directory) if name.endswith(".crt")]


def _certificate(path: str, host: Host) -> Iterator[Flaw]:
    try:
        content = host.files.read(path)
        found = certificates_in((content or b"").decode(errors="replace"))
    except (MachineadmError, ValueError):
        return  # a key of root's beside it, or what is no certificate: whoever uses it says so
    # The first to end: a chain is as good as its shortest part.
    ends = min((one.not_after for one in found), default=None)
    left = None if ends is None else ends - host.clock.now()
    # No certificate at all is no finding here; whoever needs it says so.
    if left is None or left >= _SOON:
        return
    import time

    day = time.strftime("%Y-%m-%d", time.gmtime(ends))
    expired = left < 0
    yield Flaw(
        code="MA4606",
        severity="error" if expired else "warning",
        message=f"{path} {'expired' if expired else 'expires'} on {day}",
        hint="the kubelet renews its own: does it reach the API server?"
        if path == _KUBELET_CERTIFICATE
        else "`kubeadm certs renew all` renews those that kubeadm made; restart the control plane afterwards",
    )
