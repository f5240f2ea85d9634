"""What is started, and how."""

from __future__ import annotations

import msgspec

from machineadm.plugins.wire.handshake import Address, Cookie


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin to start."""

    name: str
    """How messages call it."""

    path: str
    """The executable; the file that is opened here is the one that is hashed and run."""

    cookie: Cookie
    versions: tuple[int, ...] = (1,)
    """Application versions that the host speaks; the plugin picks one."""

    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    """Added to the little that a plugin gets; nothing is inherited but PATH."""

    sha256: str = ""
    """Hex digest that the file must have; empty if nobody demands one."""

    start_timeout: float = 60.0
    """Seconds until it must serve."""

    mtls: bool = True
    multiplexed: bool = False
    group: str = ""
    """Group that may connect to its sockets, too; name or number."""

    first_port: int = 10000
    last_port: int = 25000
    """For a plugin that listens on TCP."""


class Reattach(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is already running."""

    name: str
    address: Address
    pid: int = 0
    """Its process; 0 if it is nobody's to end."""

    version: int = 1
    """Application version that it serves."""

    test: bool = False
    """Somebody debugs it: it is never ended, nor asked to end."""
