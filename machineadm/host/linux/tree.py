"""Walking a tree by descriptors, so that no symbolic link leads root astray.

Every link is resolved as if the tree's root were `/`, even while somebody else changes the tree: each component is opened
relative to the descriptor of the one before, and the kernel never follows a link. openat2(2) with RESOLVE_IN_ROOT would do that
in one call, but RHEL 8 and its clones (kernel 4.18) do not have it, and it does not check whose links they are.

The owner of a link decides (docs/adr/0007): a link of root's is followed, one of another user only into that user's own
directories, where he can write anyway.
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
        root: Absolute path of the directory used as `/`.

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
        # Whoever owns the root can exchange everything below it, so following his links gives him nothing new. The same
        # applies to the user who runs this.
        self._trusted = frozenset((0, os.geteuid(), os.fstat(self._root).st_uid))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # Not weakref.finalize, which every start would have to import. Without `_root` the open failed. `close` is a default
        # argument because `os` may be gone when the interpreter ends.
        if hasattr(self, "_root"):
            close(self._root)

    def trusts(self, uid: int) -> bool:
        """Whether a user counts as root here: root itself, the owner of the tree's root, and whoever runs this."""
        return uid in self._trusted

    @contextlib.contextmanager
    def parent(self, path: str, *, follow: bool = False) -> Iterator[tuple[int, str]]:
        """Like `walk`, with a descriptor that is closed on leaving.

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
            made: If given, missing directories are created, and each is noted here as (descriptor of its parent, name),
                the outermost first. The caller closes the descriptors.

        Returns:
            A descriptor of the directory opened with O_PATH, which the caller closes, and the last component's name, which
            may not exist; `.` for the root itself.

        Raises:
            FileNotFoundError: A directory on the way is missing.
            NotADirectoryError: A part of the way is not a directory.
            RefusedError: MA3013: A link on the way must not be followed.
            OSError: There are too many links, or the kernel refuses for another reason.
        """
        opened: list[int] = []
        # What is left of the path, the next part last. The parts of a link that is not root's are followed by the link
        # itself: when its turn comes, the walk is where the link has led, and that directory's owner is checked.
        todo: list[str | _Link] = [*_parts(path)]
        links = 0
        try:
            while todo:
                name = todo.pop()
                # Relative to the last descriptor and never by path: a directory that is renamed
                # meanwhile is still the one that was checked.
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
                    # A link, most likely; but it may have been exchanged since. From here on the descriptor counts, not the name.
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
                    # The kernel's own limit (path_resolution(7)): links that point at each other
                    # must end.
                    if links > MOST_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                    # Pushed before the parts of its target, so that it is popped after them.
                    if not self.trusts(link.uid):
                        todo.append(link)
                    # An absolute target starts at the tree's root, not at the machine's.
                    if link.target.startswith("/"):
                        close_all(opened)
                        opened.clear()
                    todo.extend(_parts(link.target))
            # The whole path is a directory that was entered: `.` is a name for it that every call
            # takes.
            return self._last(opened), "."
        finally:
            close_all(opened)

    def _last(self, opened: list[int]) -> int:
        """The descriptor reached, taken out of the list: the caller's to close."""
        return opened.pop() if opened else os.dup(self._root)

    def _link(self, name: str, there: int, status: os.stat_result, directory: int) -> _Link | None:
        """The link at an open descriptor, if it is one."""
        if not stat.S_ISLNK(status.st_mode):
            return None
        # An empty path with O_PATH reads the link that was opened, whatever has its name by now.
        link = _Link(name=name, target=os.readlink("", dir_fd=there), uid=status.st_uid)
        if status.st_nlink > 1:
            place = os.fstat(directory)
            if not self.trusts(place.st_uid) or place.st_mode & _WRITABLE_BY_OTHERS:
                # With fs.protected_hardlinks=0 a user can hard-link a link of root's into a directory of his own: it would
                # be trusted as root's, in a place that the user has chosen.
                link.refuse("under several names")
        return link


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """A symbolic link on the way."""

    name: str
    target: str
    uid: int

    def require_own(self, directory: int) -> None:
        """Refuse to go on from a directory that belongs to somebody other than the link's owner."""
        owner = os.fstat(directory).st_uid
        if owner != self.uid:
            self.refuse(f"to a directory of user {owner}")

    def refuse(self, where: str) -> NoReturn:
        """Refuse to follow the link.

        Args:
            where: Where it leads, to follow "that leads ".

        Raises:
            RefusedError: Always.
        """
        raise RefusedError(
            "MA3013",
            f"{self.name[:_SHOWN]!r} is a link of user {self.uid} that leads {where}: {self.target[:_SHOWN]!r}",
            "a user's link is followed only into that user's own directories; remove it, or use the real path",
        )


def _refuse_beyond(todo: list[str | _Link], where: str) -> None:
    """Refuse to go on if a link that is not root's has led to a place that cannot be checked."""
    for link in todo:
        if isinstance(link, _Link):
            link.refuse(where)


def _parts(path: str) -> list[str]:
    """Components, the first one last, ready to be popped."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
