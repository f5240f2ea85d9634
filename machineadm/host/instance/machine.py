"""What the machine itself knows: its names and addresses."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from machineadm.errors import HostError
from machineadm.host.instance.model import UnknownError, as_text
from machineadm.host.ports import Host

_HOSTS: Final = "/etc/hosts"


class OwnNames:
    """`host` and `net`.

    Args:
        host: The machine. Of a tree nothing is known: what holds there need not hold where the tree will run.
    """

    name: ClassVar[str] = "the machine"
    kinds: ClassVar[tuple[str, ...]] = ("host", "net")

    def __init__(self, host: Host) -> None:
        self._host = host

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        if self._host.offline:
            raise UnknownError("it does not run: this is a tree")
        if name.startswith("net."):
            return self._address(name.removeprefix("net."))
        return as_text(self._named(name.removeprefix("host."), timeout))

    def _named(self, name: str, timeout: float) -> str:
        host = self._host
        if name == "machineID":
            return (host.files.read("/etc/machine-id") or b"").decode(errors="replace").strip()
        running = host.kernel.hostname() if host.kernel is not None else ""
        # What the kernel and systemd have before a name is set; as the name of a node it would be
        # the same on every machine.
        if running in ("", "localhost", "(none)"):
            raise UnknownError(f"its host name is {running or 'not set'!r}")
        if name == "shortName":
            return running.partition(".")[0]
        return running if name == "name" or "." in running else self._qualified(running, timeout)

    def _qualified(self, name: str, timeout: float) -> str:
        """The name with its domain, as `hostname --fqdn` has it: /etc/hosts first, then the name service.

        Raises:
            UnknownError: Neither knows.
        """
        hosts = (self._host.files.read(_HOSTS) or b"").decode(errors="replace")
        for line in hosts.splitlines():
            _, *names = line.partition("#")[0].split() or [""]
            if name in names:
                for one in names:
                    if one.startswith(f"{name}."):
                        return one
        if self._host.queries is not None:
            try:
                found = self._host.queries.ask(["hostname", "--fqdn"], timeout=timeout)
            except HostError as error:
                raise UnknownError(error.message) from error
            said = found.output.strip()
            # What `hostname --fqdn` prints may be a warning, or a name without a domain: neither
            # is what was asked for.
            if found.exit_code == 0 and re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", said):
                return said
        raise UnknownError(f"neither {_HOSTS} nor the name service knows a domain of {name}")

    def _address(self, name: str) -> str:
        network = self._host.network
        if network is None:
            raise UnknownError("it has no network that could be asked")
        if name in ("primaryIPv4", "primaryIPv6"):
            found = network.primary(4 if name == "primaryIPv4" else 6)
            if found is None:
                raise UnknownError(f"no default route for {name.removeprefix('primary')}")
            return found
        # From the end, since an interface may have dots in its name: eth0.100 is a VLAN.
        interface, _, what = name.rpartition(".")
        if interface not in network.interfaces():
            raise UnknownError(
                f"there is no interface {interface}; there are {', '.join(network.interfaces())}"
            )
        if what == "mac":
            found = network.hardware(interface)
        else:
            found = network.address(interface, 4 if what == "ipv4" else 6)
        if found is None:
            raise UnknownError(f"{interface} has no {what} address")
        return found
