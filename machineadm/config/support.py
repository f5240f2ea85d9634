"""What this release does not build yet. A configuration that asks for it is refused, nothing being touched.

The list shrinks with every release; what leaves it gets its step in the planner at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.meta import ValueSource
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.paths import is_set
from machineadm.config.rules.model import Context, Rules, finding

_MACHINE: Final = (
    ("images", "preloading of images"),
    ("windowsConfiguration", "configuration of Windows"),
    ("attestationPlugin", "attestation"),
    ("containerRuntime", "configuration of the container runtime"),
    ("systemTrustCertificateAuthorities", "the host's trust store"),
    ("systemProxies", "configuration of proxies"),
)
_LINUX: Final = (
    ("kernelArguments", "kernel arguments"),
    ("users", "users"),
    ("groups", "groups"),
    ("ntp", "configuration of the clock"),
    ("resolver", "configuration of name resolution"),
    ("swap", "configuration of swap space"),
    ("storage", "disks and file systems"),
    ("systemdUnits", "systemd units"),
    ("selinux", "configuration of SELinux"),
    ("domainJoin", "membership of a domain"),
    ("complianceProfiles", "compliance profiles"),
)


def _machine(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    for field, what in _MACHINE:
        if is_set(machine, field) and not (
            field == "attestationPlugin" and machine.attestation_plugin == ""
        ):
            yield _unbuilt(field, what)


def _linux(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    for field, what in _LINUX:
        if is_set(linux, field):
            yield _unbuilt(field, what)


def _providers(source: ValueSource, _context: Context) -> Iterator[Finding]:
    if source.provider is not None:
        yield _unbuilt("provider", "provider plugins")


def _unbuilt(path: str, what: str) -> Finding:
    return finding(
        "MA1401",
        path,
        f"this release does not support {what} yet",
        "leave it out, or use files and commands",
    )


RULES: Final[Rules] = {
    MachineConfig: (_machine,),
    LinuxConfiguration: (_linux,),
    ValueSource: (_providers,),
}
