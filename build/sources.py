"""`sources.py` of the packed agent: reads a part out of the archive, compiles its modules, keeps what it compiled.

A first run compiles so much that a second process helps (ahead.py). What a run has compiled is written when it
ends, as one file; each module's code there has a seal of its own, for nothing is flushed to the disk.
"""

from __future__ import annotations

import atexit
import marshal
import os
import zlib
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import source_hash

import cache
import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import NoReturn

    from ahead import Ahead
    from parts import Part

DAMAGED = 4
WORTH = 50
"""Modules for which another process is worth its start: a plugin's few are not."""

opened: dict[str, Archive] = {}

other: Ahead | None = None
"""The process that compiles ahead, in a first run."""


class Archive:
    """A part in the agent's file; all of it is compared with its checksum before anything of it is run.

    Args:
        part: Its name.
    """

    def __init__(self, part: str) -> None:
        name = f"parts/{part}.zip"
        self.data = front.read(name)
        if zlib.crc32(self.data) != front.table[name][3]:
            refuse_archive(name)
        self.places = front.entries(self.piece, len(self.data))

    def piece(self, size: int, start: int) -> bytes:
        """A piece of the archive."""
        return self.data[start : start + size]


def content(part: str, path: str) -> bytes:
    """Read a file of a part."""
    if part not in opened:
        opened[part] = Archive(part)
    archive = opened[part]
    return front.content(archive.piece, archive.places[path])


def compiled(part: Part, path: str) -> tuple[CodeType, bytes]:
    """Compile a module; gives it also as it is kept."""
    global other
    if part.name == front.BASE and not part.kept and not part.compiled:
        other = beside(part.name)
    data = other.take(path) if other is not None and part.name == front.BASE else None
    if data is not None:
        code: CodeType = marshal.loads(data)  # noqa: S302 - of this very program
        return code, data
    code = compile_now(part.name, path)
    return code, marshal.dumps(code)


def compile_now(part: str, path: str) -> CodeType:
    """Compile a module in this process."""
    code: CodeType = compile(
        content(part, path), f"{front.own_path()}/{path}", "exec", dont_inherit=True, optimize=0
    )
    return code


def beside(part: str) -> Ahead | None:
    """Have another process compile what is going to be imported, where it has a processor of its own."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    foreseen = front.read("manifest/first").decode().splitlines()
    if len(foreseen) < WORTH:
        return None
    content(part, foreseen[0])  # opens the part, for both
    try:
        process: Ahead = front.companion("ahead").Ahead(
            foreseen, lambda path: compile_now(part, path)
        )
    except (OSError, AttributeError):  # a C library without memfd_create
        return None
    atexit.register(process.end)
    return process


def keep(parts: list[Part]) -> None:
    """Write what was compiled of each part, beside what had been kept before."""
    for part in parts:
        if part.compiled and part.top:
            try:
                keep_part(part)
            except OSError:
                pass  # read-only, or full: it is compiled each time


def keep_part(part: Part) -> None:
    """Write one file of everything that was ever compiled of a part.

    Raises:
        OSError: It cannot be written.
    """
    whole, index, at = [], {}, 16
    # Another run may have kept more in the meantime.
    held, before = cache.kept(part.top)
    codes = {path: os.pread(held, size, start) for path, (start, size, _) in before.items()}
    codes.update(part.compiled)
    # The index comes first, and how long it is depends on where it says that the rest is.
    room = len(marshal.dumps({path: (1 << 30, 1 << 30, bytes(8)) for path in codes}))
    at += room
    for path, code in codes.items():
        if path in part.compiled or source_hash(before[path][0], code) == before[path][2]:
            index[path] = at, len(code), source_hash(at, code)
            whole.append(code)
            at += len(code)
    table = marshal.dumps(index).ljust(room, b"\0")
    head = MAGIC_NUMBER + room.to_bytes(4, "little") + source_hash(0, table)
    front.companion("unpack").replace(part.top + cache.CODE, head + table + b"".join(whole))


def refuse_archive(what: object) -> NoReturn:
    """Refuse the agent's own file."""
    front.refuse(
        DAMAGED,
        f"MA7105 {front.own_path()} is damaged, or was replaced while it ran ({what}); "
        "compare its SHA-256 with that of the release",
    )
