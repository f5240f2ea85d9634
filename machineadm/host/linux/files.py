"""Files below a root: link-safe, atomic, durable by group commit.

A batch is written as temporary files beside their final names, flushed with one syncfs for each file system touched,
renamed, and flushed again: a power cut at any instant leaves every file old or new, never torn. Temporary names begin
with a dot and end in `.tmp`, which the kubelet's manifests directory, cron.d, sudoers.d, sysctl.d and the like ignore. What a
killed run left of them is removed when the next run writes into the same directory. Where SELinux runs, a
new file has the label that the policy has for its path before it has its name.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_
from collections.abc import Callable, Collection, Iterator, Sequence

from machineadm.host.linux.descriptors import (
    close_all,
    create_temporary,
    make_directory_at,
    make_temporary_link,
    open_regular,
    opened,
    read_all,
    remove_temporaries,
    sync_directory,
    syncfs,
    write_all,
)
from machineadm.host.linux.faults import RefusedError, reported
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import (
    LARGEST_READ,
    FileContent,
    FileKind,
    FileStat,
    FileWrite,
    is_hollow,
)

# How many directories one group commit keeps open, far below the usual limit of 1,024 descriptors.
MOST_DIRECTORIES = 400
_CHUNK = 1 << 18
_MOST_PIECES = 1000
"""Of data between holes, as far as they are counted."""
_CAP_CHOWN = 1 << 0


class LinuxFiles:
    """The Files port over a `Tree`.

    Args:
        tree: Where `/` is.
        label: Gives the file behind a descriptor the label of its path; None: labels are left to the kernel.
    """

    def __init__(self, tree: Tree, label: Callable[[int, str], None] | None = None) -> None:
        self._tree = tree
        self._label = label
        # Once a run and directory: listing a large directory before each of a thousand writes
        # would be most of the work.
        self._swept: set[tuple[int, int]] = set()
        # Not at the start: a run that writes no file with an owner never asks.
        self._may_chown: bool | None = None

    def stat(self, path: str) -> FileStat | None:
        """See `Files.stat`."""
        with reported(path, "look at"):
            try:
                with self._tree.parent(path) as (directory, name):
                    return _as_file_stat(os.lstat(name, dir_fd=directory))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def born(self, path: str) -> int | None:
        """See `Files.born`."""
        from machineadm.host.linux.birth import born

        with reported(path, "look at"):
            try:
                with self._tree.parent(path) as (directory, name):
                    return born(directory, name)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, path: str, *, limit: int = LARGEST_READ) -> bytes | None:
        """See `Files.read`."""
        with reported(path, "read"):
            try:
                with (
                    self._tree.parent(path, follow=True) as (directory, name),
                    _regular(name, directory) as fd,
                ):
                    return read_all(fd, limit)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def open(self, path: str) -> int:
        """Open a regular file for reading in pieces. Links of root's are followed.

        Raises:
            OSError: There is none, or somebody else's link leads to it.
        """
        with self._tree.parent(path, follow=True) as (directory, name):
            return open_regular(name, os.O_RDONLY, directory)

    def read_for_append(
        self, path: str, *, owners: Collection[int] = (), limit: int = LARGEST_READ
    ) -> FileContent | None:
        """See `Files.read_for_append`."""
        with reported(path, "append to"):
            try:
                with (
                    self._tree.parent(path) as (directory, name),
                    _regular(name, directory) as fd,
                ):
                    # Mode, owner and content of one descriptor: by path, a user could exchange the
                    # file between two looks.
                    status = os.fstat(fd)
                    self._require_extendable(status, directory, owners)
                    return FileContent(stat=_as_file_stat(status), content=read_all(fd, limit))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def readlink(self, path: str) -> str | None:
        """See `Files.readlink`."""
        with reported(path, "look at"):
            try:
                with self._tree.parent(path) as (directory, name):
                    if not stat_.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode):
                        return None
                    return os.readlink(name, dir_fd=directory)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def sha256(self, path: str) -> str | None:
        """See `Files.sha256`."""
        return self._digest("sha256", path)

    def sha512(self, path: str) -> str | None:
        """See `Files.sha512`."""
        return self._digest("sha512", path)

    def list(self, path: str) -> tuple[str, ...]:
        """See `Files.list`."""
        with reported(path, "list"):
            try:
                with (
                    self._tree.parent(path, follow=True) as (directory, name),
                    opened(name, os.O_RDONLY | os.O_DIRECTORY, directory) as fd,
                ):
                    return tuple(sorted(os.listdir(fd)))
            except FileNotFoundError:
                return ()

    def write(self, batch: Sequence[FileWrite]) -> None:
        """See `Files.write`."""
        # Reversed, so that pop() takes them in their order.
        todo = list(reversed(batch))
        while todo:
            # One for each few hundred directories, since each is held open until its files have
            # their names.
            commit = _GroupCommit(self._tree, self._sweep, self._label)
            try:
                while todo and commit.has_room:
                    commit.add(todo.pop())
                commit.finish()
            finally:
                commit.close()

    def link(self, path: str, target: str) -> None:
        """See `Files.link`."""
        made: list[tuple[int, str]] = []
        with reported(path, "link"):
            directory, name = self._tree.walk(path, follow=False, made=made)
            try:
                self._sweep(directory)
                # symlink(2) cannot replace a name. rename(2) can, and nobody ever sees the path missing.
                temporary = make_temporary_link(directory, target)
                try:
                    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
                except BaseException:
                    os.unlink(temporary, dir_fd=directory)
                    raise
                # A new directory survives a power cut only if its entry in the parent was flushed, too.
                for parent, _ in made:
                    sync_directory(parent)
                sync_directory(directory)
            finally:
                os.close(directory)
                close_all(parent for parent, _ in made)

    def make_directory(
        self, path: str, *, mode: int = 0o755, owner: tuple[int, int] | None = None
    ) -> None:
        """See `Files.make_directory`."""
        with reported(path, "make directory"):
            make_directory(self._tree, path, mode, owner)

    def remove_directory(self, path: str) -> None:
        """See `Files.remove_directory`."""
        with reported(path, "remove"):
            try:
                with self._tree.parent(path) as (directory, name):
                    _remove_empty(name, directory)
                    sync_directory(directory)
            except FileNotFoundError:
                pass

    def remove(self, path: str) -> None:
        """See `Files.remove`."""
        with reported(path, "remove"):
            try:
                with self._tree.parent(path) as (directory, name):
                    os.unlink(name, dir_fd=directory)
                    sync_directory(directory)
            except (FileNotFoundError, NotADirectoryError):
                # A part of the way is a file by now: what was below it is gone as well.
                pass

    def can_give(self, uid: int, gid: int) -> bool:
        """See `Files.can_give`."""
        if self._may_chown is None:
            # Read once: capabilities do not change within a run, and this is asked for every file.
            self._may_chown = _may_chown()
        return self._may_chown or (uid == os.geteuid() and gid in (os.getegid(), *os.getgroups()))

    def _digest(self, algorithm: str, path: str) -> str | None:
        import hashlib

        with reported(path, "read"):
            try:
                with (
                    self._tree.parent(path) as (directory, name),
                    _regular(name, directory) as fd,
                ):
                    status = os.fstat(fd)
                    if is_hollow(status.st_size, 512 * status.st_blocks) and _has_holes(fd, status):
                        return ""
                    # In pieces: an image archive of gigabytes is judged by its digest on machines
                    # with less memory than it has bytes. No further than it was long: whoever appends as fast as we read
                    # must not hold the run. What the kernel makes up (/proc) has no length.
                    sum_, left = hashlib.new(algorithm), status.st_size or LARGEST_READ
                    while left > 0 and (chunk := os.read(fd, min(left, _CHUNK))):
                        sum_.update(chunk)
                        left -= len(chunk)
                    return sum_.hexdigest()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _require_extendable(
        self, status: os.stat_result, directory: int, owners: Collection[int]
    ) -> None:
        """Refuse to copy a file that may belong to somebody else, under a name that a user has given it.

        Raises:
            RefusedError: MA3015: It may be.
        """
        place = os.fstat(directory).st_uid
        known = status.st_uid == place or status.st_uid in owners
        # Where fs.protected_hardlinks is 0, a user can link /etc/shadow into a directory of his
        # own, and would get a copy of it.
        if status.st_nlink != 1:
            what = "it has other names (hard links)"
        elif not known and not self._tree.trusts(status.st_uid):
            what = f"it belongs to user {status.st_uid}, but its directory to user {place}"
        else:
            return
        raise RefusedError("MA3015", what, "check it with ls -li; remove it, or do not append")

    def _sweep(self, directory: int) -> None:
        """Remove what a killed run left in a directory. Done once a run, before anything is written there."""
        status = os.fstat(directory)
        # By device and inode: a second path to the same directory would have our own temporary files removed.
        if (status.st_dev, status.st_ino) not in self._swept:
            self._swept.add((status.st_dev, status.st_ino))
            remove_temporaries(directory)


class _GroupCommit:
    """One batch: first temporary files, then their final names."""

    def __init__(
        self,
        tree: Tree,
        sweep: Callable[[int], None],
        label: Callable[[int, str], None] | None,
    ) -> None:
        self._tree = tree
        self._sweep = sweep
        self._label = label
        self._directories: dict[str, tuple[int, int]] = {}
        self._made: list[tuple[int, str]] = []
        self._pending: list[tuple[int, str, str, str]] = []
        self._flush_by: dict[int, int] = {}
        """For each device number a descriptor of a file on it: syncfs does not take one opened with O_PATH."""
        self._done = False

    @property
    def has_room(self) -> bool:
        return len(self._directories) + len(self._made) < MOST_DIRECTORIES

    def add(self, write: FileWrite) -> None:
        """Write the temporary file, complete with owner and mode."""
        with reported(write.path, "write"):
            parent, _, name = write.path.rpartition("/")
            directory, device = self._directory(parent)
            fd, temporary = create_temporary(directory)
            try:
                # Noted before it is filled: if the disk is full, `close` removes it, and with it
                # the cause.
                self._pending.append((directory, temporary, name, write.path))
                _fill(fd, write)
                if self._label is not None:
                    self._label(fd, write.path)
                if device not in self._flush_by:
                    self._flush_by[device] = os.dup(fd)
            finally:
                os.close(fd)

    def finish(self) -> None:
        """Give the files their final names, durably."""
        # Contents first. Otherwise a journaling file system may commit the rename before the data, and after a power cut
        # the name leads to an empty file.
        self._flush()
        while self._pending:
            directory, temporary, name, path = self._pending[0]
            with reported(path, "write"):
                os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            # Only now: `close` unlinks the temporary name of everything that is still listed.
            del self._pending[0]
        # The journal will say done, so the names must be on the disk before it.
        self._flush()
        self._done = True

    def close(self) -> None:
        """Remove what did not get its final name, and the directories made only for that."""
        for directory, temporary, _, _ in self._pending:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
        # Deepest first, because only an empty directory can be removed.
        for directory, name in () if self._done else reversed(self._made):
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=directory)
        close_all(directory for directory, _ in self._directories.values())
        close_all(directory for directory, _ in self._made)
        close_all(self._flush_by.values())

    def _directory(self, path: str) -> tuple[int, int]:
        known = self._directories.get(path)
        if known is None:
            directory, _ = self._tree.walk(f"{path}/x", follow=False, made=self._made)
            known = self._directories[path] = directory, os.fstat(directory).st_dev
            self._sweep(directory)
        return known

    def _flush(self) -> None:
        for descriptor in self._flush_by.values():
            with reported("the file system", "flush"):
                syncfs(descriptor)


def make_directory(tree: Tree, path: str, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Make a directory with this mode, its missing parents with 0755, all flushed to the disk.

    Args:
        tree: The root.
        path: Absolute, below it.
        mode: As of `owner`.
        owner: User and group. If given, an existing directory gets mode and owner as well.

    Raises:
        OSError: It cannot be made, or something else has its name.
    """
    made: list[tuple[int, str]] = []
    # With an owner the last link is not followed: chown through it would give away the directory it
    # points to.
    directory, name = tree.walk(path, follow=owner is None, made=made)
    try:
        try:
            is_there = stat_.S_ISDIR(os.lstat(name, dir_fd=directory).st_mode)
        except FileNotFoundError:
            make_directory_at(directory, name, mode)
            made.append((os.dup(directory), name))
        else:
            if not is_there:
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if owner is not None:
            with opened(name, os.O_RDONLY | os.O_DIRECTORY, directory) as fd:
                status = os.fstat(fd)
                if (status.st_uid, status.st_gid) != owner:
                    os.fchown(fd, *owner)
                # After the owner: chown(2) clears setuid and setgid.
                os.fchmod(fd, mode)
                os.fsync(fd)
        for parent, _ in made:
            sync_directory(parent)
    finally:
        os.close(directory)
        close_all(parent for parent, _ in made)


