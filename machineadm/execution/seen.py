"""What is at a path, as a value that can be kept and compared."""

from __future__ import annotations

from typing import Literal

import msgspec

from machineadm.actions.files import READABLE_BY_OTHERS
from machineadm.host.effects import (
    Effect,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    WriteFile,
)
from machineadm.host.ports import LARGEST_READ, FileKind, FileStat, Host

# The kernel stamps ctime from a clock that ticks every few milliseconds (current_time(), jiffies). A change in the same tick as
# our look leaves ctime as it was, so a look is trusted only if the last change was clearly before it. Nanoseconds.
_GRANULARITY = 100_000_000


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path as it was seen: two that are equal have the same content, mode, owner and target."""

    kind: Literal["absent", "file", "directory", "link", "other"]
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    sha256: str = ""
    """Hex, of a file's content; of one that is nothing but holes, when it was changed last."""
    target: str = ""
    """Of a link."""

    @property
    def is_private(self) -> bool:
        """Whether neither group nor others may read it: then no plan shows it."""
        return self.kind == "file" and not self.mode & READABLE_BY_OTHERS


ABSENT = Seen(kind="absent")


class Eyes:
    """Looks at paths. One that has not changed since the last look is not read again.

    Args:
        host: The machine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, tuple[FileStat, float, Seen]] = {}

    def look(self, path: str) -> Seen:
        """What is at a path now."""
        stat = self._host.files.stat(path)
        if stat is None:
            return ABSENT
        known = self._known.get(path)
        if known and known[0] == stat and stat.changed + _GRANULARITY < known[1]:
            return known[2]
        # Taken before the read: a change during it must not look older than the look.
        at = self._host.clock.now() * 1e9
        seen = self._read(path, stat)
        # With the whole stat: a file that was exchanged has another ctime, whatever its size and
        # mode.
        self._known[path] = stat, at, seen
        return seen

    def _read(self, path: str, stat: FileStat) -> Seen:
        if stat.kind is FileKind.LINK:
            target = self._host.files.readlink(path) or ""
            if stat.uid != 0 and self._host.files.can_give(0, 0):
                # Put back by us the link would be root's, and root's links are followed: the user would have root write
                # wherever he has pointed (ADR 0007).
                return Seen(kind="other", uid=stat.uid, gid=stat.gid, target=target)
            return Seen(kind="link", target=target)
        # Without size and times, which change with every entry: what is in a directory is looked
        # at by itself.
        if stat.kind is FileKind.DIRECTORY:
            return Seen(kind="directory", mode=stat.mode, uid=stat.uid, gid=stat.gid)
        if stat.kind is not FileKind.FILE:
            return Seen(kind="other", mode=stat.mode, uid=stat.uid, gid=stat.gid)
        return Seen(
            kind="file",
            mode=stat.mode,
            uid=stat.uid,
            gid=stat.gid,
            size=stat.size,
            # One that was not read is another one as soon as anything of it changes.
            sha256=self._host.files.sha256(path) or f"not read, {stat.changed}",
        )


class EyesByHost:
    """The eyes for each host of a run: the machine and its overlay do not show the same files."""

    def __init__(self) -> None:
        self._eyes: dict[int, Eyes] = {}

    def of(self, host: Host) -> Eyes:
        """The eyes that look at a host."""
        # Keyed by id, which is safe because Eyes keeps its host alive: no later object can get the same id.
        return self._eyes.setdefault(id(host.files), Eyes(host))


def shown_content(path: str, seen: Seen, host: Host) -> bytes | None:
    """A file's content, for a diff. None if it is not a file, or too large to be compared line by line."""
    fits = seen.kind == "file" and seen.size <= LARGEST_READ
    return host.files.read(path) if fits else None


def entries_below(path: str, host: Host, *, most: int) -> list[str]:
    """Everything at a path and below it, a directory before its entries, mounts not crossed. Nothing if there is more than `most`.

    All or nothing, because a truncated list would be a different part of the tree after the first entry that comes or goes.
    """
    top = host.files.stat(path)
    if top is None:
        return []
    found: list[str] = []
    todo = [(path, top)]
    while todo:
        if len(found) > most:
            return []
        here, stat = todo.pop()
        found.append(here)
        if stat.kind is not FileKind.DIRECTORY:
            continue
        # Reversed, because the list of what is left is a stack: entries come out in the order of
        # their names.
        for name in reversed(host.files.list(here)):
            below = f"{here.rstrip('/')}/{name}"
            if (one := host.files.stat(below)) is not None and one.device == top.device:
                todo.append((below, one))
    return found


def restoring(
    path: str,
    seen: Seen,
    content: bytes | None,
    *,
    there: Seen,
    now: bytes | None,
    hidden: bool,
    note: str,
) -> tuple[Effect, ...]:
    """The effects that make a path what was seen there.

    Args:
        path: The path.
        seen: What it should be: a file, a directory, a link or nothing.
        content: Of the file.
        there: What is there.
        now: The content that is there, for a diff.
        hidden: Contents are never shown.
        note: For the plan: why.
    """
    hidden = hidden or seen.is_private
    if seen.kind == "absent" and there.kind == "directory":
        return (RemoveDirectory(path=path, note=note),)
    if seen.kind == "absent":
        return (RemoveFile(path=path, before=now, sensitive=hidden, note=note),)
    if seen.kind == "directory":
        made = MakeDirectory(path=path, mode=seen.mode, owner=(seen.uid, seen.gid), note=note)
        if there.kind in ("absent", "directory"):
            return (made,)
        return RemoveFile(path=path, before=now, sensitive=hidden, note=note), made
    # rename(2) puts a file or link in the place of any other, but never in that of a directory.
    way: tuple[Effect, ...] = ()
    if there.kind == "directory":
        way = (RemoveDirectory(path=path, note=note),)
    if seen.kind == "link":
        return *way, MakeLink(path=path, target=seen.target, note=note)
    written = WriteFile(
        path=path,
        content=content or b"",
        mode=seen.mode,
        uid=seen.uid,
        gid=seen.gid,
        before=now,
        sensitive=hidden,
        note=note,
    )
    return *way, written
