"""What is started, and how."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from machineadm.plugins.wire.handshake import Address, Cookie

INSIDE: Final = "/tmp/go-plugin-container"  # noqa: S108 - a mount, and the place that plugincontainer has
"""Where the host's directory for sockets is mounted."""


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """What runs; the fields are plugincontainer's."""

    image: str
    """Without a tag."""

    tag: str = ""
    sha256: str = ""
    """Hex digits of the image's id; empty if nobody demands one."""

    entrypoint: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    """May hold secrets."""

    disable_network: bool = False
    labels: dict[str, str] = {}
    group: int | None = None
    """Its sockets' group, too, where the engine runs as root."""

    runtime: str = ""
    cgroup_parent: str = ""
    nano_cpus: int = 0
    """Billionths of a processor; 0 for no limit."""

    memory: int = 0
    """Bytes; 0 for no limit."""

    endpoints: dict[str, Any] = {}
    """By network, as the engine's API takes them."""

    debug: bool = False
    """Keep the container after a failure."""

    @property
    def reference(self) -> str:
        """The image with its tag."""
        return f"{self.image}:{self.tag}" if self.tag else self.image


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin to start."""

    name: str
    """How messages call it."""

    path: str = ""
    """The executable; the file that is opened here is the one that is hashed and run."""

    container: Container | None = None
    """The container that it runs in, instead of an executable."""

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
    """Group that may connect to its sockets, too; name or number. A container has its own."""

    first_port: int = 10000
    last_port: int = 25000
    """For a plugin that listens on TCP."""


class Reattach(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is already running."""

    name: str
    address: Address
    pid: int = 0
    """Its process; 0 if it is nobody's to end."""

    container: str = ""
    """Id or name of its container, which is then ended and removed; the address is the one that it printed."""

    version: int = 1
    """Application version that it serves."""

    test: bool = False
    """Somebody debugs it: it is never ended, nor asked to end."""
