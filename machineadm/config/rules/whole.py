"""Rules for every configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.meta import ValueSource
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import is_windows_path
from machineadm.config.rules import deadline
from machineadm.config.rules.model import Context, Rules, finding


def _kubernetes_or_preparation(
    spec: MachineConfigurationSpec, context: Context
) -> Iterator[Finding]:
    # The mode is the command line's: an image is prepared before anybody knows its cluster.
    if spec.kubernetes is None and context.mode == "provisioning":
        yield finding(
            "MA1303",
            "kubernetes",
            "is required",
            "without it, only --mode preparation is possible",
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
                "the manager resolves it; without a manager, write the value itself",
            )


def _refers_to_what_there_is(source: ValueSource, _context: Context) -> Iterator[Finding]:
    # The module of names is loaded only for those who use one.
    if source.instance_data is None:
        return
    from machineadm.config.instance_data import problems

    for code, message, hint in problems(source.instance_data):
        yield finding(code, "instanceData", message, hint)


def _path_is_of_this_platform(value: msgspec.Struct, context: Context) -> Iterator[Finding]:
    """On Linux a Windows path would be a file name in the current directory."""
    if context.configuration.spec.machine.windows_configuration is not None:
        return
    names = dict(zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True))
    # By name, since three of these types are in branches that few configurations have.
    for field in _PATHS[type(value).__name__]:
        path = getattr(value, names[field])
        if path is not None and is_windows_path(path):
            yield finding(
                "MA1413",
                field,
                f"{path} is a Windows path, and this is not a Windows machine",
                "without machine.windowsConfiguration a machine runs Linux, where a path begins with a slash",
            )


_PATHS: Final = {
    "FileConfig": ("path",),
    "FileDiscovery": ("path",),
    "JoinControlPlane": ("caCertPath",),
    "JoinWorker": ("caCertPath",),
    "KubernetesConfig": ("patchesDirectory",),
}

RULES: Final[Rules] = {
    MachineConfigurationSpec: (
        _kubernetes_or_preparation,
        _sentinel_has_kubeadm,
        deadline.takes_time,
        deadline.nothing_outlasts_the_run,
    ),
    "InstanceData": (deadline.no_source_outlasts_all,),
    ValueSource: (_only_providers, _refers_to_what_there_is),
    **dict.fromkeys(_PATHS, (_path_is_of_this_platform,)),
}
