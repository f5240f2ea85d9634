"""A kernel in memory."""

from __future__ import annotations

import fnmatch

from machineadm.errors import HostError
from machineadm.host.ports.kernel import sysctl_name, sysctl_parts


class FakeKernel:
    """A kernel that knows some modules and parameters.

    Attributes:
        available: Modules that can be loaded; None: all.
        stubborn: Parameters whose value does not change when set.
        refused: Parameters whose setting fails.
        changes: What was changed, in order.
    """

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.available: set[str] | None = None
        self.parameters: dict[str, str] = {"net.ipv4.ip_forward": "0"}
        self.stubborn: set[str] = set()
        self.refused: set[str] = set()
        self.name = "machine"
        self.changes: list[tuple[str, ...]] = []

    def loaded(self, module: str) -> bool:
        return module.replace("-", "_") in self.modules

    def load(self, module: str) -> None:
        self.changes.append(("load", module))
        if self.available is not None and module not in self.available:
            raise HostError("MA3301", f"cannot load module {module}: not found")
        self.modules.add(module.replace("-", "_"))

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        if "*" not in pattern:
            return (pattern,)
        parts = sysctl_parts(pattern)
        return tuple(
            sorted(
                name
                for name in self.parameters
                if len(found := sysctl_parts(name)) == len(parts)
                and all(map(fnmatch.fnmatch, found, parts))
            )
        )

    def sysctl(self, name: str) -> str | None:
        return self.parameters.get(sysctl_name(sysctl_parts(name)))

    def set_sysctl(self, name: str, value: str) -> None:
        self.changes.append(("sysctl", name, value))
        name = sysctl_name(sysctl_parts(name))
        if name not in self.parameters:
            raise HostError("MA3304", f"cannot set {name}: no such parameter")
        if name in self.refused:
            raise HostError("MA3305", f"cannot set {name} to {value}: Invalid argument")
        if name not in self.stubborn:
            self.parameters[name] = " ".join(value.split())

    def hostname(self) -> str:
        return self.name

    def set_hostname(self, name: str) -> None:
        self.changes.append(("hostname", name))
        self.name = name
