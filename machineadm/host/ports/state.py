"""The runner's own files and its lock."""

from __future__ import annotations

from typing import Protocol


class State(Protocol):
    """The runner's own files, in the run directory (gone after a reboot) and the state directory (survives).

    Names are relative: `status.json`, `kubeadm/config.yaml`. Files are 0600 in directories of 0700. Both directories are also
    below the root, and are named as if it were `/`.
    """

    run_directory: str
    state_directory: str

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """Content from the state directory (durable) or the run directory; None where there is none."""

    def list(self, name: str) -> tuple[str, ...]:
        """Names in a subdirectory of the state directory, sorted, temporary files included; empty where there is none."""

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """Replace atomically; synced when durable."""

    def append(self, name: str, content: bytes) -> None:
        """Append to a file of the state directory and flush it to the disk before returning."""

    def remove(self, name: str, *, durable: bool) -> None:
        """Remove; nothing happens when there is none."""

    def lock(self) -> None:
        """Take the one lock until this process and all its children end.

        Raises:
            LockedError: Somebody else holds it.
        """

    def locked_by_other(self) -> bool:
        """Whether another process holds the lock, as far as this user can see; asking takes nothing."""
