"""Read and write files: completely, atomically, with their final mode from the start."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from machineadm.errors import HostError

TEMPORARY_PREFIX = ".signing-"
"""What a killed run may leave; the next one that writes to the directory removes it."""


def read(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        HostError: MA1820, it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError("MA1820", f"{path}: cannot be read: {error.strerror}") from error


def replace(path: Path, data: bytes, *, mode: int = 0o644) -> bool:
    """Set a file's content: write and flush a new file, then rename it over the old one.

    Args:
        path: Where; its directory has to exist.
        data: All of it.
        mode: The file's mode, whatever the umask; it never has a wider one.

    Returns:
        False if the file had that content already and was left alone.

    Raises:
        HostError: MA1821, it cannot be written.
    """
    try:
        # Not through a link: renaming would replace the link and leave its target. A file that
        # stays as it is keeps its time.
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return False
        temporary = write_beside(path, data, mode)
        try:
            # rename(2) replaces in one step: a reader opens the old file or the new one, never half
            # of it.
            temporary.replace(path)
        finally:
            # After a successful rename there is none; after a failed one a private key must not
            # stay behind under another name.
            temporary.unlink(missing_ok=True)
        flush(path.parent)
    except OSError as error:
        raise HostError("MA1821", f"{path}: cannot be written: {error.strerror}") from error
    return True


def create(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that must not exist yet; nothing is ever overwritten.

    Args:
        path: Where; its directory has to exist.
        data: All of it.
        mode: The file's mode, whatever the umask; it never has a wider one.

    Raises:
        HostError: MA1808 it exists, MA1821 it cannot be written.
    """
    try:
        temporary = write_beside(path, data, mode)
        try:
            # A link, unlike a rename, fails where something has the name already.
            os.link(temporary, path)
        finally:
            # Always there, unlike above: link(2) adds a name and takes none away.
            temporary.unlink()
        flush(path.parent)
    except FileExistsError:
        raise HostError(
            "MA1808", f"{path} exists and is not overwritten", hint="choose another name"
        ) from None
    except OSError as error:
        raise HostError("MA1821", f"{path}: cannot be written: {error.strerror}") from error


def write_beside(path: Path, data: bytes, mode: int, *, prefix: str = TEMPORARY_PREFIX) -> Path:
    """Write a flushed file of another name in the same directory, for the caller to link or rename.

    Raises:
        OSError: It cannot be written; then nothing is left.
    """
    temporary = path.with_name(f"{prefix}{secrets.token_hex(8)}")
    # 0600 until it is complete: a private key must never be readable by others, not even for a
    # moment.
    # O_EXCL and O_NOFOLLOW: a link that somebody planted under the name must not lead the key
    # elsewhere.
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            # After open, whose mode is cut by the umask: a web server must be able to read a
            # release file.
            file.flush()
            os.fchmod(fd, mode)
            # Before the rename: a file system may write the name before the data, and a power cut
            # would leave an empty file.
            os.fsync(fd)
    # BaseException: Ctrl-C in the middle must not leave a key behind either.
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def flush(directory: Path) -> None:
    """Flush a directory, so that its names survive a power cut.

    Raises:
        OSError: The kernel's.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
