"""Addresses as Linux knows them, without a program and without a packet."""

from __future__ import annotations

import contextlib
import os

from machineadm.host.ports.network import Family

_ELSEWHERE = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
"""Documentation addresses (RFC 5737, RFC 3849): nobody's own, so the default route leads there."""
_SIOCGIFADDR = 0x8915
_GLOBAL = "00"
"""Scope of a global address in /proc/net/if_inet6."""


class LinuxNetwork:
    """The Network port.

    Args:
        system: Where /sys is, for tests.
        processes: Where /proc is, for tests.
    """

    def __init__(self, system: str = "/sys", processes: str = "/proc") -> None:
        self._interfaces = f"{system}/class/net"
        self._inet6 = f"{processes}/net/if_inet6"

    def primary(self, family: Family) -> str | None:
        """See `Network.primary`: connecting a datagram socket asks for the route, and sends nothing."""
        import socket  # loaded where it is asked for: most configurations refer to no address

        kind = socket.AF_INET if family == 4 else socket.AF_INET6
        try:
            with socket.socket(kind, socket.SOCK_DGRAM) as one:
                # UDP: connect(2) only looks up the route and picks the source address, so it
                # works behind a firewall that drops everything.
                one.connect(_ELSEWHERE[family])
                found = str(one.getsockname()[0])
        except OSError:
            return None
        return None if found in ("0.0.0.0", "::", "127.0.0.1", "::1") else found  # noqa: S104 - compared, not bound

    def address(self, interface: str, family: Family) -> str | None:
        """See `Network.address`."""
        return self._ipv4(interface) if family == 4 else self._ipv6(interface)

    def hardware(self, interface: str) -> str | None:
        """See `Network.hardware`."""
        if interface not in self.interfaces():
            return None
        found = _text(f"{self._interfaces}/{interface}/address").strip().lower()
        # The loopback interface and some tunnels have an address of zeros, which identifies
        # nothing.
        return None if not found.strip("0:") else found

    def resolve(
        self, names: tuple[str, ...], patience: float, servers: tuple[str, ...] = ()
    ) -> tuple[dict[str, bool], dict[str, float]]:
        """See `Network.resolve`: getaddrinfo(3) takes no timeout, so each name has a thread, which is abandoned when time is up."""
        import socket
        import threading
        import time

        answers: dict[str, bool] = {}
        clocks: dict[str, float] = {}

        def ask(name: str) -> None:
            try:
                socket.getaddrinfo(name, None)
                answers[name] = True
            except socket.gaierror as error:
                if (
                    error.errno != socket.EAI_AGAIN
                ):  # no name server answers: that says nothing of the name
                    answers[name] = False
            except (OSError, UnicodeError):
                answers[name] = False

        def compare(server: str) -> None:
            with contextlib.suppress(Exception):  # whatever goes wrong there, the time is not known
                if (theirs := _date(server, patience)) is not None:
                    clocks[server] = theirs - time.time()

        asked = [(ask, name) for name in names] + [(compare, server) for server in servers]
        threads = [threading.Thread(target=do, args=(what,), daemon=True) for do, what in asked]
        for thread in threads:
            thread.start()
        end = time.monotonic() + patience
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return dict(answers), dict(clocks)

    def interfaces(self) -> tuple[str, ...]:
        """See `Network.interfaces`."""
        with contextlib.suppress(OSError):
            return tuple(sorted(os.listdir(self._interfaces)))
        return ()

    @staticmethod
    def _ipv4(interface: str) -> str | None:
        import fcntl
        import socket
        import struct

        name = os.fsencode(interface)
        if len(name) > 15:  # IFNAMSIZ, with its NUL
            return None
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                # netdevice(7): struct ifreq begins with the name (16 bytes), then sockaddr_in: family, port, address.
                found = fcntl.ioctl(one.fileno(), _SIOCGIFADDR, struct.pack("256s", name))
        except OSError:
            return None
        return socket.inet_ntoa(found[20:24])

    def _ipv6(self, interface: str) -> str | None:
        """The first line of the interface with global scope; proc(5)."""
        import socket

        # From /proc: the ioctl for addresses knows IPv4 alone.
        for line in _text(self._inet6).splitlines():
            fields = line.split()
            if len(fields) == 6 and fields[5] == interface and fields[3] == _GLOBAL:
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[0]))
        return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _date(server: str, patience: float) -> float | None:
    """The `Date` of a server's answer, of whatever status, in seconds since the epoch; None where it says none."""
    import ssl
    from email.utils import parsedate_to_datetime
    from http.client import HTTPSConnection
    from urllib.parse import urlsplit

    parts = urlsplit(server)
    context = ssl.create_default_context()
    # A clock that is off is a reason for a certificate not to be valid yet.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=patience, context=context
    )
    try:
        # HEAD, because only the header counts: a 403 of an API server has the time as well as a
        # 200 has it.
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
        return parsedate_to_datetime(date).timestamp() if date else None
    finally:
        connection.close()
