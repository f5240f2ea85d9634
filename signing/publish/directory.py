"""A directory for any static web server, or on a volume of the management cluster.

Files get their names only when they are complete and flushed, so a reader sees the old file or the
new one. Publishers exclude each other by a lock on the directory itself, so no lock file is in the tree.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from signing import files
from signing.publish.stores import Held, Item, fail, fail_absent, fail_refused, fail_unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator


# Five seconds in all; a lock is held for one file only.
_LOCK_TRIES: Final = 100
_LOCK_PAUSE: Final = 0.05
_TEMPORARY: Final = ".publishing-"
# What link(2) gives on file systems without hard links.
_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class Directory:
    """A tree of files below one directory, which has to exist.

    Args:
        root: The directory.
    """

    stale_mark = "stale"
    promise = "links that replace nothing, and a lock on the directory"

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def list(self, prefix: str) -> frozenset[str]:
        """All names that begin so; unfinished files are not among them.

        Raises:
            HostError: MA1855, MA1858 or MA1859, as the kernel says.
        """
        with self._telling(self._root):
            if not self._root.is_dir():
                fail_absent(str(self._root))
            found = (
                Path(directory, file).relative_to(self._root).as_posix()
                # onerror: os.walk otherwise skips what it cannot read, and a release that is there
                # would be published again.
                for directory, _, names in os.walk(self._root, onerror=_raise)
                for file in names
                # Somebody else's half-written file, or one of a killed run; neither has been
                # released.
                if not file.startswith(_TEMPORARY)
            )
            return frozenset(name for name in found if name.startswith(prefix))

    def read(self, name: str) -> Held | None:
        """The file of that name, if there is one.

        Raises:
            HostError: MA1855 or MA1859, as the kernel says.
        """
        with self._telling(self._root / name):
            try:
                data = (self._root / name).read_bytes()
            except FileNotFoundError:
                return None
            return Held(data, _mark(data))

    def create(self, name: str, item: Item) -> bool:
        """Write what must not exist yet; False: it does.

        Raises:
            HostError: MA1855, MA1858 or MA1859, as the kernel says.
        """
        with self._locked(name) as path, _written_beside(path, item.data) as temporary:
            try:
                # link(2) never replaces, where rename(2) would.
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                # EEXIST is caught above. An error that is not one of a file system without links is
                # told as it is.
                if error.errno not in _NO_LINKS:
                    _tell(path, error)
                # A file system without hard links (FAT, some FUSE and SMB mounts): rely on the lock.
                if os.path.lexists(path):
                    return False
                temporary.rename(path)
            return True

    def replace(self, name: str, item: Item, mark: str) -> bool:
        """Write over what still has that mark; False: it has changed.

        Raises:
            HostError: MA1855, MA1858 or MA1859, as the kernel says.
        """
        # Read and write under one lock, or somebody could write between them.
        with self._locked(name) as path:
            held = self.read(name)
            # By content and not by time: a copy that was restored with other times is the same
            # pointer.
            if held is None or held.mark != mark:
                return False
            with _written_beside(path, item.data) as temporary:
                temporary.rename(path)
            return True

    @contextlib.contextmanager
    def _locked(self, name: str) -> Iterator[Path]:
        """The path of a name whose directory exists, with all other publishers kept out."""
        path = self._root / name
        with self._telling(path):
            try:
                # flock(2) on the directory itself: it ends with the process, whatever kills it.
                fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                fail_absent(str(self._root))
            try:
                _lock(fd, self._root)
                _make_directories(self._root, path.parent)
                for left in path.parent.glob(f"{_TEMPORARY}*"):
                    # Under the lock, so the writer of any temporary file that is here must be dead.
                    left.unlink()  # of a run that was killed: nobody else is at work
                yield path
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def _telling(self, path: Path) -> Iterator[None]:
        """Turn what the kernel says into our errors."""
        try:
            yield
        except OSError as error:
            _tell(path, error)


def _lock(fd: int, root: Path) -> None:
    """Keep other publishers out; each holds the lock for one file only.

    Raises:
        PassingError: MA1856, somebody keeps it.
    """
    # Tried and not waited for: a lock that is never given up should be told and not hang a
    # pipeline.
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_LOCK_PAUSE)
    fail_unreachable(str(root), "another publisher holds its lock")


@contextlib.contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """A flushed file with that content in the same directory, gone or renamed at the end; then the directory is flushed."""
    # For the server to read, whatever the umask.
    temporary = files.write_beside(path, data, 0o644, prefix=_TEMPORARY)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    # A new name is on the disk only when its directory is (fsync(2)).
    files.flush(path.parent)


def _make_directories(root: Path, directory: Path) -> None:
    """Make what is missing below the root, for a server to read, whatever the umask."""
    if directory == root or directory.is_dir():
        return
    # Parents first, each flushed: a file in a directory that a power cut loses is lost with it.
    _make_directories(root, directory.parent)
    directory.mkdir()
    # mkdir's mode is cut by the umask.
    directory.chmod(0o755)
    files.flush(directory.parent)


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _raise(error: OSError) -> None:
    # os.walk passes the error to this, and goes on unless it raises.
    raise error


def _tell(path: Path, error: OSError) -> NoReturn:
    if error.errno in (errno.EACCES, errno.EPERM):
        fail_refused(str(path), os.strerror(error.errno))
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
        fail(str(path), "something else is in the place of a file or its directory")
    fail(str(path), error.strerror or "cannot be read or written")
