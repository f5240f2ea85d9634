"""The file that is run: opened once, hashed through its descriptor, executed through its descriptor."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat

from machineadm.errors import PluginError
from machineadm.plugins.launch.diagnose import unstartable


def open_executable(name: str, path: str, sha256: str = "") -> int:
    """Open a plugin's file.

    Args:
        name: The plugin's.
        path: The file; a link is followed, because what is opened is what is checked and run.
        sha256: Hex digest that it must have, if any.

    Returns:
        The descriptor, for `executable_of`.

    Raises:
        PluginError: It cannot be opened, or is not the expected file.
    """
    try:
        # O_NONBLOCK: opening a FIFO would otherwise wait for a writer for ever. Read-only, so the
        # check sees the file before anything runs.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        refusal: PluginError = unstartable(name, path, error)
        raise refusal from error
    try:
        _require_file(name, path, descriptor)
        if sha256:
            require_digest(name, path, descriptor, sha256)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _require_file(name: str, path: str, descriptor: int) -> None:
    # By the descriptor: the path may lead to another file by now.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise PluginError(
            "MA7210", f"plugin {name}: {path} is not a regular file", hint="check what is there"
        )


def executable_of(descriptor: int) -> str:
    """Return the path through which a child that inherits the descriptor executes that very file."""
    # By the path a second time, somebody could swap the file between the digest and execve. For a
    # script the kernel passes this path to the interpreter, so the child must still have the
    # descriptor.
    return f"/proc/self/fd/{descriptor}"


def require_digest(name: str, path: str, descriptor: int, sha256: str) -> None:
    """Refuse a file with another digest.

    Raises:
        PluginError: The digest differs.
    """
    digest = hashlib.sha256()
    at = 0
    # pread, not read: the file's position stays 0, where whoever executes or reads it next expects
    # it.
    while piece := os.pread(descriptor, 1 << 20, at):
        digest.update(piece)
        at += len(piece)
    if not hmac.compare_digest(digest.hexdigest(), sha256.lower()):
        raise PluginError(
            "MA7204",
            f"plugin {name}: {path} has SHA-256 {digest.hexdigest()}, not {sha256.lower()}",
            hint="install the plugin again; if it was updated, update its checksum too",
        )
