"""Files as they would be.

Paths are compared as written: a file written through a link is not seen under its other name. The content of a
download is not known: a query finds a file without known content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from machineadm.errors import HostError
from machineadm.host.effects import (
    Download,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    WriteFile,
)
from machineadm.host.overlay.commands import refuse
from machineadm.host.ports import LARGEST_READ, FileContent, FileKind, Files, FileStat, FileWrite


class OverlayFiles:
    """The Files port; see the module."""

    def __init__(self, real: Files) -> None:
        self._real = real
        self._laid: dict[str, WriteFile | RemoveFile | MakeLink | MakeDirectory] = {}

    def lay(
        self, effect: WriteFile | RemoveFile | MakeLink | MakeDirectory | RemoveDirectory
    ) -> None:
        """Have later queries see an effect as done."""
        if isinstance(effect, RemoveDirectory):
            if not self.list(effect.path):
                # Only an empty one goes, as in the run: what a person has put there is seen by
                # later checks, too.
                self._laid[effect.path] = RemoveFile(path=effect.path)
            return
        if (
            isinstance(effect, MakeDirectory)
            and effect.owner is None
            and self.stat(effect.path) is not None
        ):
            return
        if not isinstance(effect, RemoveFile):
            self._lay_parents(effect.path)
        self._laid[effect.path] = effect

    def _lay_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent and self.stat(parent) is None:
            # Writing a file creates its parents, so later checks must see them.
            self._laid[parent] = MakeDirectory(path=parent)
            parent = parent.rpartition("/")[0]

    def stat(self, path: str) -> FileStat | None:
        """See `Files.stat`."""
        match self._laid.get(path):
            case None:
                return self._real.stat(path)
            case RemoveFile():
                return None
            case MakeLink(target=target):
                return FileStat(
                    kind=FileKind.LINK, mode=0o777, uid=0, gid=0, size=len(target.encode())
                )
            case MakeDirectory(mode=mode, owner=owner):
                uid, gid = owner or (0, 0)
                return FileStat(kind=FileKind.DIRECTORY, mode=mode, uid=uid, gid=gid, size=0)
            case WriteFile(mode=mode, uid=uid, gid=gid):
                content = self.read(path) or b""
                return FileStat(
                    kind=FileKind.FILE, mode=mode, uid=uid or 0, gid=gid or 0, size=len(content)
                )

    def read(self, path: str, *, limit: int = LARGEST_READ) -> bytes | None:
        """See `Files.read`.

        Raises:
            HostError: It is a directory.
        """
        match self._laid.get(path):
            case None:
                return self._real.read(path, limit=limit)
            case WriteFile(content=None, kept=bytes() as content):
                return content
            case WriteFile(content=None):
                return self._real.read(path, limit=limit)
            case WriteFile(content=bytes() as content):
                return content
            # Relative ones are not followed: they would have to be resolved as the kernel does
            # it, through links that are laid over others.
            case MakeLink(target=target) if target.startswith("/"):
                return self.read(target, limit=limit)
            case WriteFile():
                return b""
            case MakeDirectory():
                raise HostError("MA3004", f"cannot read {path}: it is not a regular file")
            case _:
                return None

    def read_for_append(
        self, path: str, *, owners: Collection[int] = (), limit: int = LARGEST_READ
    ) -> FileContent | None:
        """See `Files.read_for_append`.

        Raises:
            HostError: It is a link or directory.
        """
        match self._laid.get(path):
            case None:
                return self._real.read_for_append(path, owners=owners, limit=limit)
            case MakeLink():
                raise HostError("MA3004", f"cannot append to {path}: it is a symbolic link")
            case _:
                stat, content = self.stat(path), self.read(path)
                if stat is None or content is None:
                    return None
                return FileContent(stat=stat, content=content)

    def readlink(self, path: str) -> str | None:
        """See `Files.readlink`."""
        match self._laid.get(path):
            case None:
                return self._real.readlink(path)
            case MakeLink(target=target):
                return target
            case _:
                return None

    def born(self, path: str) -> int | None:
        """See `Files.born`; what is only laid over was not."""
        return None if path in self._laid else self._real.born(path)

    def sha256(self, path: str) -> str | None:
        """See `Files.sha256`."""
        return self._digest(path, "sha256", self._real.sha256)

    def sha512(self, path: str) -> str | None:
        """See `Files.sha512`."""
        return self._digest(path, "sha512", self._real.sha512)

    def list(self, path: str) -> tuple[str, ...]:
        """See `Files.list`."""
        start = path.rstrip("/") + "/"
        added, removed = set(), set()
        for laid, effect in self._laid.items():
            if laid.startswith(start):
                name, below, _ = laid[len(start) :].partition("/")
                if not isinstance(effect, RemoveFile):
                    added.add(name)
                elif not below:
                    removed.add(name)
        return tuple(sorted(added | (set(self._real.list(path)) - removed)))

    def write(self, batch: Sequence[FileWrite]) -> None:
        """See `Files.write`.

        Raises:
            InternalError: Always.
        """
        refuse(f"write {batch[0].path if batch else 'files'}")

    def link(self, path: str, target: str) -> None:
        """See `Files.link`.

        Raises:
            InternalError: Always.
        """
        del target
        refuse(f"link {path}")

    def make_directory(
        self, path: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None
    ) -> None:
        """See `Files.make_directory`.

        Raises:
            InternalError: Always.
        """
        del mode, owner
        refuse(f"make {path}")

    def remove_directory(self, path: str) -> None:
        """See `Files.remove_directory`.

        Raises:
            InternalError: Always.
        """
        refuse(f"remove {path}")

    def remove(self, path: str) -> None:
        """See `Files.remove`.

        Raises:
            InternalError: Always.
        """
        refuse(f"remove {path}")

    def can_give(self, uid: int, gid: int) -> bool:
        """See `Files.can_give`."""
        return self._real.can_give(uid, gid)

    def _digest(self, path: str, algorithm: str, real: Callable[[str], str | None]) -> str | None:
        laid = self._laid.get(path)
        if laid is None or (isinstance(laid, WriteFile) and laid.content is None):
            return real(path)
        if isinstance(laid, MakeLink):
            raise HostError("MA3004", f"cannot read {path}: it is a symbolic link")
        if isinstance(laid, WriteFile) and isinstance(laid.content, Download):
            # The digest that the configuration gives: the file will have it, or will not be there
            # at all.
            pinned = laid.content.sha256 if algorithm == "sha256" else laid.content.sha512
            # Not None, which would mean that there is no file; and equal to no digest.
            return pinned.lower() or "unknown"
        content = self.read(path)
        if content is None:
            return None
        import hashlib

        return hashlib.new(algorithm, content).hexdigest()