def _remove_empty(name: str, directory: int) -> None:
    """Remove a directory, unless something is in it or mounted on it.

    Raises:
        OSError: There is none, or it cannot be removed.
    """
    try:
        os.rmdir(name, dir_fd=directory)
    except OSError as error:
        # rmdir(2) has either of the first two for a directory that is not empty; POSIX leaves the choice. The third is for a
        # mount, which need not be of another file system, so that nobody could have seen it.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
            raise


def _fill(fd: int, write: FileWrite) -> None:
    if isinstance(write.content, bytes):
        write_all(fd, write.content)
    else:
        # Into the temporary file as it comes: an error on the way leaves the old file, and
        # nothing to tidy up but a name that nobody knows.
        for chunk in write.content():
            write_all(fd, chunk)
    # Owner and mode before the file gets its name: a file with a secret is never readable by
    # others, not even for an instant.
    if write.uid is not None or write.gid is not None:
        os.fchown(
            fd, -1 if write.uid is None else write.uid, -1 if write.gid is None else write.gid
        )
    # After the owner: chown(2) clears setuid and setgid.
    os.fchmod(fd, write.mode)


@contextlib.contextmanager
def _regular(name: str, directory: int) -> Iterator[int]:
    fd = open_regular(name, os.O_RDONLY, directory)
    try:
        yield fd
    finally:
        os.close(fd)


