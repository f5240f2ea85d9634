"""Walking a tree by descriptors, so that no symbolic link leads out of its root.

Every link is resolved as if the root were `/`, also while somebody else changes the tree: each component is opened
relative to the descriptor of the one before, and never followed by the kernel. openat2(2) would do the same in one
call, but not on the kernels of RHEL 8 and its kin (4.18).
"""

from __future__ import annotations

import contextlib
import errno
import os
import weakref
from collections.abc import Iterator

from machineadm.errors import HostError
from machineadm.host.linux.descriptors import close_all, make_folder

MOST_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Tree:
    """A root folder, held open.

    Args:
        root: Absolute path of the folder that stands for `/`.

    Raises:
        HostError: There is no such folder.
    """

    def __init__(self, root: str) -> None:
        try:
            self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(
                "MA3010",
                f"cannot work below {root}: {error.strerror}",
                hint="--root names an existing folder",
            ) from error
        weakref.finalize(self, os.close, self._root)

    @contextlib.contextmanager
    def parent(self, path: str, *, follow: bool = False) -> Iterator[tuple[int, str]]:
        """As `walk`, with a descriptor that is closed on leaving.

        Args:
            path: Absolute path below the root.
            follow: Resolve the last component, too, while it is a link.

        Yields:
            A descriptor of the folder that holds the last component, and the name below it.
        """
        folder, name = self.walk(path, follow=follow)
        try:
            yield folder, name
        finally:
            os.close(folder)

    def walk(
        self, path: str, *, follow: bool, made: list[tuple[int, str]] | None = None
    ) -> tuple[int, str]:
        """Find the folder that holds the last component of a path.

        Args:
            path: Absolute path below the root.
            follow: Resolve the last component, too, while it is a link.
            made: Given, missing folders are made, and each is noted here as (descriptor of its parent, name), the
                outermost first; the caller closes these.

        Returns:
            A descriptor of the folder opened with O_PATH, which the caller closes, and the last component's name, which
            may not exist; `.` for the root itself.

        Raises:
            FileNotFoundError: A folder on the way is missing.
            NotADirectoryError: A part of the way is no folder.
            OSError: There are too many links, or what else the kernel says.
        """
        opened: list[int] = []
        todo = _parts(path)
        links = 0
        try:
            while todo:
                name = todo.pop()
                if name == "..":
                    if opened:
                        os.close(opened.pop())
                    continue
                if not todo and not follow:
                    return self._last(opened), name
                here = opened[-1] if opened else self._root
                try:
                    opened.append(os.open(name, _FOLDER, dir_fd=here))
                except FileNotFoundError:
                    if not todo:
                        return self._last(opened), name
                    if made is None:
                        raise
                    make_folder(here, name, 0o755)
                    made.append((os.dup(here), name))
                    todo.append(name)
                except NotADirectoryError:
                    target = _link_target(name, here)
                    if target is None and not todo:
                        return self._last(opened), name
                    if target is None:
                        raise
                    links += 1
                    if links > MOST_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
                    if target.startswith("/"):
                        close_all(opened)
                        opened.clear()
                    todo.extend(_parts(target))
            return self._last(opened), "."
        finally:
            close_all(opened)

    def _last(self, opened: list[int]) -> int:
        """The descriptor reached, taken out of the list: the caller's to close."""
        return opened.pop() if opened else os.dup(self._root)


def _parts(path: str) -> list[str]:
    """Components, the first one last, ready to be popped."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _link_target(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise
