"""A kernel as it would be."""

from __future__ import annotations

from machineadm.host.effects import LoadModule, SetHostname, SetParameter
from machineadm.host.overlay.commands import refuse
from machineadm.host.ports import Kernel
from machineadm.host.ports.kernel import sysctl_name, sysctl_parts


class OverlayKernel:
    """The Kernel port: queries only, changed only by what is laid over it."""

    def __init__(self, real: Kernel) -> None:
        self._real = real
        self._modules: set[str] = set()
        self._parameters: dict[str, str] = {}
        self._hostname: str | None = None

    def lay(self, effect: LoadModule | SetParameter | SetHostname) -> None:
        """Have later queries see an effect as done."""
        match effect:
            case LoadModule(module=module):
                # By underscores, as the kernel has them: a later check may write the same module
                # with dashes.
                self._modules.add(module.replace("-", "_"))
            case SetParameter(name=name, value=value):
                # As the kernel shows it: it prints several values with tabs between them, however
                # they were written.
                self._parameters[_one_spelling(name)] = " ".join(value.split())
            case SetHostname(hostname=hostname):
                self._hostname = hostname

    def loaded(self, module: str) -> bool:
        """See `Kernel.loaded`."""
        return module.replace("-", "_") in self._modules or self._real.loaded(module)

    def load(self, module: str) -> None:
        """See `Kernel.load`.

        Raises:
            InternalError: Always.
        """
        refuse(f"load {module}")

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        """See `Kernel.sysctl_names`."""
        # A module that is only laid over it may bring more; the run looks again, right before it
        # sets them.
        return self._real.sysctl_names(pattern)

    def sysctl(self, name: str) -> str | None:
        """See `Kernel.sysctl`."""
        laid = self._parameters.get(_one_spelling(name))
        return self._real.sysctl(name) if laid is None else laid

    def set_sysctl(self, name: str, value: str) -> None:
        """See `Kernel.set_sysctl`.

        Raises:
            InternalError: Always.
        """
        del value
        refuse(f"set {name}")

    def hostname(self) -> str:
        """See `Kernel.hostname`."""
        return self._hostname or self._real.hostname()

    def set_hostname(self, name: str) -> None:
        """See `Kernel.set_hostname`.

        Raises:
            InternalError: Always.
        """
        refuse(f"set the host name to {name}")


def _one_spelling(name: str) -> str:
    return sysctl_name(sysctl_parts(name))
