"""Small work on open descriptors that the os module leaves to its caller."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def opened(name: str, flags: int, folder: int, mode: int = 0o600) -> Iterator[int]:
    """A name below an open folder, opened without following a link, not inherited, closed on leaving."""
    fd = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
    try:
        yield fd
    finally:
        os.close(fd)


def close_all(descriptors: Iterable[int]) -> None:
    """Close each."""
    for descriptor in descriptors:
        os.close(descriptor)


def write_all(fd: int, data: bytes) -> None:
    """Write every byte, in as many calls as it takes."""
    written = os.write(fd, data) if data else 0
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def make_folder(parent: int, name: str, mode: int) -> None:
    """Make a folder with exactly this mode from its first instant, whatever the umask; nothing when it is there."""
    before = os.umask(0)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, mode, dir_fd=parent)
    finally:
        os.umask(before)


def sync_folder(folder: int) -> None:
    """Flush a folder's entries; the descriptor may have been opened with O_PATH."""
    with opened(".", os.O_RDONLY | os.O_DIRECTORY, folder) as fd:
        os.fsync(fd)


def syncfs(descriptor: int) -> None:
    """Flush the file system that the descriptor, not one opened with O_PATH, lies on.

    Raises:
        OSError: Something could not be written (reported since Linux 5.8).
    """
    import ctypes

    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
