"""Decide whether a plugin's file may be run: it runs as root on a machine that holds a cluster's secrets.

1. The file is a regular file, not a link; root owns it, and nobody else can write to it.
2. The same is true of every directory above it; one that everybody can write to needs the sticky bit, as /tmp has.
3. Its SHA-256 is that of its entry in plugins.yaml, or of the file PATH_SHA256SUM, to which 1 and 2 apply as well.

The launcher compares the digest through the descriptor that it then executes. A user other than root may also run files of
their own. Makes no network connection.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Final

from machineadm.errors import PluginError

SUFFIX: Final = "_SHA256SUM"
"""Of the file beside a plugin that holds its checksum: hex digits, perhaps with blanks and the file's name behind."""

ALLOW_UNVERIFIED: Final = "--allow-unverified-plugins"

# A line with a digest and a name; more is no checksum file.
_MOST: Final = 4096
_SUM: Final = re.compile(r"([0-9a-fA-F]{64})(?:[ \t]+\*?[^\r\n]*)?\r?\n?")


def checksum_of(name: str, path: str, *, allow_unverified: bool) -> str:
    """Read the digest that a plugin's file must have from the file beside it.

    Args:
        name: The plugin's.
        path: Its executable.
        allow_unverified: Accept a missing checksum; an existing one still counts.

    Returns:
        Hex digits; empty if there is none.

    Raises:
        PluginError: It is missing, not trusted, or not a checksum.
    """
    beside = path + SUFFIX
    # A broken link is a mistake, and must not count as "has none".
    if not os.path.lexists(beside):
        if allow_unverified:
            return ""
        raise PluginError(
            "MA7203",
            f"plugin {name}: {path} has no checksum file beside it",
            hint=f"install {beside} from where the plugin is published, or use {ALLOW_UNVERIFIED}",
        )
    # Who can write the checksum can run anything.
    require_trusted(name, beside)
    try:
        with open(beside, encoding="ascii") as file:
            found = digest_in(file.read(_MOST))
    except (OSError, UnicodeDecodeError):
        found = ""
    if not found:
        raise PluginError(
            "MA7203",
            f"plugin {name}: {beside} does not contain exactly one SHA-256",
            hint=f"it must have the output of `sha256sum {path}`",
        )
    return found


def digest_in(text: str) -> str:
    """The digest in the text of a checksum file, lower-case hex; empty if it does not hold just one."""
    found = _SUM.fullmatch(text)
    return found[1].lower() if found else ""


def require_trusted(name: str, path: str) -> None:
    """Refuse a file that somebody else than root could have written or replaced.

    Args:
        name: The plugin's.
        path: The file, absolute.

    Raises:
        PluginError: MA7202: It is one.
    """
    try:
        # lstat: a link is refused below, whatever it leads to.
        found = os.lstat(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise PluginError(
            "MA7202",
            f"plugin {name}: {path}: {reason.lower()}",
            hint="look at the path, and at who may read it",
        ) from error
    if stat.S_ISLNK(found.st_mode):
        _refuse(name, path, "is a symbolic link", "use the file itself")
    if not stat.S_ISREG(found.st_mode):
        _refuse(name, path, "is not a regular file", "check what is there")
    _require_ours(name, path, found)
    # The real one: a directory above may be a link, and what counts is who may write where it
    # leads.
    directory = os.path.dirname(os.path.realpath(path))
    while True:
        _require_ours(name, directory, os.stat(directory))
        if directory == "/":
            return
        directory = os.path.dirname(directory)


def _require_ours(name: str, path: str, found: os.stat_result) -> None:
    # The user who runs this could do everything that the plugin could.
    if found.st_uid not in (0, os.geteuid()):
        _refuse(name, path, f"belongs to user {found.st_uid}, not to root", f"chown root {path}")
    # In a sticky directory only a file's owner may rename or remove it (unlink(2)), and the file's
    # owner was judged.
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & 0o022 and not sticky:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        _refuse(name, path, f"can be written by others (mode {mode})", f"chmod go-w {path}")


def _refuse(name: str, path: str, what: str, hint: str) -> None:
    raise PluginError("MA7202", f"plugin {name}: {path} {what}, so it is not trusted", hint=hint)
