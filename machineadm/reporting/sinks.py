"""Where a report goes: status.json, its durable copy, and the sentinels of the Cluster API contract."""

from __future__ import annotations

import msgspec

from machineadm.api.v1alpha1.status import BootstrapStatus
from machineadm.host.ports import Files, FileWrite, State

STATUS = "status.json"
# The path is the contract's; its content is not looked at.
SUCCESS_SENTINEL = "/run/cluster-api/bootstrap-success.complete"
"""Infrastructure providers wait for it (Cluster API's contract for bootstrap providers)."""

# Beside it, so that one watch of the directory sees both.
FAILURE_SENTINEL = "/run/cluster-api/bootstrap-failure.json"
"""Ours: the contract has no word for failure."""


def encode(status: BootstrapStatus) -> bytes:
    """The document as it is written: one JSON object, indented for people."""
    return msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n"


def read_status(state: State) -> BootstrapStatus | None:
    """The last report: this boot's, or else the durable one; None if nothing has ever run.

    Raises:
        ValueError: Something else wrote the file.
    """
    # /run is of this boot, and so says more than what survived the last one.
    found = state.read(STATUS, durable=False) or state.read(STATUS, durable=True)
    return msgspec.json.decode(found, type=BootstrapStatus) if found else None


class Sinks:
    """The files of one run's report.

    Args:
        state: For status.json.
        files: For the sentinels.
    """

    def __init__(self, state: State, files: Files) -> None:
        self._state = state
        self._files = files

    # Not durable: it is written at each step, and a flush of the disk at each would cost more than
    # many a step.
    def show(self, status: BootstrapStatus) -> None:
        """Replace status.json, which a reboot removes."""
        self._state.write(STATUS, encode(status), durable=False)

    def show_instead(self, status: BootstrapStatus) -> None:
        """Write status.json where there is no room for both old and new: remove the old one first, and leave out the long log."""
        # The reader finds nothing for a moment; with the old one left in place it would find a run
        # that goes on for ever.
        self._state.remove(STATUS, durable=False)
        error = status.error and msgspec.structs.replace(status.error, log_tail="")
        self.show(msgspec.structs.replace(status, error=error))

    def keep(self, status: BootstrapStatus) -> None:
        """Replace the copy that survives a reboot. Writes nothing if it is up to date."""
        content = encode(status)
        # A read is cheap, and a durable write waits for the disk.
        if self._state.read(STATUS, durable=True) != content:
            self._state.write(STATUS, content, durable=True)

    def lasts(self, status: BootstrapStatus) -> bool:
        """Whether the durable copy says that the run ended in the same phase."""
        content = self._state.read(STATUS, durable=True)
        if content is None:
            return False
        try:
            return msgspec.json.decode(content, type=BootstrapStatus).phase == status.phase
        except (ValueError, RecursionError):
            return False

    def remove_sentinels(self) -> None:
        """Remove what an earlier run left: from now on it must not be believed."""
        for sentinel in (SUCCESS_SENTINEL, FAILURE_SENTINEL):
            if self._files.stat(sentinel) is not None:
                self._files.remove(sentinel)

    def announce_success(self) -> None:
        """Write the success sentinel."""
        # The same word as Cluster API's own user data writes (`echo success`), for those who do
        # look.
        self._files.write([FileWrite(path=SUCCESS_SENTINEL, content=b"success")])

    def withdraw_success(self) -> None:
        """Remove the success sentinel, because something failed after all."""
        self._files.remove(SUCCESS_SENTINEL)

    def announce_failure(self, status: BootstrapStatus) -> None:
        """Write the failure sentinel: the same document as status.json, and as private, because its log tail may hold anything."""
        self._files.write([FileWrite(path=FAILURE_SENTINEL, content=encode(status), mode=0o600)])
