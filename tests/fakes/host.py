"""FakeHost: a whole machine in memory, behind the ports of `machineadm.host.ports`.

It behaves: links are followed as below a root, modes and owners stick, a lock is held, time passes when somebody sleeps.
tests/contract/test_ports.py holds it to the Linux adapter's behaviour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from machineadm.host.linux.distros import distribution_of
from machineadm.host.ports import Distribution, Host, Providers
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock
from tests.fakes.commands import Call, FakeCommands
from tests.fakes.disks import FakeDisks
from tests.fakes.fetch import FakeFetch
from tests.fakes.files import FakeFiles, Node
from tests.fakes.kernel import FakeKernel
from tests.fakes.network import FakeMetadata, FakeNetwork
from tests.fakes.providers import FakeProviders
from tests.fakes.queries import FakeQueries
from tests.fakes.services import FakeServices
from tests.fakes.state import FakeState

__all__ = [
    "Call",
    "FakeAccounts",
    "FakeClock",
    "FakeCommands",
    "FakeDisks",
    "FakeFetch",
    "FakeFiles",
    "FakeHost",
    "FakeKernel",
    "FakeMetadata",
    "FakeNetwork",
    "FakeProviders",
    "FakeQueries",
    "FakeServices",
    "FakeState",
    "Node",
    "offline_host",
]


class FakeHost(Host, kw_only=True):
    """A machine in memory. `FakeHost()` runs; `offline_host()` is a tree; `FakeHost(files=FakeFiles(uid=1000))` is an
    ordinary user's."""

    files: FakeFiles = msgspec.field(default_factory=FakeFiles)
    accounts: FakeAccounts = msgspec.field(default_factory=FakeAccounts)
    clock: FakeClock = msgspec.field(default_factory=FakeClock)
    state: FakeState = msgspec.field(default_factory=FakeState)
    commands: FakeCommands = msgspec.field(default_factory=FakeCommands)
    queries: FakeQueries | None = None
    kernel: FakeKernel = msgspec.field(default_factory=FakeKernel)
    services: FakeServices = msgspec.field(default_factory=FakeServices)
    fetch: FakeFetch = msgspec.field(default_factory=FakeFetch)
    network: FakeNetwork = msgspec.field(default_factory=FakeNetwork)
    disks: FakeDisks = msgspec.field(default_factory=FakeDisks)
    metadata: FakeMetadata = msgspec.field(default_factory=FakeMetadata)
    providers: Providers | None = msgspec.field(default_factory=FakeProviders)
    architecture: str = "amd64"
    distribution: Callable[[Mapping[str, str]], Distribution | None] = distribution_of

    def __post_init__(self) -> None:
        self.files.clock = self.clock
        if self.queries is None and not self.offline:
            self.queries = FakeQueries(self.commands)

    def put(self, path: str, content: bytes | str = b"", *, mode: int = 0o644) -> None:
        """Lay a file down, uncounted."""
        self.files.put(path, content, mode=mode)

    def text(self, path: str) -> str | None:
        """A file's content as text; None where there is none."""
        content = self.files.read(path)
        return None if content is None else content.decode()

    def mutations(self) -> list[object]:
        """Everything that changed the machine (state and run directory not counted), by kind."""
        found: list[object] = [*self.files.written, *self.files.removed, *self.files.made]
        if not self.offline:
            found += [*self.kernel.changes, *self.services.actions, *self.commands.argvs()]
        return found


def offline_host(*, files: FakeFiles | None = None) -> FakeHost:
    """A tree that nobody runs: no commands, no kernel, no services."""
    host = FakeHost(files=files or FakeFiles(), offline=True)
    host.commands = host.queries = host.kernel = host.services = None  # type: ignore[assignment]
    host.network = host.metadata = host.disks = None  # type: ignore[assignment]
    return host
