"""The file that is run: opened once, hashed by its descriptor, executed by its descriptor."""

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
        path: The file; a link is followed, for what is opened is what is judged and run.
        sha256: Hex digest that it must have, if any.

    Returns:
        The descriptor, for `executable_of`.

    Raises:
        PluginError: It cannot be opened, or is another file than it should be.
    """
    try:
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
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise PluginError("MA7210", f"plugin {name}: {path} is not a regular file")


def executable_of(descriptor: int) -> str:
    """The path by which a child that inherits the descriptor executes just that file."""
    return f"/proc/self/fd/{descriptor}"


def require_digest(name: str, path: str, descriptor: int, sha256: str) -> None:
    """Refuse a file that is another than it should be.

    Raises:
        PluginError: It is.
    """
    digest = hashlib.sha256()
    at = 0
    while piece := os.pread(descriptor, 1 << 20, at):
        digest.update(piece)
        at += len(piece)
    if not hmac.compare_digest(digest.hexdigest(), sha256.lower()):
        raise PluginError(
            "MA7204",
            f"plugin {name}: {path} has SHA-256 {digest.hexdigest()}, not {sha256.lower()}",
            hint="install the plugin again; if it was updated, update its checksum too",
        )
