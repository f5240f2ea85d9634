"""A machine: all its ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from machineadm.host.ports.accounts import Accounts
from machineadm.host.ports.clock import Clock
from machineadm.host.ports.commands import Commands
from machineadm.host.ports.disks import Disks
from machineadm.host.ports.distribution import Distribution
from machineadm.host.ports.fetch import Fetch
from machineadm.host.ports.files import Files
from machineadm.host.ports.kernel import Kernel
from machineadm.host.ports.metadata import Metadata
from machineadm.host.ports.network import Network
from machineadm.host.ports.providers import Providers
from machineadm.host.ports.queries import Queries
from machineadm.host.ports.services import Services
from machineadm.host.ports.state import State


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a wait that has not ended."""

    condition: str
    """What is waited for, as the effect has it."""
    reason: str
    elapsed: float
    """Seconds since it began."""
    budget: float
    """Seconds until it fails."""


def _nobody_is_told(waiting: Waiting) -> None:
    del waiting


def _nothing_is_known(path: str) -> bool:
    del path
    return False


def _no_distribution_is_known(release: Mapping[str, str]) -> Distribution | None:
    del release
    return None


class Host(msgspec.Struct, kw_only=True):
    """A machine, or a tree that will be one."""

    files: Files
    accounts: Accounts
    clock: Clock
    state: State
    commands: Commands | None = None
    queries: Queries | None = None
    kernel: Kernel | None = None
    services: Services | None = None
    fetch: Fetch | None = None
    network: Network | None = None
    disks: Disks | None = None
    metadata: Metadata | None = None
    providers: Providers | None = None
    platform: str = "linux"
    architecture: str = ""
    """Of the processor, as Go and container images name it: `amd64`, `arm64`."""
    distribution: Callable[[Mapping[str, str]], Distribution | None] = _no_distribution_is_known
    """The family that the assignments of os-release(5) name; None: not a known one."""
    kept: Callable[[str], bool] = _nothing_is_known
    """Whether the run puts back what lies at a path now if it is lost: a step that takes files may ask."""
    made: Callable[[str], bool] = _nothing_is_known
    """Whether a command of the configuration left what lies at a declared path: then a step may put its file in a directory's place."""
    # Here and not an argument: whoever waits is deep in a step, and the step need not know that
    # somebody listens.
    waiting: Callable[[Waiting], None] = _nobody_is_told
    """Told of a wait when it begins, and every ten seconds as long as it lasts."""
    # Said and not derived from missing ports: a test machine may lack one, and is no tree for
    # that.
    offline: bool = False
    """It is a tree (`--root`), not the running system: live steps are deferred, and commands, queries, kernel,
    services, network, disks and metadata are None, so that nothing can be run by mistake."""
