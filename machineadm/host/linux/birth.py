"""When a file was created: statx(2), which Python's os module has only from 3.15 on."""

from __future__ import annotations

import ctypes
import os
import sys

_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
# struct statx of <linux/stat.h>: stx_mask at 0, stx_btime at 80. The layout is part of the kernel's
# ABI.
_SIZE = 256
_MASK = slice(0, 4)
_SECONDS = slice(80, 88)
_NANOSECONDS = slice(88, 92)


def born(directory: int, name: str) -> int | None:
    """Nanoseconds since 1970; None if there is no file, or if the C library, the kernel or the file system does not tell.

    Args:
        directory: Descriptor of the directory that holds it.
        name: Name below it; a link is not followed.
    """
    try:
        # glibc has it from 2.28 on, musl from 1.2.5: an older C library means that the time is
        # not known.
        statx = ctypes.CDLL(None, use_errno=True).statx
    except AttributeError:
        return None
    buffer = ctypes.create_string_buffer(_SIZE)
    if statx(directory, os.fsencode(name), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, buffer) != 0:
        return None
    raw = buffer.raw
    # Success does not mean that the time was filled in: file systems without it leave the bit out
    # of the mask.
    if not int.from_bytes(raw[_MASK], sys.byteorder) & _STATX_BTIME:
        return None
    seconds = int.from_bytes(raw[_SECONDS], sys.byteorder, signed=True)
    return seconds * 10**9 + int.from_bytes(raw[_NANOSECONDS], sys.byteorder)
