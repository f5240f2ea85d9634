"""How the agent is started again later: by units, after this run has ended."""

from __future__ import annotations

import msgspec

from machineadm.host.effects import CopyToState
from machineadm.host.ports import FileKind, Host
from machineadm.redaction import Secret

COPY = "machineadm.pyz"
"""Name of the copy in the state directory."""

BOOT_CONFIGURATION = "boot.json"
"""In the state directory: a configuration that holds the boot commands alone."""

BOOT_NODE = "boot-node.json"
"""What the boot commands learn about the node that the configuration kept for them does not say."""

# By prefix and without looking: /tmp may be a disk on this machine, and is still emptied by
# systemd-tmpfiles.
_VOLATILE = ("/run/", "/tmp/", "/var/run/", "/var/tmp/", "/dev/", "/proc/")  # noqa: S108 - looked for


class AgentFile(msgspec.Struct, frozen=True, kw_only=True):
    """The agent that runs now."""

    python: str
    """Absolute path of the interpreter."""

    path: str | None
    """Absolute path of the one file; None for a checkout or an installed package."""

    cache: str = ""
    """Where its libraries are unpacked (MACHINEADM_CACHE), if not at the usual place."""

    proxies: tuple[tuple[str, Secret], ...] = ()
    """Proxy variables of this run's environment: a first-boot tool sets them, the init system does not."""

    @property
    def volatile(self) -> bool:
        """Whether it is in a place that a reboot or a cleanup job empties."""
        return self.path is not None and is_volatile(self.path)


def is_volatile(path: str) -> bool:
    """Whether a path is in a place that a reboot or a cleanup job empties."""
    return path.startswith(_VOLATILE)


def lasting_command(agent: AgentFile, host: Host) -> tuple[str, ...]:
    """The command line that starts this agent after a reboot."""
    if agent.path is None:
        # No -S: a checkout or a package is found by site-packages.
        return (agent.python, "-I", "-m", "machineadm")
    # -I and -S: no PYTHONPATH, user site or site-packages of the machine can replace a module of an
    # agent that runs as root.
    path = f"{host.state.state_directory}/{COPY}" if _to_copy(agent, host) else agent.path
    return (agent.python, "-I", "-S", path)


def copies_of_agent(agent: AgentFile, host: Host) -> tuple[CopyToState, ...]:
    """The effects that copy the agent's file to the state directory, if it will not stay where it is."""
    if agent.path is None or not _to_copy(agent, host):
        return ()
    kept = host.state.read(COPY, durable=True)
    # The file is several megabytes, so it is read only if there is a copy to compare it with.
    if kept is not None and host.files.read(agent.path) in (kept, None):
        return ()
    return (CopyToState(source=agent.path, name=COPY),)


def forget_agent(host: Host) -> None:
    """Remove the copy."""
    if host.state.read(COPY, durable=True) is not None:
        host.state.remove(COPY, durable=True)


def _to_copy(agent: AgentFile, host: Host) -> bool:
    if agent.path is None or agent.path == f"{host.state.state_directory}/{COPY}":
        return False
    found = host.files.stat(agent.path)
    # Not a regular file: a link or a pipe may lead elsewhere after the boot.
    return agent.volatile or found is None or found.kind is not FileKind.FILE
