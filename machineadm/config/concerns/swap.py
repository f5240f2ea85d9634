"""Rules for swap space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import SWAP_TARGET
from machineadm.config.rules.model import Context, Rules, finding


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    if linux is not None and linux.swap is not None and not linux.swap.enabled:
        yield SWAP_TARGET, "linuxConfiguration.swap"


def _the_kubelet_takes_swap(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    """A kubelet does not start with swap on, unless configured to."""
    linux = spec.machine.linux_configuration
    # swap.enabled: true turns nothing on: it leaves swap alone, so whether it is on is known on the
    # machine only.
    if linux is None or linux.swap is None or not linux.swap.enabled or spec.kubernetes is None:
        return
    # Only a warning: most images have no swap, and then nothing is wrong.
    if not _is_told(spec.kubernetes):
        found = finding(
            "MA1323",
            "machine.linuxConfiguration.swap.enabled",
            "swap is left as it is; if it is on, the kubelet does not start",
            "say node.kubelet.failSwapOn: false, or swap.enabled: false",
        )
        yield replace(found, severity="warning")


def _is_told(kubernetes: KubernetesConfig) -> bool:
    node, cluster = kubernetes.node, kubernetes.cluster
    own = node.kubelet.fail_swap_on if node is not None and node.kubelet is not None else None
    shared = (cluster.kubelet or {}).get("failSwapOn") if cluster is not None else None
    argued = any(one.name == "fail-swap-on" for one in node.extra_args) if node else False
    # A joining node gets the cluster's kubelet configuration from kubeadm: it may allow swap.
    joins = type(kubernetes.role).__name__.startswith("Join")
    # The node's own word counts before the cluster's.
    return own is False or (own is None and (shared is False or joins)) or argued


RULES: Final[Rules] = {MachineConfigurationSpec: (_the_kubelet_takes_swap,)}
