"""Rules for every configuration, whatever it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.meta import ValueSource
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.rules import deadline
from machineadm.config.rules.model import Context, Rules, finding


def _kubernetes_or_preparation(
    spec: MachineConfigurationSpec, context: Context
) -> Iterator[Finding]:
    if spec.kubernetes is None and context.mode == "provisioning":
        yield finding(
            "MA1303",
            "kubernetes",
            "is required",
            "without it a machine can only be prepared: --mode preparation",
        )


def _sentinel_has_kubeadm(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    if spec.kubernetes is None and spec.machine.sentinel == "AfterKubeadm":
        yield finding(
            "MA1323",
            "machine.sentinel",
            "AfterKubeadm waits for kubeadm, but there is no spec.kubernetes",
        )


def _only_providers(source: ValueSource, _context: Context) -> Iterator[Finding]:
    for field, value in (("secret", source.secret), ("configMap", source.config_map)):
        if value is not None:
            yield finding(
                "MA1308",
                field,
                "a machine cannot read objects of the management cluster",
                "the manager puts the value in its place; by hand, give the value itself",
            )


RULES: Final[Rules] = {
    MachineConfigurationSpec: (
        _kubernetes_or_preparation,
        _sentinel_has_kubeadm,
        deadline.takes_time,
        deadline.nothing_outlasts_the_run,
    ),
    ValueSource: (_only_providers,),
}
