"""The running kernel: modules, parameters, host name."""

from __future__ import annotations

import contextlib
import os

from machineadm.errors import HostError
from machineadm.host.ports import Commands
from machineadm.host.ports.kernel import sysctl_name, sysctl_parts

_MODPROBE_TIMEOUT = 60.0


class LinuxKernel:
    """The Kernel port.

    Args:
        commands: Runs modprobe.
        proc: Where procfs is mounted.
        sys: Where sysfs is mounted.
        modules: Directory of the running kernel's modules; empty: found by its release.
    """

    def __init__(
        self, commands: Commands, *, proc: str = "/proc", sys: str = "/sys", modules: str = ""
    ) -> None:
        self._commands = commands
        self._proc = proc
        self._sys = sys
        self._modules = modules or f"/lib/modules/{os.uname().release}"

    def loaded(self, module: str) -> bool:
        """See `Kernel.loaded`."""
        # modprobe takes either; the kernel knows modules by underscores only.
        name = module.replace("-", "_")
        # A built-in module without parameters has no directory in /sys/module.
        return os.path.isdir(f"{self._sys}/module/{name}") or name in self._built_in()

    def load(self, module: str) -> None:
        """See `Kernel.load`.

        Raises:
            HostError: There is no such module, or it does not load.
        """
        result = self._commands.run(
            # `--`, because a name that begins with a dash is not an option.
            ["modprobe", "--", module],
            timeout=_MODPROBE_TIMEOUT,
            quiet=True,
        )
        if result.exit_code != 0:
            # modprobe warns about configuration files first, and says at the end why it gave up.
            last = result.output.strip().rpartition("\n")[2]
            raise HostError(
                "MA3301",
                f"cannot load module {module}: {last or f'modprobe failed with exit code {result.exit_code}'}",
                hint="is it built for the running kernel (modinfo)? after a kernel update without a reboot it is not",
            )

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        """See `Kernel.sysctl_names`."""
        if "*" not in pattern:
            return (pattern,)
        import glob

        top = f"{self._proc}/sys/"
        return tuple(
            sysctl_name(path[len(top) :].split("/"))
            # Sorted, so that two runs set parameters in the same order, and a plan shows what the
            # run does.
            for path in sorted(glob.glob(self._parameter(pattern)))
        )

    def sysctl(self, name: str) -> str | None:
        """See `Kernel.sysctl`.

        Raises:
            HostError: It is there and cannot be read.
        """
        path = self._parameter(name)
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                # Parameters with several values separate them by tabs (net.ipv4.tcp_rmem);
                # configurations use blanks.
                return " ".join(file.read().split())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise HostError("MA3303", f"cannot read {name}: {error.strerror}") from error

    def set_sysctl(self, name: str, value: str) -> None:
        """See `Kernel.set_sysctl`.

        Raises:
            HostError: No such parameter, or the kernel refuses the value.
        """
        path = self._parameter(name)
        try:
            # One unbuffered write: the kernel takes each write(2) as a whole value, and its verdict is this call's error.
            with open(path, "wb", buffering=0, opener=_existing) as file:
                file.write(f"{value}\n".encode())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise HostError(
                "MA3304",
                f"cannot set {name}: the kernel has no such parameter",
                hint="does a module provide it (net.bridge.*: br_netfilter)? then add it to kernelModules",
            ) from None
        except OSError as error:
            raise HostError(
                "MA3305",
                f"cannot set {name} to {value!r}: the kernel says {error.strerror}",
                hint="see the parameter's documentation for its range; in a container many are read-only",
            ) from error

    def hostname(self) -> str:
        """See `Kernel.hostname`."""
        return os.uname().nodename

    def set_hostname(self, name: str) -> None:
        """See `Kernel.set_hostname`.

        Raises:
            HostError: The kernel refuses it.
        """
        import socket

        try:
            socket.sethostname(name)
        except OSError as error:
            raise HostError(
                "MA3306",
                f"cannot set the host name to {name!r}: {error.strerror}",
                hint="run as root; an unprivileged container cannot change its name",
            ) from error

    def _built_in(self) -> set[str]:
        with (
            contextlib.suppress(OSError),
            open(f"{self._modules}/modules.builtin", encoding="utf-8") as lines,
        ):
            return {
                line.strip().rpartition("/")[2].partition(".ko")[0].replace("-", "_")
                for line in lines
            }
        return set()

    def _parameter(self, name: str) -> str:
        """Path of a parameter's file.

        Raises:
            HostError: The name leads elsewhere.
        """
        parts = sysctl_parts(name)
        # Root writes to this path: a name such as ../../etc/passwd must not leave /proc/sys.
        if any(part in ("", ".", "..") for part in parts):
            raise HostError("MA3304", f"cannot use {name!r}: it is not the name of a parameter")
        return "/".join([f"{self._proc}/sys", *parts])


def _existing(path: str, _flags: int) -> int:
    # Without O_CREAT, for which procfs answers EACCES: a parameter that does not exist must be
    # ENOENT.
    return os.open(path, os.O_WRONLY | os.O_CLOEXEC)
