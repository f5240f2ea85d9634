"""Install a fetched plugin: its file and its checksum in a plugin directory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.cache import flush_directory, write_whole
from machineadm.plugins.catalogs.fetcher import Fetched
from machineadm.plugins.discovery import PREFIX
from machineadm.plugins.trust import SUFFIX

_PIECE: Final = 1 << 20


def install(fetched: Fetched, directory: str) -> str:
    """Copy a plugin from the cache into a directory, with its checksum beside it; returns the path of the copy.

    The copy, not the file in the cache, is compared with the digest, and gets its name when it is complete. An installed plugin is
    replaced; if the run is killed between the two files, the old checksum refuses the new file until it is installed again.

    Args:
        fetched: What to install.
        directory: Created if it does not exist.

    Raises:
        PluginError: MA7246: The copy is another file. MA7248: It cannot be written.
    """
    path = os.path.join(directory, f"{PREFIX}{fetched.kind}-{fetched.name}")
    name = os.path.basename(path)
    hexadecimal = fetched.digest.removeprefix("sha256:")
    try:
        os.makedirs(directory, mode=0o755, exist_ok=True)
        # A copy and not a link: the cache may be emptied at any time, and may be on another file
        # system.
        _copy(fetched, path)
        # As sha256sum writes it: `sha256sum -c` is how an operator checks it without us.
        write_whole(path + SUFFIX, f"{hexadecimal}  {name}\n".encode(), 0o644)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PluginError(
            "MA7248",
            f"cannot install {path}: {reason}",
            hint="look at the directory, its permissions and its room; --plugin-dir names another one",
        ) from error
    return path


def remove(kind: str, name: str, directory: str) -> bool:
    """Remove a plugin and its checksum from a directory; returns whether it was there.

    Raises:
        PluginError: MA7248: It cannot be removed.
    """
    path = os.path.join(directory, f"{PREFIX}{kind}-{name}")
    found = False
    # The checksum last: after a kill between the two no file is left that could run.
    for each in (path, path + SUFFIX):
        try:
            os.unlink(each)
            found = True
        except FileNotFoundError:
            pass
        except OSError as error:
            raise PluginError(
                "MA7248",
                f"cannot remove {each}: {(error.strerror or str(error)).lower()}",
                hint="look at its directory and its permissions",
            ) from error
    return found


def _copy(fetched: Fetched, path: str) -> None:
    # A name that discovery does not look for: half of a file must not be started.
    descriptor, scratch = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".machineadm-")
    try:
        digest = hashlib.sha256()
        with os.fdopen(descriptor, "wb") as target, open(fetched.path, "rb") as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                target.write(piece)
            target.flush()
            os.fchmod(target.fileno(), 0o755)
            os.fsync(target.fileno())
        # After the copy: compared is what was written, as the cache's file may change while it is
        # read.
        _require(fetched, f"sha256:{digest.hexdigest()}")
        os.replace(scratch, path)
        flush_directory(os.path.dirname(path))
    except BaseException:
        if os.path.lexists(scratch):
            os.unlink(scratch)
        raise


def _require(fetched: Fetched, digest: str) -> None:
    if digest != fetched.digest:
        raise PluginError(
            "MA7246",
            f"{fetched.path} has the digest {digest}, not {fetched.digest}",
            hint="install it again: the cache replaces what is damaged",
        )
