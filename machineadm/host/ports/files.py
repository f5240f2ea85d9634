"""Files, directories and links below the root."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

import msgspec

# More than any configuration or log that is read here, and less than what would push a small
# machine into swap.
LARGEST_READ = 64 << 20
"""Bytes of a file that are read into memory, unless the reader says otherwise."""


class FileKind(str, enum.Enum):
    """What is at a path; links are not followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class FileStat(msgspec.Struct, frozen=True, kw_only=True):
    """A path's own metadata (lstat)."""

    kind: FileKind
    mode: int
    """Permission bits, 0 to 0o7777."""
    uid: int
    gid: int
    size: int
    """Bytes."""
    # The number and not the mount table: it comes with the same lstat.
    device: int = 0
    """Number of the file system; differs across a mount."""
    # ctime and not mtime, which cp -p, tar and rsync set to whatever they like.
    changed: int = 0
    """Nanoseconds since 1970 of the last change of content or metadata (ctime), with the granularity of the kernel's clock."""


def is_hollow(size: int, allocated: int) -> bool:
    """Whether a file is large by its size alone: reading it could take a run's whole time, and cost who made it nothing.

    Compressing file systems allocate less than a file's size as well, but not a sixty-fourth of it.

    Args:
        size: Bytes, by its length.
        allocated: Bytes on the disk (st_blocks times 512).
    """
    return size > LARGEST_READ and allocated < size // 64


class FileContent(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file: what it is and what it holds, both of one descriptor."""

    stat: FileStat
    content: bytes


class FileWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it should be."""

    path: str
    # A callable and no iterator: a batch may be tried again, and an iterator would be empty by
    # then.
    content: bytes | Callable[[], Iterable[bytes]]
    """Bytes, or a callable that gives them in chunks. An error that it raises on the way leaves no file behind: that is
    how a download whose digest is wrong never gets its final name."""
    mode: int = 0o644
    uid: int | None = None
    """None: the user who runs this (root, where it matters)."""
    gid: int | None = None
    """As `uid`."""


class Files(Protocol):
    """Files below the root. Every write is atomic, durable, and has its owner and mode before its final name."""

    def stat(self, path: str) -> FileStat | None:
        """Metadata of the path itself, or None if nothing is there."""

    def born(self, path: str) -> int | None:
        """When the path itself was created, in nanoseconds since 1970; None if it does not exist, or the file system does not know."""

    def read(self, path: str, *, limit: int = LARGEST_READ) -> bytes | None:
        """Content of a regular file, links of root's followed below the root; None where there is nothing.

        Raises:
            HostError: It is not a regular file, is larger than `limit` bytes, or cannot be read.
        """

    def read_for_append(
        self, path: str, *, owners: Collection[int] = (), limit: int = LARGEST_READ
    ) -> FileContent | None:
        """A file that will be written again with more at its end, and its mode and owner; None if there is none.

        A link at the final path is not followed: the result is readable to those who can read its directory, and they may
        have no right to read the target.

        Args:
            path: Of the file.
            owners: Who may own it, besides root and the owner of its directory: those it will belong to.
            limit: Bytes.

        Raises:
            HostError: It is not a regular file with one name, belongs to somebody else, is larger than `limit` bytes, or
                cannot be read.
        """

    def readlink(self, path: str) -> str | None:
        """Target of a symbolic link as it is stored; None where there is none."""

    def sha256(self, path: str) -> str | None:
        """Hex digest of a regular file's content without loading it whole; None where there is nothing.

        Empty for a file that is nothing but holes: see `is_hollow`.

        Raises:
            HostError: It is not a regular file (a link at the final path is not followed), or cannot be read.
        """

    def sha512(self, path: str) -> str | None:
        """As `sha256`."""

    def list(self, path: str) -> tuple[str, ...]:
        """Names in a directory, sorted; empty where there is none."""

    def write(self, batch: Sequence[FileWrite]) -> None:
        """Write a batch with a group commit: temporary files, one sync per file system, renames, one sync.

        Missing parent directories are made, 0755 and owned by whoever runs this. A link at the final path is replaced,
        not followed. Writing with an owner that this process cannot give is the caller's mistake (see
        `can_give`). Of several entries with one path the last wins.

        Raises:
            HostError: Nothing of the batch that was not renamed yet is left behind.
            MachineadmError: Whatever a content callable raised.
        """

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link, atomic and durable; a file or link at the path is replaced, missing parents are made.

        Raises:
            HostError: A directory is there.
        """

    def make_directory(
        self, path: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None
    ) -> None:
        """Make a directory and its missing parents, durable.

        Args:
            path: Of the directory.
            mode: Of one that is made.
            owner: User and group. With them, one that is there gets mode and owner, too; a link is not followed then.
                Without them nothing happens when it is there.

        Raises:
            HostError: Something else is there.
        """

    def remove_directory(self, path: str) -> None:
        """Remove a directory, durable. Nothing happens when there is none, or something is in it."""

    def remove(self, path: str) -> None:
        """Remove a file or link, durable. Nothing happens when there is none."""

    def can_give(self, uid: int, gid: int) -> bool:
        """Whether this process can create files of this owner: root always can, others only for themselves."""
