"""The one place that picks platform, ports and agent."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import msgspec

from machineadm.agent.own_file import AgentFile
from machineadm.host.linux.adapter import linux_host
from machineadm.host.linux.clock import Interruption, LastWord
from machineadm.host.linux.console import announce
from machineadm.host.linux.environment import (
    cache_directory,
    proxy_variables,
    set_proxy_variables,
)
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.providers import KeptSecrets
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import Host
from machineadm.redaction import Redactor, Secret
from machineadm.sources.downloads import Downloads
from machineadm.sources.plugins import fetching


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A host, and the parts of this process that go with it."""

    host: Host
    redactor: Redactor
    """Learns the configuration's secrets; whatever prints asks it."""

    agent: AgentFile
    digest: Callable[[], str]
    """Hex SHA-256 of the agent's file; empty where it is not a single file."""

    is_root: bool
    announce: Callable[[str], None]
    """For the last error; silent below another root."""

    limit: Callable[[float], None] = lambda _: None
    """Sets the run's deadline, in seconds from its beginning."""

    use_proxies: Callable[[Iterable[tuple[str, str]]], None] = lambda _: None
    """Has downloads and commands of this process use proxies, by the variables' names."""

    settle: Callable[[], None] = lambda: None
    """From now on nothing interrupts the run: its end is being reported."""

    respite: Callable[[], float] = lambda: float("inf")
    """Seconds until the process would be ended by force: what is still to be told must be told by then."""

    at_last: Callable[[LastWord], None] = lambda _: None
    """Takes what is said when the process is ended because the run does not end by itself."""

    @property
    def directory_options(self) -> tuple[str, ...]:
        """Where state and run directory are, for a unit that starts the agent again."""
        state = self.host.state
        return ("--state-dir", state.state_directory, "--run-dir", state.run_directory)


@contextmanager
def connect(
    *,
    root: str | None,
    run_directory: str,
    state_directory: str,
    deadline: float | None = None,
    log: Callable[[str], None] = lambda _: None,
    plugin_directories: Sequence[str] = (),
    allow_unverified_plugins: bool = False,
) -> Iterator[Machine]:
    """This machine, or a tree on it. Within the context signals end the run in order.

    Args:
        root: The tree, or None for the running system.
        run_directory: As seen from the root.
        state_directory: As seen from the root.
        deadline: Seconds for the whole run.
        log: Takes the output of commands and plugins line by line.
        plugin_directories: As of `linux_host`.
        allow_unverified_plugins: As of `linux_host`.

    Raises:
        HostError: There is no such tree.
    """
    # The first things: whatever is printed from here on goes through the redactor.
    redactor, agent = Redactor(), agent_file()
    # One for all ports: a signal or the deadline ends whatever is waited for, commands and
    # downloads alike.
    interruption = Interruption(deadline)
    host = linux_host(
        root=root,
        run_directory=run_directory,
        state_directory=state_directory,
        log=log,
        redactor=redactor,
        interruption=interruption,
        # A file URL names a file of this machine, even if the run works on a tree.
        fetch=Downloads(
            interruption.wait, open_local=lambda path: LinuxFiles(Tree("/")).open(path)
        ),
        plugin_directories=plugin_directories,
        allow_unverified_plugins=allow_unverified_plugins,
        fetch_plugin=fetching(allow_unverified=allow_unverified_plugins, log=log),
    )
    # Handlers of signals are set here and put back at the end: `machineadm` may be called as a
    # library.
    with interruption:
        try:
            yield Machine(
                host=host,
                redactor=redactor,
                agent=agent,
                # On demand: hashing several megabytes takes time that most commands need not spend.
                digest=cache(lambda: _digest(agent.path)),
                is_root=os.geteuid() == 0,
                # The console is this machine's, and a tree is built by others.
                announce=(lambda _: None) if host.offline else announce,
                limit=interruption.limit,
                use_proxies=(lambda _: None) if host.offline else set_proxy_variables,
                settle=interruption.settle,
                respite=interruption.respite,
                at_last=interruption.at_last,
            )
        finally:
            # Processes of plugins never outlive the command that started them.
            if host.providers is not None:
                host.providers.end()


def kept_secrets(
    *, run_directory: str, state_directory: str, redactor: Redactor
) -> Callable[[str], KeptSecrets]:
    """Where plugins of this machine keep secrets, for a command that asks one outside of a run: nothing is kept while a run goes on.

    Args:
        run_directory: Of the runs.
        state_directory: Of the runs.
        redactor: Learns what they keep.
    """
    # A state of its own, which takes no lock: it is only asked whether somebody else has it.
    state = LinuxState(Tree("/"), run_directory=run_directory, state_directory=state_directory)

    def kept(plugin: str) -> KeptSecrets:
        # A run may be writing the same file.
        return KeptSecrets(state, plugin, redactor, may_write=lambda: not state.locked_by_other())

    return kept


def _digest(path: str | None) -> str:
    # The agent's file is on this machine, whatever tree the run works on.
    return (LinuxFiles(Tree("/")).sha256(path) or "") if path else ""


def agent_file() -> AgentFile:
    """The agent that runs now."""
    loader = getattr(sys.modules["__main__"], "__loader__", None)
    # zipimport's loader has it; a checkout's has not, and then there is no single file to pin or to
    # copy.
    archive: str | None = getattr(loader, "archive", None)
    return AgentFile(
        python=sys.executable,
        path=os.path.realpath(archive) if archive else None,
        # A unit must be told: where /var/cache is mounted noexec, the first run was given another
        # one.
        cache=cache_directory() if archive else "",
        proxies=tuple((name, Secret(value)) for name, value in proxy_variables().items()),
    )
