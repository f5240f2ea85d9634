"""Room on file systems."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Space(msgspec.Struct, frozen=True):
    """A file system's room, in bytes."""

    free: int
    """For those who are not root."""

    total: int


class Disks(Protocol):
    """Room on file systems; asking changes nothing."""

    def space(self, path: str) -> Space | None:
        """Of the file system that a path is on, or will be on; None where nobody knows."""
