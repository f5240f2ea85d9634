"""Rules for the machine that are about more than one concern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfigurationSpec
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, Rules, finding, one_of

_LONGEST_HOSTNAME: Final = 64
_LONGEST_LABEL: Final = 63


def _one_platform(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    yield from one_of(machine, "linux_configuration", "windows_configuration", required=False)


def _one_template(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    yield from one_of(
        machine,
        "bootstrapper_template_config_map_name",
        "bootstrapper_template_secret_name",
        required=False,
    )


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


def _hostname_fits_the_kernel(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """DNS takes longer names; sethostname(2) does not."""
    if linux.hostname is None:
        return
    if len(linux.hostname) > _LONGEST_HOSTNAME:
        yield finding(
            "MA1312",
            "hostname",
            f"has more than {_LONGEST_HOSTNAME} characters, Linux takes no more",
        )
    if any(len(label) > _LONGEST_LABEL for label in linux.hostname.split(".")):
        yield finding("MA1322", "hostname", f"has a part of more than {_LONGEST_LABEL} characters")


def _each_sysctl_once(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """`net.ipv4.ip_forward` and `net/ipv4/ip_forward` are one; in a name with a slash first, dots are dots."""
    seen: dict[str, str] = {}
    for name in linux.sysctls:
        other = seen.setdefault(_sysctl_file(name), name)
        if other != name:
            yield finding("MA1306", child("sysctls", name), f"is the same parameter as {other}")


def _sysctl_file(name: str) -> str:
    """The path below /proc/sys, by sysctl.d(5): the first separator says what the others mean."""
    dot, slash = name.find("."), name.find("/")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name
    return name.translate(str.maketrans("./", "/."))


def _each_module_once(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    """The kernel takes `-` and `_` in a module's name for the same."""
    seen: dict[str, str] = {}
    for index, name in enumerate(linux.kernel_modules):
        other = seen.setdefault(name.replace("-", "_"), name)
        if other != name:
            yield finding("MA1306", f"kernelModules[{index}]", f"is the same module as {other}")


RULES: Final[Rules] = {
    MachineConfig: (_one_platform, _one_template),
    MachineConfigurationSpec: (_kubernetes_or_preparation, _sentinel_has_kubeadm),
    LinuxConfiguration: (_hostname_fits_the_kernel, _each_sysctl_once, _each_module_once),
}