def _has_holes(fd: int, status: os.stat_result) -> bool:
    """Whether a file has next to no data; lseek(2), SEEK_DATA. By its blocks alone one that ZFS has yet to write would be empty."""
    at = data = 0
    try:
        for _ in range(_MOST_PIECES):
            at = os.lseek(fd, at, os.SEEK_DATA)
            end = os.lseek(fd, at, os.SEEK_HOLE)
            data, at = data + end - at, end
            if not is_hollow(status.st_size, data):
                return False
            if at >= status.st_size:
                return True
    # ENXIO: nothing but a hole is left.
    except OSError as error:
        return error.errno == errno.ENXIO
    finally:
        os.lseek(fd, 0, os.SEEK_SET)
    return False


def _as_file_stat(status: os.stat_result) -> FileStat:
    if stat_.S_ISREG(status.st_mode):
        kind = FileKind.FILE
    elif stat_.S_ISDIR(status.st_mode):
        kind = FileKind.DIRECTORY
    else:
        # Devices, pipes and sockets are one kind: nothing here reads or writes any of them.
        kind = FileKind.LINK if stat_.S_ISLNK(status.st_mode) else FileKind.OTHER
    return FileStat(
        kind=kind,
        mode=stat_.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size,
        device=status.st_dev,
        changed=status.st_ctime_ns,
    )


def _may_chown() -> bool:
    """Whether the process holds CAP_CHOWN; root in a container may lack it."""
    with (
        contextlib.suppress(OSError),
        open("/proc/self/status", "rb") as lines,
    ):
        for line in lines:
            if line.startswith(b"CapEff:"):
                # The effective set, by proc_pid_status(5): root in a container has the uid, and
                # may lack the right.
                return bool(int(line.split()[1], 16) & _CAP_CHOWN)
    return os.geteuid() == 0
