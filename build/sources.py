"""`sources.py` of the packed agent: reads a part out of the archive, compiles its modules, keeps what it compiled.

What a run has compiled is written when it
ends, as one file; each module's code there has a seal of its own, for nothing is flushed to the disk.
"""

from __future__ import annotations

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

    from parts import Part

DAMAGED = 4

opened: dict[str, Archive] = {}


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


def compiled(part: str, path: str) -> tuple[CodeType, bytes]:
    """Compile a module; gives it also as it is kept."""
    code: CodeType = compile(
        content(part, path), f"{front.own_path()}/{path}", "exec", dont_inherit=True, optimize=0
    )
    return code, marshal.dumps(code)


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
