"""Deflate as zopfli does it: what every inflate reads, in fewer bytes than zlib's, and the same whatever zlib a builder has.

It takes a minute for all that the agent's file holds, so what was compressed once is kept by its content, below
`$MACHINEADM_CACHE/deflated`. What is found there is decompressed and compared, so nobody can put other contents into a build.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import tempfile
import zlib
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

from zopfli.zlib import compress

from wheels import usual_cache

ITERATIONS = 5
"""zopfli's own 15 take half as long again and save 0.02% more."""
HEADER, CHECKSUM = 2, 4
"""Bytes around the deflate stream that zlib's format has and an archive's entry has not (RFC 1950)."""


def deflated(contents: Collection[bytes], cache: Path | None = None) -> list[bytes]:
    """Compress contents, each to a raw deflate stream.

    Args:
        contents: What is compressed.
        cache: The directory that keeps the streams; by default the user's own.
    """
    # Threads: zopfli releases the interpreter's lock.
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(partial(_one, cache or usual_cache("deflated")), contents))


def _one(cache: Path, content: bytes) -> bytes:
    # By zopfli's version, too: another one may give another stream, and then the file would depend
    # on who filled the cache.
    made_by = f"zopfli {importlib.metadata.version('zopfli')} {ITERATIONS}\n"
    path = cache / sha256(made_by.encode() + content).hexdigest()
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    if _inflated(kept, len(content)) == content:
        return kept
    stream: bytes = compress(content, numiterations=ITERATIONS)[HEADER:-CHECKSUM]
    if _inflated(stream, len(content)) != content:
        raise ValueError("zopfli gave another content")
    with contextlib.suppress(OSError):  # read-only or full: compressed again by the next build
        _keep(path, stream)
    return stream


def _inflated(stream: bytes, size: int) -> bytes | None:
    """Decompress a whole stream; None where it is damaged, or holds more than that size."""
    reader = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more than is wanted: a stream that is too long must not fill the memory before
        # it is refused.
        content = reader.decompress(stream, size + 1)
    except zlib.error:
        return None
    return content if reader.eof and not reader.unused_data else None


def _keep(path: Path, stream: bytes) -> None:
    """Write a file that gets its name when it is whole.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: builds run side by side, and read each other's cache.
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(stream)
        Path(scratch).rename(path)
    except OSError:
        # On a full disk each build would otherwise leave what fills it.
        Path(scratch).unlink()
        raise
