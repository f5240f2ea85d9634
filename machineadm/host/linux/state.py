"""The runner's own files and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator

from machineadm.errors import LockedError
from machineadm.host.linux.descriptors import (
    create_temporary,
    make_directory_at,
    open_regular,
    read_all,
    remove_temporaries,
    sync_directory,
    write_all,
)
from machineadm.host.linux.faults import RefusedError, reported
from machineadm.host.linux.files import make_directory
from machineadm.host.linux.tree import Tree

LOCK = "lock"
LARGEST = 64 << 20
"""Bytes of one file."""

_PRIVATE = 0o700
_WRITABLE_BY_OTHERS = 0o022
_SUBDIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LinuxState:
    """The State port: two directories below a `Tree` that nobody else must be able to write to.

    Args:
        tree: The root.
        run_directory: Absolute path below the root of the directory that a reboot empties.
        state_directory: Absolute path below the root of the directory that survives.
    """

    def __init__(self, tree: Tree, *, run_directory: str, state_directory: str) -> None:
        self.run_directory = run_directory
        self.state_directory = state_directory
        self._tree = tree
        self._run_lock: int | None = None
        self._state_lock: int | None = None
        self._is_first = False
        """There was no state directory when the lock was taken."""
        self._swept: set[str] = set()

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """What children inherit, so that the lock is held until the last of them has ended."""
        # Both: an orphan that holds one of them would let in a second run with another run
        # directory.
        return tuple(fd for fd in (self._run_lock, self._state_lock) if fd is not None)

    def read(self, name: str, *, durable: bool) -> bytes | None:
        """See `State.read`."""
        with reported(self._path(name, durable=durable), "read"):
            try:
                with self._directory(name, durable=durable) as (directory, last):
                    fd = open_regular(last, os.O_RDONLY, directory)
            except (FileNotFoundError, NotADirectoryError):
                return None
            try:
                # Bounded, though nobody else may write here: a damaged file system can claim any
                # size.
                return read_all(fd, LARGEST)
            finally:
                os.close(fd)

    def list(self, name: str) -> tuple[str, ...]:
        """See `State.list`."""
        with reported(self._path(name, durable=True), "list"):
            try:
                with self._directory(f"{name}/.", durable=True) as (directory, _):
                    # A descriptor opened with O_PATH cannot be listed.
                    here = os.open(
                        ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory
                    )
            except (FileNotFoundError, NotADirectoryError):
                return ()
            try:
                return tuple(sorted(os.listdir(here)))
            finally:
                os.close(here)

    def write(self, name: str, content: bytes, *, durable: bool) -> None:
        """See `State.write`."""
        path = self._path(name, durable=durable)
        if durable:
            with reported(self._path(LOCK, durable=True), "lock"):
                self._lock_state(make=True)
        with (
            reported(path, "write"),
            self._directory(name, durable=durable, make=True) as (directory, last),
            contextlib.ExitStack() as on_failure,
        ):
            # Before the new temporary file, which would look like a leftover itself.
            self._sweep(path, directory)
            fd, temporary = create_temporary(directory)
            on_failure.callback(_remove_quietly, temporary, directory)
            try:
                write_all(fd, content)
                # The run directory is a tmpfs that goes at reboot: there is nothing to flush.
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(temporary, last, src_dir_fd=directory, dst_dir_fd=directory)
            # The temporary name is gone, so there is nothing left to remove if the flush fails.
            on_failure.pop_all()
            if durable:
                sync_directory(directory)

    def append(self, name: str, content: bytes) -> None:
        """See `State.append`."""
        path = self._path(name, durable=True)
        with reported(self._path(LOCK, durable=True), "lock"):
            self._lock_state(make=True)
        with (
            reported(path, "append to"),
            self._directory(name, durable=True, make=True) as (directory, last),
        ):
            # O_APPEND: the record goes to the end even if a descriptor of ours had been left
            # elsewhere, and no read is needed to find it.
            fd = open_regular(last, os.O_WRONLY | os.O_CREAT | os.O_APPEND, directory)
            try:
                is_new = os.fstat(fd).st_size == 0
                write_all(fd, content)
                # Enough for a record: fdatasync(2) flushes the size as well, which is needed to
                # read it, but not the times.
                os.fdatasync(fd)
            finally:
                os.close(fd)
            # Otherwise a power cut could take the name of a new file, and with it records that were flushed.
            if is_new:
                sync_directory(directory)

    def remove(self, name: str, *, durable: bool) -> None:
        """See `State.remove`."""
        with reported(self._path(name, durable=durable), "remove"):
            try:
                with self._directory(name, durable=durable) as (directory, last):
                    os.unlink(last, dir_fd=directory)
                    if durable:
                        sync_directory(directory)
            except FileNotFoundError:
                pass

    def lock(self) -> None:
        """See `State.lock`.

        Raises:
            LockedError: Somebody else holds it.
        """
        if self._run_lock is not None:
            return
        with reported(self._path(LOCK, durable=False), "lock"):
            self._run_lock = self._locked(durable=False)
        try:
            self._lock_state()
        except LockedError:
            os.close(self._run_lock)
            self._run_lock = None
            raise
        except FileNotFoundError:
            # A refused configuration must leave no trace, so the state directory is created, and locked, by the first
            # write into it.
            # Kept for the first write: whoever has made the directory in between has a journal
            # that this run has not read.
            self._is_first = True
        except OSError:
            # Shows again when the journal is read or written, and is reported there.
            pass

    def locked_by_other(self) -> bool:
        """See `State.locked_by_other`."""
        return any(self._is_held(durable=durable) for durable in (False, True))

    def _lock_state(self, *, make: bool = False) -> None:
        """Lock the state directory as well: two runs with different run directories must not share one journal."""
        if self._run_lock is not None and self._state_lock is None:
            self._state_lock = self._locked(durable=True, make=make)

    def _locked(self, *, durable: bool, make: bool = False) -> int:
        """A descriptor that holds the lock of one of the two directories.

        Raises:
            LockedError: Somebody else holds it.
        """
        path = self._path(LOCK, durable=durable)
        with self._directory(LOCK, durable=durable, make=make or not durable) as (directory, last):
            if stat.S_IMODE(os.fstat(directory).st_mode) != _PRIVATE:
                # By name relative to the descriptor: fchmod(2) refuses one opened with O_PATH.
                os.chmod(".", _PRIVATE, dir_fd=directory)
            # There was no state directory when this run began. A lock in it now is of a run that
            # started later, whose journal this one has not read.
            new = os.O_EXCL if self._is_first and durable else 0
            try:
                fd = open_regular(last, os.O_RDWR | os.O_CREAT | new, directory)
            except FileExistsError:
                raise LockedError(
                    "MA6001",
                    f"another run created {path} after this one started",
                    hint="run the same command again; it continues where that run stopped",
                ) from None
            try:
                # flock(2) and not fcntl(2): the lock belongs to the open file, so children that
                # inherit the descriptor hold it, and closing another descriptor of the file does
                # not drop it.
                # Not waiting: a first-boot tool would hang without a word, while an exit code 8
                # says what is going on.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held_by = _holders(fd)
                os.close(fd)
                raise LockedError(
                    "MA6001",
                    f"another run holds {path}{held_by}",
                    hint="wait for it (machineadm status --wait); a program that a finished run left behind also holds "
                    "the lock",
                ) from None
            return fd

    def _is_held(self, *, durable: bool) -> bool:
        # By looking at who has it open, and not by trying to lock it: that would make a run fail
        # that starts in this instant.
        with reported(self._path(LOCK, durable=durable), "look at"):
            try:
                with self._directory(LOCK, durable=durable) as (directory, last):
                    lock = os.stat(last, dir_fd=directory, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return False
            except PermissionError:
                # An ordinary user may not look into root's run directory. A run on this user's state also holds
                # the lock of the state, which is looked at by itself.
                if durable:
                    raise
                return False
        return any(_has_open(pid, lock) for pid in _others())

    def _top(self, *, durable: bool) -> str:
        return self.state_directory if durable else self.run_directory

    def _path(self, name: str, *, durable: bool) -> str:
        return f"{self._top(durable=durable)}/{name}"

    @contextlib.contextmanager
    def _directory(
        self, name: str, *, durable: bool, make: bool = False
    ) -> Iterator[tuple[int, str]]:
        """The open directory that holds a file, and the file's name in it.

        Args:
            name: Relative, as the port has it.
            durable: In the state directory.
            make: Make missing directories, 0700.

        Yields:
            A descriptor, closed on leaving, and the last part of the name.
        """
        *directories, last = name.split("/")
        here = self._enter(self._top(durable=durable), make=make)
        try:
            for directory in directories:
                if make:
                    make_directory_at(here, directory, _PRIVATE)
                # Everything in here is our own, so a link is a sign of trouble and is not followed.
                below = os.open(directory, _SUBDIRECTORY, dir_fd=here)
                os.close(here)
                here = below
            yield here, last
        finally:
            os.close(here)

    def _enter(self, top: str, *, make: bool) -> int:
        """Open the run or state directory if it can be trusted.

        Raises:
            FileNotFoundError: There is none.
            RefusedError: MA6011: Others have, or could have, written to it.
        """
        try:
            here, _ = self._tree.walk(f"{top}/{LOCK}", follow=False)
        except FileNotFoundError:
            if not make:
                raise
            make_directory(self._tree, top, _PRIVATE)
            here, _ = self._tree.walk(f"{top}/{LOCK}", follow=False)
        status = os.fstat(here)
        if self._tree.trusts(status.st_uid) and not status.st_mode & _WRITABLE_BY_OTHERS:
            return here
        os.close(here)
        raise RefusedError(
            "MA6011",
            f"{top} belongs to user {status.st_uid} and has mode {stat.S_IMODE(status.st_mode):04o}, "
            "so somebody else may have written its content",
            f"if nothing in it matters, remove it; otherwise chown root {top}; chmod 0700 {top}",
        )

    def _sweep(self, path: str, directory: int) -> None:
        """Remove what a killed run left in a directory. Only the holder of the lock knows that no other run is writing there."""
        where = path.rpartition("/")[0]
        # Once a run: a leftover can only be of an earlier one, and listing a directory for each
        # record would double its cost.
        if self._run_lock is not None and where not in self._swept:
            self._swept.add(where)
            remove_temporaries(directory)


def _remove_quietly(name: str, directory: int) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)


def _holders(lock: int) -> str:
    """Who holds the lock, for the message: ` (process 812, kubeadm)`; empty if that cannot be seen."""
    wanted = os.fstat(lock)
    found = []
    for pid in _others():
        if _has_open(pid, wanted):
            # The process may have ended since it was listed; the message then does without it.
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
                # By device and inode: the name behind the link may be that of another mount
                # namespace.
                if os.path.samestat(os.stat(f"/proc/{pid}/fd/{fd}"), wanted):
                    return True
    return False
