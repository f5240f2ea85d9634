"""Rules for the time that a run has, and for its parts that may take longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.model import DEADLINE
from machineadm.config.rules.model import Context, finding

_DEFAULT: Final = Command().timeout
_MOMENTS: Final = ("boot", "pre_kubeadm", "post_kubeadm")
_HEALTH_CHECKS: Final = (
    "control_plane_component_health_check",
    "discovery",
    "etcd_api_call",
    "kubelet_health_check",
    "kubernetes_api_call",
    "tls_bootstrap",
    "upgrade_manifests",
)


def takes_time(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    """A run without any time ends before it has begun."""
    if spec.deadline is not None and seconds(spec.deadline) <= 0:
        yield finding("MA1312", "deadline", "must be longer than 0s")


def nothing_outlasts_the_run(spec: MachineConfigurationSpec, context: Context) -> Iterator[Finding]:
    """What waits longer than the run is cut off by it, so its own time-out says nothing.

    A command line that gives the run less time than the configuration does so for once, and on purpose: it refuses nothing.
    """
    allowed = seconds(spec.deadline or DEADLINE)
    if context.deadline is not None and context.deadline >= allowed:
        allowed, limit = context.deadline, f"{context.deadline:.9g}s by --deadline"
    else:
        limit = f"{spec.deadline} by spec.deadline" if spec.deadline else f"{DEADLINE} by default"
    for path, duration in _durations(spec):
        if seconds(duration) > allowed:
            yield finding(
                "MA1312",
                path,
                f"{duration} is longer than the whole run may take, {limit}",
                "give the run more time with spec.deadline, or --deadline",
            )


def _durations(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    names = spec.machine.commands.__struct_fields__, spec.machine.commands.__struct_encode_fields__
    for field, name in zip(*names, strict=True):
        if field in _MOMENTS:
            for index, command in enumerate(getattr(spec.machine.commands, field)):
                # Nobody who wants a shorter run has to say so for each command.
                if command.timeout != _DEFAULT:
                    yield f"machine.commands.{name}[{index}].timeout", command.timeout
    timeouts = spec.kubernetes.timeouts if spec.kubernetes is not None else None
    if timeouts is not None:
        names = timeouts.__struct_fields__, timeouts.__struct_encode_fields__
        for field, name in zip(*names, strict=True):
            if field in _HEALTH_CHECKS and (duration := getattr(timeouts, field)) is not None:
                yield f"kubernetes.timeouts.{name}", duration
