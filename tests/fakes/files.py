"""Files in memory."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Collection, Sequence

import msgspec

from machineadm.errors import HostError, MachineadmError
from machineadm.host.ports import LARGEST_READ, FileContent, FileKind, FileStat, FileWrite
from tests.fakes.clock import FakeClock

_CHANGES = itertools.count(1)


class Node(msgspec.Struct, kw_only=True, eq=False):
    kind: FileKind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""
    changed: int = msgspec.field(default_factory=_CHANGES.__next__)
    born: int = 0

    def __eq__(self, other: object) -> bool:
        """When it was changed does not count."""
        return isinstance(other, Node) and self._seen() == other._seen()

    __hash__ = None  # type: ignore[assignment]

    def _seen(self) -> tuple[object, ...]:
        return self.kind, self.mode, self.uid, self.gid, self.content, self.target


class FakeFiles:
    """Files in memory.

    Attributes:
        nodes: What there is, by path; `/` and every parent directory included.
        written: Paths of all files written, in order.
        removed: Paths of all files removed, in order.
        failures: Errors to raise when a path is written; a test puts them in.
        uid: Who runs this; 0 may give files away.
        devices: Numbers of file systems by where they are mounted; 0 is that of all else.
        clock: Tells when a path changes; None: a time before all others, which only grows.
    """

    def __init__(self, *, uid: int = 0) -> None:
        self.nodes: dict[str, Node] = {"/": Node(kind=FileKind.DIRECTORY, mode=0o755)}
        self.written: list[str] = []
        self.removed: list[str] = []
        self.made: list[str] = []
        self.failures: dict[str, MachineadmError] = {}
        self.devices: dict[str, int] = {}
        self.uid = uid
        self.clock: FakeClock | None = None

    # What a test prepares.

    def put(
        self,
        path: str,
        content: bytes | str = b"",
        *,
        mode: int = 0o644,
        uid: int = 0,
        gid: int = 0,
    ) -> None:
        """Lay a file down, uncounted."""
        self._make_parents(path)
        data = content.encode() if isinstance(content, str) else content
        there = self.nodes.get(path)
        node = self._new(Node(kind=FileKind.FILE, mode=mode, uid=uid, gid=gid, content=data))
        node.born = node.changed if there is None else there.born
        self.nodes[path] = node

    def put_link(self, path: str, target: str, *, uid: int = 0) -> None:
        """Lay a symbolic link down, uncounted."""
        self._make_parents(path)
        self.nodes[path] = self._new(Node(kind=FileKind.LINK, mode=0o777, uid=uid, target=target))

    def special(self, path: str) -> None:
        """Lay a device, pipe or socket down."""
        self._make_parents(path)
        self.nodes[path] = Node(kind=FileKind.OTHER)

    # The port.

    def stat(self, path: str) -> FileStat | None:
        where = self._resolve(path, follow=False)
        node = None if where is None else self.nodes.get(where)
        if node is None:
            return None
        size = len(node.content) if node.kind is FileKind.FILE else 0
        return FileStat(
            kind=node.kind,
            mode=node.mode,
            uid=node.uid,
            gid=node.gid,
            size=size,
            changed=node.changed,
            device=self._device(where or "/"),
        )

    def _device(self, path: str) -> int:
        above = (one for one in self.devices if path == one or path.startswith(f"{one}/"))
        return self.devices.get(max(above, key=len, default=""), 0)

    def born(self, path: str) -> int | None:
        where = self._resolve(path, follow=False)
        node = None if where is None else self.nodes.get(where)
        return None if node is None else node.born

    def read(self, path: str, *, limit: int = LARGEST_READ) -> bytes | None:
        return self._content(path, limit=limit)

    def read_for_append(
        self, path: str, *, owners: Collection[int] = (), limit: int = LARGEST_READ
    ) -> FileContent | None:
        stat, content = self.stat(path), self._content(path, limit=limit, follow=False)
        if stat is None or content is None:
            return None
        directory = self.nodes[(self._resolve(path, follow=False) or "").rpartition("/")[0] or "/"]
        if not self._trusts(stat.uid) and stat.uid not in (directory.uid, *owners):
            raise HostError("MA3015", f"cannot append to {path}: it belongs to user {stat.uid}")
        return FileContent(stat=stat, content=content)

    def _trusts(self, uid: int) -> bool:
        return uid in (0, self.uid, self.nodes["/"].uid)

    def _content(self, path: str, *, limit: int = sys.maxsize, follow: bool = True) -> bytes | None:
        where = self._resolve(path, follow=follow)
        node = None if where is None else self.nodes.get(where)
        if node is None:
            return None
        if node.kind is not FileKind.FILE:
            raise HostError("MA3004", f"cannot read {path}: it is a {node.kind.value}")
        if len(node.content) > limit:
            raise HostError("MA3014", f"cannot read {path}: it is larger than {limit} bytes")
        return node.content

    def readlink(self, path: str) -> str | None:
        where = self._resolve(path, follow=False)
        node = None if where is None else self.nodes.get(where)
        return node.target if node is not None and node.kind is FileKind.LINK else None

    def sha256(self, path: str) -> str | None:
        content = self._content(path, follow=False)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def sha512(self, path: str) -> str | None:
        content = self._content(path, follow=False)
        return None if content is None else hashlib.sha512(content).hexdigest()

    def list(self, path: str) -> tuple[str, ...]:
        where = self._resolve(path, follow=True)
        if where is None or where not in self.nodes:
            return ()
        if self.nodes[where].kind is not FileKind.DIRECTORY:
            raise HostError("MA3005", f"cannot list {path}: a part of the path is not a directory")
        start = where.rstrip("/") + "/"
        return tuple(
            sorted(
                node[len(start) :]
                for node in self.nodes
                if node.startswith(start) and node != "/" and "/" not in node[len(start) :]
            )
        )

    def write(self, batch: Sequence[FileWrite]) -> None:
        """All contents are gathered first, as the real one writes all temporary files before the first rename."""
        before = dict(self.nodes)
        ready: list[tuple[str, FileWrite, bytes]] = []
        try:
            for write in batch:
                self._fail_if_told(write.path)
                where = self._place(write.path)
                content = write.content
                data = content if isinstance(content, bytes) else b"".join(content())
                ready.append((where, write, data))
        except BaseException:
            self.nodes = before
            raise
        for where, write, data in ready:
            node = self.nodes.get(where)
            if node is not None and node.kind is FileKind.DIRECTORY:
                raise HostError("MA3004", f"cannot write {write.path}: a directory is there")
            node = Node(
                kind=FileKind.FILE,
                mode=write.mode,
                uid=self.uid if write.uid is None else write.uid,
                gid=self.uid if write.gid is None else write.gid,
                content=data,
            )
            self.nodes[where] = self._new(node)
            self.written.append(write.path)

    def link(self, path: str, target: str) -> None:
        self._fail_if_told(path)
        where = self._place(path)
        node = self.nodes.get(where)
        if node is not None and node.kind is FileKind.DIRECTORY:
            raise HostError("MA3004", f"cannot link {path}: a directory is there")
        self.nodes[where] = self._new(Node(kind=FileKind.LINK, mode=0o777, target=target))
        self.written.append(path)

    def make_directory(
        self, path: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None
    ) -> None:
        where = self._resolve(path, follow=owner is None, make=True)
        assert where is not None
        node = self.nodes.get(where)
        if owner is not None and (node is None or node.kind is FileKind.DIRECTORY):
            self.nodes[where] = self._directory(mode)
            self.nodes[where].uid, self.nodes[where].gid = owner
            self.made.append(path)
        elif node is None:
            self.nodes[where] = self._directory(mode)
            self.made.append(path)
        elif node.kind is not FileKind.DIRECTORY:
            raise HostError("MA3005", f"cannot make directory {path}: something else is there")

    def remove(self, path: str) -> None:
        where = self._resolve(path, follow=False)
        if where is None or where not in self.nodes:
            return
        if self.nodes[where].kind is FileKind.DIRECTORY:
            raise HostError("MA3004", f"cannot remove {path}: a directory is there")
        del self.nodes[where]
        self.removed.append(path)

    def remove_directory(self, path: str) -> None:
        where = self._resolve(path, follow=False)
        node = self.nodes.get(where or "")
        if where is None or node is None:
            return
        if node.kind is not FileKind.DIRECTORY:
            raise HostError("MA3005", f"cannot remove {path}: it is not a directory")
        if not self.list(where):
            del self.nodes[where]
            self.removed.append(path)

    def can_give(self, uid: int, gid: int) -> bool:
        return self.uid == 0 or uid == gid == self.uid

    def _fail_if_told(self, path: str) -> None:
        if path in self.failures:
            raise self.failures[path]

    def _place(self, path: str) -> str:
        where = self._resolve(path, follow=False, make=True)
        assert where is not None
        return where

    def _resolve(self, path: str, *, follow: bool, make: bool = False) -> str | None:
        """The path without links; None where a directory on the way is missing."""
        # Behind what a user's link was resolved to stands the link: there it must have led to a directory of his.
        todo: list[str | Node] = [*_parts(path)]
        here: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if isinstance(part, Node):
                if self.nodes["/" + "/".join(here)].uid != part.uid:
                    raise _led_astray(path, part)
                continue
            if part == "..":
                here = here[:-1]
                continue
            where = "/" + "/".join([*here, part])
            node = self.nodes.get(where)
            if not todo and not follow:
                return where
            if node is None and not todo:
                return where
            foreign = [link for link in todo if isinstance(link, Node)]
            if node is None and make:
                if foreign:
                    raise _led_astray(path, foreign[0])
                node = self.nodes[where] = self._directory(0o755)
            if node is None:
                return None
            if node.kind is FileKind.LINK:
                links += 1
                if links > 40:
                    raise HostError("MA3006", f"cannot look at {path}: too many symbolic links")
                here = [] if node.target.startswith("/") else here
                todo += [] if self._trusts(node.uid) else [node]
                todo += _parts(node.target)
                continue
            if node.kind is not FileKind.DIRECTORY and todo:
                if foreign:
                    raise _led_astray(path, foreign[0])
                if make:
                    raise HostError(
                        "MA3005", f"cannot write {path}: a part of the path is not a directory"
                    )
                return None
            here.append(part)
        return "/" + "/".join(here)

    def _directory(self, mode: int) -> Node:
        node = Node(kind=FileKind.DIRECTORY, mode=mode, uid=self.uid, gid=self.uid)
        return self._new(node)

    def _new(self, node: Node) -> Node:
        """It is made now."""
        node.changed = next(_CHANGES) + (int(self.clock.now() * 1e9) if self.clock else 0)
        node.born = node.changed
        return node

    def _make_parents(self, path: str) -> None:
        parts = path.strip("/").split("/")[:-1]
        for count in range(1, len(parts) + 1):
            self.nodes.setdefault(
                "/" + "/".join(parts[:count]),
                self._new(Node(kind=FileKind.DIRECTORY, mode=0o755)),
            )


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _led_astray(path: str, link: Node) -> HostError:
    return HostError("MA3013", f"cannot look at {path}: a link of user {link.uid} leads astray")
