"""Files that hold a secret: a key, a passphrase, a PIN. Only their owner may be able to read them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NoReturn

from machineadm.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

# 64 KiB, where a key in PEM has some hundred bytes: a bound for what is read into memory.
LARGEST_KEY = 1 << 16


def read_private(path: Path) -> bytes:
    """Read a file that only its owner can read.

    Args:
        path: A key or a passphrase; a link is followed, and its target is checked.

    Returns:
        Its bytes.

    Raises:
        HostError: MA1803 others can read it, MA1820 it cannot be read.
    """
    try:
        # O_NONBLOCK: a pipe that nobody writes to is refused, not waited for.
        with open(
            path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
        ) as file:
            # By descriptor: what is checked is what is read, even if somebody swaps the file.
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise HostError("MA1820", f"{path}: not a regular file")
            # root can read everything anyway, and mounted secrets belong to it.
            if status.st_uid not in (0, os.geteuid()):
                _refuse_exposed(path, f"belongs to user {status.st_uid}", "make yourself its owner")
            # As ssh does it with keys; a warning in a pipeline is read by nobody.
            if status.st_mode & 0o077:
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                _refuse_exposed(path, f"has mode {mode}", f"chmod 600 {path}")
            return file.read(LARGEST_KEY)
    except OSError as error:
        raise HostError("MA1820", f"{path}: cannot be read: {error.strerror}") from error


def _refuse_exposed(path: Path, what: str, remedy: str) -> NoReturn:
    raise HostError("MA1803", f"{path}: {what}, so others may have the secret", hint=remedy)
