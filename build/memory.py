"""`memory.py` of the packed agent: extension modules without a cache, if none can be created or trusted.

The C library's loader needs files, so each module gets an anonymous one. Everything is decompressed and
compiled at every start, which takes about three times as long.
"""

from __future__ import annotations

import os

import cache
import front

HOST = 5


def place(part: str, path: str) -> str:
    """Put an extension module of a part into memory; returns the path to load it from."""
    return anonymous(path, front.companion("sources").content(part, path))


def anonymous(name: str, data: bytes) -> str:
    """Put data into a file without a name on any disk, open while the process lives.

    If it were closed, the next file would get its number, and the C library's loader, which compares paths,
    would take one for the other.
    """
    try:
        # AttributeError below is of a libc without it.
        held = os.memfd_create(f"machineadm-{name}")
        with open(held, "wb", closefd=False) as file:
            file.write(data)
        path = f"/proc/self/fd/{held}"
        # Asked once here: /proc may not be mounted, and the loader's own message would not say so.
        os.stat(path)
    except (OSError, AttributeError) as error:
        front.refuse(
            HOST,
            f"MA7106 the libraries can be loaded neither from a cache ({cache.unusable}) nor from "
            f"memory ({error}); MACHINEADM_CACHE names another directory",
        )
    return path
