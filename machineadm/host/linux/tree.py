"""Walking a tree by descriptors, so that no symbolic link leads root astray.

Every link is resolved as if the tree's root were `/`, also while somebody else changes the tree: each component is opened
relative to the descriptor of the one before, and never followed by the kernel. openat2(2) would keep links below the
root in one call, but not on the kernels of RHEL 8 and its kin (4.18), and it does not ask whose links they are.

Whose they are decides (docs/adr/0007): a link of root's is followed; one of another user only into that user's own
directories, where he may write himself.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import NoReturn

import msgspec

from machineadm.errors import HostError
from machineadm.host.linux.descriptors import close_all, make_directory_at
from machineadm.host.linux.faults import RefusedError

MOST_LINKS = 40
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WHATEVER = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITABLE_BY_OTHERS = 0o022
_SHOWN = 200


class Tree:
    """A root directory, held open.

    Args:
        root: Absolute path of the directory that stands for `/`.

    Raises:
        HostError: There is no such directory.
    """

    def __init__(self, root: str) -> None:
        try:
            self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(
                "MA3010",
                f"cannot work below {root}: {error.strerror}",
                hint="--root must name an existing directory",
            ) from error
        # Whoever owns the root can exchange all that lies below it, so following his links gives him nothing more; nor
        # does it whoever runs this.
        self._trusted = frozenset((0, os.geteuid(), os.fstat(self._root).st_uid))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Not weakref.finalize, which every start would have to import. What could not be opened has no descriptor; when
        # the interpreter ends, `os` may be gone already.
        if hasattr(self, "_root"):
            close(self._root)

    def trusts(self, uid: int) -> bool:
        """Whether a user counts as root here: root itself, the owner of the tree's root, and whoever runs this."""
        return uid in self._trusted

    @contextlib.contextmanager
    def parent(self, path: str, *, follow: bool = False) -> Iterator[tuple[int, str]]:
        """As `walk`, with a descriptor that is closed on leaving.

        Args:
            path: Absolute path below the root.
            follow: Resolve the last component, too, while it is a link.

        Yields:
            A descriptor of the directory that holds the last component, and the name below it.
        """
        directory, name = self.walk(path, follow=follow)
        try:
            yield directory, name
        finally:
            os.close(directory)

    def walk(
        self, path: str, *, follow: bool, made: list[tuple[int, str]] | None = None
    ) -> tuple[int, str]:
        """Find the directory that holds the last component of a path.

        Args:
            path: Absolute path below the root.
            follow: Resolve the last component, too, while it is a link.
            made: Given, missing directories are made, and each is noted here as (descriptor of its parent, name), the
                outermost first; the caller closes these.

        Returns:
            A descriptor of the directory opened with O_PATH, which the caller closes, and the last component's name, which
            may not exist; `.` for the root itself.

        Raises:
            FileNotFoundError: A directory on the way is missing.
            NotADirectoryError: A part of the way is not a directory.
            RefusedError: MA3013: A link on the way is not to be followed.
            OSError: There are too many links, or what else the kernel says.
        """
        opened: list[int] = []
        # What is left of the way, the next part last. Behind the parts of a link that is not root's stands the link
        # itself: when its turn comes, it has led somewhere.
        todo: list[str | _Link] = [*_parts(path)]
        links = 0
        try:
            while todo:
                name = todo.pop()
                here = opened[-1] if opened else self._root
                if isinstance(name, _Link):
                    name.require_own(here)
                    continue
                if name == "..":
                    # At the root `..` is the root, as for the kernel: nothing leads out of the tree.
                    if opened:
                        os.close(opened.pop())
                    continue
                if not todo and not follow:
                    return self._last(opened), name
                try:
                    opened.append(os.open(name, _DIRECTORY, dir_fd=here))
                except FileNotFoundError:
                    if not todo:
                        return self._last(opened), name
                    if made is None:
                        raise
                    _refuse_beyond(todo, "nowhere")
                    # Then opened like any other, in case something else got the name first.
                    make_directory_at(here, name, 0o755)
                    made.append((os.dup(here), name))
                    todo.append(name)
                except NotADirectoryError:
                    # It may have become something else since: whatever it is now is held, and looked at.
                    there = os.open(name, _WHATEVER, dir_fd=here)
                    opened.append(there)
                    status = os.fstat(there)
                    if stat.S_ISDIR(status.st_mode):
                        continue
                    link = self._link(name, there, status, here)
                    os.close(opened.pop())
                    if link is None and not todo:
                        return self._last(opened), name
                    if link is None:
                        _refuse_beyond(todo, "to a file")
                        raise
                    links += 1
                    if links > MOST_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                    # Below the parts of its target, so that it is judged where these have led.
                    if not self.trusts(link.uid):
                        todo.append(link)
                    # Absolute means from the tree's root, not the machine's.
                    if link.target.startswith("/"):
                        close_all(opened)
                        opened.clear()
                    todo.extend(_parts(link.target))
            return self._last(opened), "."
        finally:
            close_all(opened)

    def _last(self, opened: list[int]) -> int:
        """The descriptor reached, taken out of the list: the caller's to close."""
        return opened.pop() if opened else os.dup(self._root)

    def _link(self, name: str, there: int, status: os.stat_result, directory: int) -> _Link | None:
        """What lies at an open descriptor, if it is a link."""
        if not stat.S_ISLNK(status.st_mode):
            return None
        # Of the link that was opened, whatever has its name by now.
        link = _Link(name=name, target=os.readlink("", dir_fd=there), uid=status.st_uid)
        if status.st_nlink > 1:
            place = os.fstat(directory)
            if not self.trusts(place.st_uid) or place.st_mode & _WRITABLE_BY_OTHERS:
                # Where the kernel lets him (fs.protected_hardlinks=0) a user gives root's link a further name here.
                link.refuse("under several names")
        return link


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """A symbolic link on the way."""

    name: str
    target: str
    uid: int

    def require_own(self, directory: int) -> None:
        """Refuse to go on from a directory that does not belong to the link's owner."""
        owner = os.fstat(directory).st_uid
        if owner != self.uid:
            self.refuse(f"to a directory of user {owner}")

    def refuse(self, where: str) -> NoReturn:
        """Follow it no further.

        Args:
            where: It leads.

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(
            "MA3013",
            f"{self.name[:_SHOWN]!r} is a link of user {self.uid} that leads {where}: {self.target[:_SHOWN]!r}",
            "a user's link is followed only into that user's own directories; remove it, or use the real path",
        )


def _refuse_beyond(todo: list[str | _Link], where: str) -> None:
    """Refuse what a link that is not root's has come to, if such a link is on the way."""
    for link in todo:
        if isinstance(link, _Link):
            link.refuse(where)


def _parts(path: str) -> list[str]:
    """Components, the first one last, ready to be popped."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
