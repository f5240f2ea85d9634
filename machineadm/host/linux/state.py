"""The runner's own files and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from machineadm.errors import LockedError
from machineadm.host.linux.descriptors import opened, sync_folder, write_all
from machineadm.host.linux.faults import reported
from machineadm.host.linux.files import make_directory
from machineadm.host.linux.tree import Tree

LOCK = "lock"
_TEMPORARY_END = ".tmp"


class LinuxState:
    """The State port: two folders below a `Tree`.

    Args:
        tree: The root.
        run_directory: Absolute path below the root of the folder that goes at reboot.
        state_directory: Absolute path below the root of the folder that stays.
    """

    def __init__(self, tree: Tree, *, run_directory: str, state_directory: str) -> None:
        self.run_directory = run_directory
        self.state_directory = state_directory
        self._tree = tree
        self._lock: int | None = None

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """What children inherit, so that the lock is held until the last of them has ended."""
        return () if self._lock is None else (self._lock,)

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """See `State.read`."""
        path = self._path(name, durable=durable)
        with reported(path, "read"):
            try:
                with self._tree.parent(path) as (folder, last):
                    fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with open(fd, "rb") as file:
                return file.read()

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """See `State.write`."""
        path = self._path(name, durable=durable)
        with reported(path, "write"), self._parent(path) as (folder, last):
            temporary = f".{last}{_TEMPORARY_END}"
            # Left by a killed run; there is one writer, the holder of the lock.
            _remove_quietly(temporary, folder)
            with contextlib.ExitStack() as on_failure:
                on_failure.callback(_remove_quietly, temporary, folder)
                with opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder) as fd:
                    write_all(fd, content)
                    if durable:
                        os.fsync(fd)
                os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
                on_failure.pop_all()
            if durable:
                sync_folder(folder)

    def append(self, name: str, content: bytes) -> None:
        """See `State.append`."""
        path = self._path(name, durable=True)
        with reported(path, "append to"), self._parent(path) as (folder, last):
            with opened(last, os.O_WRONLY | os.O_CREAT | os.O_APPEND, folder) as fd:
                is_new = os.fstat(fd).st_size == 0
                write_all(fd, content)
                os.fdatasync(fd)
            if is_new:
                sync_folder(folder)

    def remove(self, name: str, *, durable: bool) -> None:
        """See `State.remove`."""
        path = self._path(name, durable=durable)
        with reported(path, "remove"):
            try:
                with self._tree.parent(path) as (folder, last):
                    os.unlink(last, dir_fd=folder)
                    if durable:
                        sync_folder(folder)
            except FileNotFoundError:
                pass

    def lock(self) -> None:
        """See `State.lock`.

        Raises:
            LockedError: Somebody else holds it.
        """
        if self._lock is not None:
            return
        path = self._path(LOCK, durable=False)
        with reported(path, "lock"), self._parent(path) as (folder, last):
            fd = os.open(
                last, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held_by = _holders(fd)
                os.close(fd)
                raise LockedError(
                    "MA6001",
                    f"another run holds {path}{held_by}",
                    hint="wait for it (machineadm status --wait); a program that an ended run left behind holds the "
                    "lock, too, until it ends",
                ) from None
            self._lock = fd

    def locked_by_other(self) -> bool:
        """See `State.locked_by_other`."""
        path = self._path(LOCK, durable=False)
        with reported(path, "look at"):
            try:
                with self._tree.parent(path) as (folder, last):
                    lock = os.stat(last, dir_fd=folder, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return any(_has_open(pid, lock) for pid in _others())

    def _path(self, name: str, *, durable: bool) -> str:
        return f"{self.state_directory if durable else self.run_directory}/{name}"

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        try:
            folder, last = self._tree.walk(path, follow=False)
        except FileNotFoundError:
            self._make_private(path.rpartition("/")[0])
            folder, last = self._tree.walk(path, follow=False)
        try:
            yield folder, last
        finally:
            os.close(folder)

    def _make_private(self, path: str) -> None:
        """Make a folder 0700; so are those between it and the run or state directory."""
        top = self.run_directory if _is_below(path, self.run_directory) else self.state_directory
        make_directory(self._tree, top, 0o700)
        below = [part for part in path[len(top) :].split("/") if part]
        for count in range(1, len(below) + 1):
            make_directory(self._tree, "/".join([top, *below[:count]]), 0o700)


def _remove_quietly(name: str, folder: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _holders(lock: int) -> str:
    """Who holds the lock, for the message: ` (process 812, kubeadm)`; empty when that cannot be seen."""
    wanted = os.fstat(lock)
    found = []
    for pid in _others():
        if _has_open(pid, wanted):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", errors="replace") as file:
                found.append(f"process {pid}, {file.read().strip()}")
    return f" ({'; '.join(found)})" if found else ""


def _others() -> Iterator[str]:
    own = str(os.getpid())
    return (pid for pid in os.listdir("/proc") if pid.isdecimal() and pid != own)


def _has_open(pid: str, wanted: os.stat_result) -> bool:
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), wanted):
                    return True
    return False
