"""The Linux machine as a Host: all ports put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.clock import Interruption, LinuxClock
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.providers import LinuxProviders
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import Distribution, Fetch, Host
from machineadm.redaction import Redactor

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.plugins import PluginEntry

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


def linux_host(
    *,
    root: str | None = None,
    run_directory: str = "/run/machineadm",
    state_directory: str = "/var/lib/machineadm",
    log: Callable[[str], None] = lambda _line: None,
    redactor: Redactor | None = None,
    interruption: Interruption | None = None,
    fetch: Fetch | None = None,
    plugin_directories: Sequence[str] = (),
    allow_unverified_plugins: bool = False,
    fetch_plugin: Callable[[PluginEntry], tuple[str, str]] | None = None,
) -> Host:
    """This machine, or a tree on it.

    Args:
        root: A directory used as `/`: then the host is offline, and has no commands, kernel or services, so that
            nothing can be run by mistake, even if that directory turns out to be `/` itself. None: the running system.
        run_directory: Absolute path below the root, of the directory that a reboot empties.
        state_directory: Absolute path below the root, of the directory that survives.
        log: Takes each line that a command prints, redacted.
        redactor: Removes secrets from what commands print.
        interruption: What ends the run early; enter it (`with`) for signals to be noted. None: nothing does.
        fetch: Downloads.
        plugin_directories: Where plugins are looked for first.
        allow_unverified_plugins: Run plugins that have no checksum.
        fetch_plugin: Brings plugins that are declared by their catalog.

    Returns:
        The host. Nothing has been touched yet.

    Raises:
        HostError: The root is not a directory.
    """
    interruption = interruption or Interruption()
    tree = Tree(root or "/")
    files = LinuxFiles(tree, _labelling() if root is None else None)
    state = LinuxState(tree, run_directory=run_directory, state_directory=state_directory)
    running = root is None
    host = Host(
        files=files,
        accounts=LinuxAccounts(files, running=running),
        clock=LinuxClock(interruption),
        state=state,
        fetch=fetch,
        providers=LinuxProviders(
            state,
            log=log,
            redactor=redactor,
            directories=plugin_directories,
            allow_unverified=allow_unverified_plugins,
            fetch=fetch_plugin,
        ),
        distribution=_distribution,
        architecture=_ARCHITECTURES.get(os.uname().machine, os.uname().machine),
        offline=not running,
    )
    # Loaded only here: a tree has none of these ports, and a plan for one must not pay for their
    # modules.
    if running:
        from machineadm.host.linux.commands import LinuxCommands
        from machineadm.host.linux.disks import LinuxDisks
        from machineadm.host.linux.kernel import LinuxKernel
        from machineadm.host.linux.metadata import LinuxMetadata
        from machineadm.host.linux.network import LinuxNetwork
        from machineadm.host.linux.queries import LinuxQueries
        from machineadm.host.linux.services import SystemdServices

        commands = LinuxCommands(
            interruption,
            redactor=redactor or Redactor(),
            log=log,
            # Asked at each start of a program: the second lock is taken only by the first write
            # into the state directory.
            inherited=lambda: state.lock_descriptors,
        )
        host.commands = commands
        host.kernel = LinuxKernel(commands)
        host.queries = LinuxQueries(commands)
        host.services = SystemdServices(commands, host.queries)
        host.network = LinuxNetwork()
        host.disks = LinuxDisks()
        host.metadata = LinuxMetadata()
    return host


def _distribution(release: Mapping[str, str]) -> Distribution | None:
    from machineadm.host.linux.distros import distribution_of

    return distribution_of(release)


def _labelling() -> Callable[[int, str], None] | None:
    """What labels new files where the kernel runs with SELinux; a tree has its own policy, and is labelled at its first boot."""
    if not os.path.exists("/sys/fs/selinux/enforce"):
        return None
    from machineadm.host.linux.labels import labels_of_this_policy

    labels = labels_of_this_policy()
    return None if labels is None else labels.give
