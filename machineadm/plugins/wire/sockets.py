"""Listening and connecting, unix and TCP, as go-plugin does."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from typing import Final, NamedTuple

from machineadm.plugins.wire.handshake import Address

MODE_WITH_GROUP: Final = 0o660


class Mount(NamedTuple):
    """A directory for sockets that the plugin sees under another name: it runs in a container."""

    outside: str
    inside: str

    def to_host(self, address: Address) -> Address:
        """What the host calls an address of the plugin's.

        Raises:
            OSError: It is not in the directory that both see.
        """
        return self._moved(address, self.inside, self.outside)

    def to_plugin(self, address: Address) -> Address:
        """What the plugin calls an address of the host's.

        Raises:
            OSError: It is not in the directory that both see.
        """
        return self._moved(address, self.outside, self.inside)

    @staticmethod
    def _moved(address: Address, source: str, target: str) -> Address:
        # By text: what a plugin names is not looked at on the host's file system.
        directory, _, name = address.address.rpartition("/")
        # One name, directly in it: anything longer could leave the directory again.
        if address.network != "unix" or directory != source or name in ("", ".", ".."):
            raise OSError(
                f"{address} is not a Unix socket directly in {source}, which the container and its host share"
            )
        return Address("unix", f"{target}/{name}")


def listen_unix(directory: str, group: str = "") -> tuple[socket.socket, Address]:
    """Listen in a directory that nobody else can write to.

    Args:
        directory: An existing one.
        group: Name or number of a group that may connect, too.

    Raises:
        OSError: The path is too long (107 bytes), or the group is not there.
    """
    # go-plugin makes a file by CreateTemp, removes it and binds: between the two another process
    # can take the name. bind itself refuses a path that exists.
    # Short, since sun_path has 107 bytes for all of it.
    path = f"{directory}/plugin{secrets.token_hex(5)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(path)
        if group:
            # The group before the mode, so that the old group never gets write access.
            os.chown(path, -1, group_number(group))
            os.chmod(path, MODE_WITH_GROUP)
        # Several brokered connections may come at once, and none is tried twice.
        listener.listen(100)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        remove(path)
        raise
    return listener, Address("unix", path)


def listen_tcp(first: int, last: int) -> tuple[socket.socket, Address]:
    """Listen on the loopback, on the first port of a range that is free; 0 and 0 is any port.

    Raises:
        OSError: No port is free.
    """
    if first > last:
        raise OSError(f"ports from {first} to {last} are none at all")
    # The first free one, as go-plugin does: a firewall may let just this range pass.
    for port in range(first, last + 1):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Never all interfaces: without AutoMTLS anybody who reaches the port may call the
            # plugin.
            listener.bind(("127.0.0.1", port))
            listener.listen(100)
        except OSError:
            listener.close()
            # In use: the next one.
            continue
        listener.setblocking(False)
        return listener, Address("tcp", f"127.0.0.1:{listener.getsockname()[1]}")
    raise OSError(f"no port from {first} to {last} is free")


async def connect(address: Address) -> socket.socket:
    """Connect to an address.

    Raises:
        OSError: Nothing listens there.
    """
    loop = asyncio.get_running_loop()
    if address.network == "unix":
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where: str | tuple[str, int] = address.address
    else:
        # From the right: an IPv6 address has colons of its own.
        host, _, port = address.address.rpartition(":")
        host = host.strip("[]")
        # The address comes from the plugin's line or from a broker message: connect() would raise
        # OverflowError, which nobody catches.
        if not port.isdecimal() or int(port) > 65535:
            raise OSError(f"{address.address!r} is not an address and a port")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        # Small frames in both directions: Nagle's algorithm and delayed ACKs would add 40 ms to a
        # call.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        where = (host, int(port))
    try:
        connection.setblocking(False)
        await loop.sock_connect(connection, where)
    except BaseException:
        connection.close()
        raise
    return connection


def remove(path: str) -> None:
    """Remove a socket, if it is there."""
    try:
        os.unlink(path)
    # Gone is as good as removed.
    except OSError:
        pass


def group_number(name: str) -> int:
    """The number of a group.

    Raises:
        OSError: There is no such group.
    """
    if name.isdecimal():
        return int(name)
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OSError(f"there is no group {name!r}") from None
