"""Helpers for open descriptors that the os module does not have."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from machineadm.host.linux.faults import RefusedError

T = TypeVar("T")

_TEMPORARY = ".machineadm-"
_TEMPORARY_END = ".tmp"
_ATTEMPTS = 10
# Bounded: a user can fill a shared directory with millions of names, and leftovers are not worth reading them all.
_MOST_SWEPT = 100_000


@contextlib.contextmanager
def opened(name: str, flags: int, directory: int, mode: int = 0o600) -> Iterator[int]:
    """A name below an open directory, opened without following a link, not inherited, closed on leaving."""
    fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=directory)
    try:
        yield fd
    finally:
        os.close(fd)


def open_regular(name: str, flags: int, directory: int, mode: int = 0o600) -> int:
    """Open a regular file, never a device or pipe: opening one can have effects (a tape rewinds) or wait for a writer.

    Args:
        name: Below the directory; a link is not followed.
        flags: As for os.open.
        directory: An open one.
        mode: For a file that this creates.

    Returns:
        A descriptor that is not inherited.

    Raises:
        FileNotFoundError: There is none, and the flags create none.
        RefusedError: MA3004: something else has the name.
    """
    try:
        _require_regular(os.lstat(name, dir_fd=directory))
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    # It may have become a pipe since. O_NONBLOCK keeps the open from waiting, O_NOCTTY keeps a terminal from becoming
    # ours, and the descriptor is checked again.
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=directory)
    try:
        _require_regular(os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = stat.S_IFMT(status.st_mode)
        what = {stat.S_IFDIR: "it is a directory", stat.S_IFLNK: "it is a symbolic link"}.get(
            kind, "it is a device, pipe or socket"
        )
        raise RefusedError(
            "MA3004", what, "check it with ls -ld; remove it, or choose another path"
        )


def read_all(fd: int, limit: int) -> bytes:
    """Read a regular file whole.

    Args:
        fd: At its beginning.
        limit: Bytes.

    Raises:
        RefusedError: MA3014: it is larger. No more than the limit is read: a huge sparse file costs a user nothing.
    """
    # Before anything is read: a sparse file of terabytes costs its owner nothing, and would cost
    # us the memory.
    size = os.fstat(fd).st_size
    chunks: list[bytes] = []
    came = 0
    # st_size alone does not bound it: files in /proc have size 0, and others grow while they are read.
    while (
        size <= limit and came <= limit and (chunk := os.read(fd, min(1 << 20, limit + 1 - came)))
    ):
        chunks.append(chunk)
        came += len(chunk)
    if max(size, came) > limit:
        raise RefusedError(
            "MA3014", f"it is larger than {limit} bytes", "check it with ls -ls; remove it"
        )
    return b"".join(chunks)


def create_temporary(directory: int) -> tuple[int, str]:
    """Make a private file with a name that nobody can guess.

    Args:
        directory: An open one, in which others may be able to write.

    Returns:
        A descriptor for writing, and the name: `.machineadm-….tmp`.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return _under_a_new_name(lambda name: (os.open(name, flags, 0o600, dir_fd=directory), name))


def make_temporary_link(directory: int, target: str) -> str:
    """Make a symbolic link with a name that nobody can guess, and return the name.

    Args:
        directory: An open one, in which others may be able to write.
        target: Of the link.
    """

    def make(name: str) -> str:
        os.symlink(target, name, dir_fd=directory)
        return name

    return _under_a_new_name(make)


def _under_a_new_name(make: Callable[[str], T]) -> T:
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileExistsError):
            # Random, or a user could occupy the names in advance and stop every run.
            return make(f"{_TEMPORARY}{os.urandom(8).hex()}{_TEMPORARY_END}")
    raise FileExistsError(errno.EEXIST, "every temporary name is taken")


def remove_temporaries(directory: int) -> None:
    """Remove the temporary files and links that a killed run left in a directory, as far as possible."""
    with (
        contextlib.suppress(OSError),
        opened(".", os.O_RDONLY | os.O_DIRECTORY, directory) as listing,
        os.scandir(listing) as entries,
    ):
        for entry in itertools.islice(entries, _MOST_SWEPT):
            # A directory of such a name is somebody's attempt to stop us. It cannot be unlinked, and does no harm.
            # Both ends: a file that only begins like ours may be somebody's.
            if entry.name.startswith(_TEMPORARY) and entry.name.endswith(_TEMPORARY_END):
                with contextlib.suppress(OSError):
                    os.unlink(entry.name, dir_fd=directory)


def close_all(descriptors: Iterable[int]) -> None:
    """Close every descriptor."""
    for descriptor in descriptors:
        os.close(descriptor)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte: write(2) may take only a part, as on a disk that is nearly full."""
    written = os.write(fd, data) if data else 0
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def make_directory_at(parent: int, name: str, mode: int) -> None:
    """Make a directory with exactly this mode from its first instant, whatever the umask. Does nothing if it exists."""
    # mkdir and then chmod would leave an instant with another mode. The umask is also that of a
    # background thread; files that it creates meanwhile are 0600 by their own mode.
    before = os.umask(0)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=parent)
    finally:
        os.umask(before)


def sync_directory(directory: int) -> None:
    """Flush a directory's entries. The descriptor may have been opened with O_PATH, which fsync(2) does not take."""
    with opened(".", os.O_RDONLY | os.O_DIRECTORY, directory) as fd:
        os.fsync(fd)


def syncfs(descriptor: int) -> None:
    """Flush the file system of a descriptor that was not opened with O_PATH.

    Raises:
        OSError: Something could not be written (reported since Linux 5.8).
    """
    # The os module has fsync and sync, but not syncfs: the first costs a flush a file, the second
    # waits for every disk.
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
