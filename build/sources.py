"""`sources.py` of the packed agent: reads a part from the archive, compiles its modules, keeps what it compiled.

A first run compiles so much that a second process helps (ahead.py). What a run compiled is written when it
ends, as one file; each module's code has its own seal there, because nothing is flushed to the disk.
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
    """A part in the agent's file; its checksum is compared before anything of it runs.

    Args:
        part: Its name.
    """

    def __init__(self, part: str) -> None:
        name = f"parts/{part}.zip"
        self.data = front.read(name)
        # A damaged download or disk, not an attacker, who could change the CRC too; that is what
        # the release's signature is for.
        if zlib.crc32(self.data) != front.table[name][3]:
            refuse_archive(name)
        self.places = front.entries(self.piece, len(self.data))

    def piece(self, size: int, start: int) -> bytes:
        """Return a piece of the archive."""
        return self.data[start : start + size]


def content(part: str, path: str) -> bytes:
    """Read a file of a part."""
    if part not in opened:
        opened[part] = Archive(part)
    archive = opened[part]
    return front.content(archive.piece, archive.places[path])


def compiled(part: Part, path: str) -> tuple[CodeType, bytes]:
    """Compile a module; returns the code, and the bytes in which it is kept."""
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
    """Let another process compile what will be imported, if there is a second processor for it."""
    # Affinity, not os.cpu_count(): a container or a unit may be confined to one processor of many.
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
    """Write what was compiled of each part, together with what was kept before."""
    for part in parts:
        if part.name == front.BASE:
            part.compiled.update({path: marshal.dumps(code) for path, code in front.fresh.items()})
        if part.compiled and part.top:
            try:
                keep_part(part)
            except OSError:
                pass  # read-only or full: compiled at each start


def keep_part(part: Part) -> None:
    """Write one file with everything that was ever compiled of a part.

    Raises:
        OSError: It cannot be written.
    """
    whole, index, at = [], {}, 16
    # Another run may have kept more in the meantime.
    held, before = cache.kept(part.top)
    codes = {path: os.pread(held, size, start) for path, (start, size, _) in before.items()}
    codes.update(part.compiled)
    # The index comes first but its length depends on the offsets in it: reserve room for the largest ones.
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
