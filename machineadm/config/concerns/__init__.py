"""One module for each concern of a machine: its rules, the paths it writes, the values it derives from others.

A concern has the same name in every layer: api/v1alpha1, config/concerns, steps, codes, docs/concerns, and the tests.
A module here has

- `RULES`: by type, what must hold between fields (see `config.rules.model`);
- `PARTS`, where it is a package: further modules with rules, by the module whose types they look at;
- `writes(spec)`, where it writes files: each path, and the field that asks for it.

A module is loaded only where the configuration asks for its concern: a machine's first start compiles all it loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Final

from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.paths import select

CONCERNS: Final[dict[str, tuple[str, ...]]] = {
    "commands": ("machine.commands",),
    "hostname": (
        "machine.linuxConfiguration.hostname",
        "machine.linuxConfiguration.hostnameFrom",
    ),
    # Before users and files, which may go onto a file system that is made and mounted here.
    "storage": ("machine.linuxConfiguration.storage",),
    # Before files, whose owners must have a name by then.
    "users": ("machine.linuxConfiguration.users", "machine.linuxConfiguration.groups"),
    # Before sysctl: net.bridge.* is there only once br_netfilter is loaded.
    "modules": ("machine.linuxConfiguration.kernelModules",),
    "sysctl": ("machine.linuxConfiguration.sysctls",),
    "kernel_arguments": ("machine.linuxConfiguration.kernelArguments",),
    "swap": ("machine.linuxConfiguration.swap",),
    "resolver": ("machine.linuxConfiguration.resolver",),
    "ntp": ("machine.linuxConfiguration.ntp",),
    "selinux": ("machine.linuxConfiguration.selinux",),
    # Proxy and trust before packages, archives and files: what is downloaded from here on may need
    # both.
    "proxy": ("machine.systemProxies", "machine.containerRuntime.containerd.proxy"),
    "trust": ("machine.systemTrustCertificateAuthorities",),
    "packages": (
        "machine.linuxConfiguration.packageRepositories",
        "machine.linuxConfiguration.packages",
    ),
    "archives": ("machine.linuxConfiguration.archives",),
    "files": ("machine.files",),
    # After the clock, the resolver and packages: it needs all three.
    "domain": ("machine.linuxConfiguration.domainJoin",),
    # After packages and files: a unit is started when it is written, and its program must be there.
    "units": ("machine.linuxConfiguration.systemdUnits",),
    "containerd": ("machine.containerRuntime",),
    # After containerd, which takes them; kubeadm waits for what is still being loaded.
    "images": ("machine.images", "machine.kubernetesImages"),
    "control_plane_files": (
        "kubernetes.controlPlane.auditPolicy",
        "kubernetes.controlPlane.encryptionAtRest",
        "kubernetes.controlPlane.authentication",
        "kubernetes.controlPlane.authorization",
        "kubernetes.controlPlane.admission",
    ),
    "certificates": ("kubernetes.controlPlane.certificates",),
    "static_pods": ("kubernetes.controlPlane.staticPods",),
    "attestation": ("machine.attestationPlugin",),
    # Right before kubeadm in this list: it fills what the others have, and its own step comes after
    # kubeadm, whose files it looks at.
    "compliance": ("machine.linuxConfiguration.complianceProfiles",),
    # Last: whatever it starts reads what the others have written.
    "kubeadm": ("kubernetes",),
}
"""The concerns that are built, in the planner's order, and the fields below spec that ask for each."""

NOT_BUILT: Final = ("windows",)
"""The concerns that have only types yet: a configuration that uses one is refused (MA1401)."""


def asked_for(spec: MachineConfigurationSpec) -> Iterator[ModuleType]:
    """Yield the modules of the concerns that a configuration asks for."""
    for name, fields in CONCERNS.items():
        # `select` yields nothing for a default, so an empty list of users asks for nothing.
        if any(next(select(spec, tuple(field.split(".")), ""), None) for field in fields):
            yield import_module(f"{__name__}.{name}")


def writers(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """Yield every path that a concern writes by itself, and the field that asks for it."""
    for concern in asked_for(spec):
        # Many write no file that has a path of its own: a kernel module, a command, an image.
        if hasattr(concern, "writes"):
            yield from concern.writes(spec)
