"""What a plugin finds in its environment."""

from __future__ import annotations

import os
from typing import Final

from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire import handshake

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment_of(command: Command, directory: str, certificate: bytes) -> dict[str, str]:
    """Build a plugin's whole environment; only PATH comes from the host's own."""
    return {
        "PATH": os.environ.get("PATH", PATH),
        "LANG": "C.UTF-8",
        # Python and Go programs put sockets and scratch files there; what a killed plugin leaves
        # goes with the directory.
        "TMPDIR": directory,
        # Before the protocol's own variables: a configuration must not redirect its sockets or
        # answer its cookie.
        **command.environment,
        **protocol_of(command, directory, certificate),
    }


def protocol_of(command: Command, directory: str, certificate: bytes) -> dict[str, str]:
    """The variables of the protocol; the directory is the plugin's name of it."""
    environment = {
        command.cookie.key: command.cookie.value,
        handshake.MIN_PORT: str(command.first_port),
        handshake.MAX_PORT: str(command.last_port),
        handshake.VERSIONS: ",".join(map(str, sorted(command.versions))),
        handshake.SOCKET_DIRECTORY: directory,
    }
    if command.multiplexed:
        environment[handshake.MULTIPLEX] = "true"
    if command.group:
        environment[handshake.SOCKET_GROUP] = command.group
    # The variable alone switches AutoMTLS on in go-plugin, whatever its value.
    if certificate:
        environment[handshake.CERTIFICATE] = certificate.decode()
    return environment
