"""Fetched plugins: files by their digest, and their names, versions and platforms.

    ROOT/sha256/HEX                            a plugin's file, named by its content
    ROOT/plugins/KIND/NAME/VERSION/OS-ARCH     its digest
    ROOT/partial/HEX                           what has arrived of it so far

A file is compared with its digest whenever it is used; a damaged one is removed and fetched again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.constraint import Constraint
from machineadm.plugins.catalogs.model import (
    KINDS,
    MOST_BYTES,
    Artifact,
    BrokenError,
    Chunks,
    Restart,
    is_digest,
    is_name,
    is_platform,
    suits,
)

# With pauses of 1, 2, 4 and 8 s between them: a registry that restarts has 15 s.
ATTEMPTS: Final = 5
"""Tries in a row that bring nothing new, until a download has failed."""

# Or each interrupted download that nobody continues would stay for good. By the wall clock, as the
# times of files are: a clock that jumps during the first boot costs a download, and no more.
KEPT: Final = 7 * 24 * 3600
"""Seconds that the beginning of a file is kept."""

# Read and hashed in pieces, since a plugin may have a gigabyte (MOST_BYTES).
_PIECE: Final = 1 << 20
Progress = Callable[[Artifact, int], None]
Read = Callable[[Artifact, int], Chunks]


def default_root() -> str:
    """Return the cache's directory: below /var/cache for root, else below XDG_CACHE_HOME."""
    if os.geteuid() == 0:
        # Anybody may empty it (that is what /var/cache is for): all in it can be fetched again,
        # and what is installed is a copy.
        return "/var/cache/machineadm/plugins"
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "machineadm", "plugins")


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin in the cache."""

    kind: str
    name: str
    version: str
    platform: str
    digest: str
    path: str
    size: int
    """Bytes; -1 if the file is gone."""


class Cache:
    """The cache of plugins.

    Args:
        root: Its directory; created when something is stored.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, digest: str) -> str:
        """Return the path for the file of a digest."""
        # Each catalog has judged the digest (is_digest): anything else would lead out of the
        # directory.
        return os.path.join(self.root, *digest.split(":"))

    def has(self, digest: str) -> bool:
        """Whether the file of a digest exists and is undamaged; a damaged one is removed."""
        path = self.path(digest)
        try:
            # By content each time, and not by size and date: root runs what is found here.
            if digest_of(path) == digest:
                return True
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            _refuse(path, error)
        return False

    def listed(self) -> list[Cached]:
        """List all plugins, by kind, name, version and platform, without comparing digests."""
        found = []
        base = os.path.join(self.root, "plugins")
        for directory, _, names in sorted(os.walk(base)):
            parts = os.path.relpath(directory, base).split(os.sep)
            # What does not fit is not an entry: a kill leaves the scratch file of write_whole
            # here.
            if len(parts) != 3 or parts[0] not in KINDS or not is_name(parts[1]):
                continue
            for name in sorted(names):
                platform = name.replace("-", "/", 1)
                digest = _line(os.path.join(directory, name))
                # Digests are compared by `has` alone: a list must not read gigabytes.
                if is_platform(platform) and is_digest(digest):
                    found.append(self._cached(parts, platform, digest))
        return found

    def newest(
        self, kind: str, name: str, constraint: Constraint, platform: str, digest: str = ""
    ) -> Cached | None:
        """Find the newest version that fits and is undamaged; with a digest, only that file."""
        fits = {
            one.version: one
            for one in self.listed()
            if (one.kind, one.name) == (kind, name) and suits(one.platform, platform)
            if digest in ("", one.digest)
        }
        # One damaged file must not stop the fallback: has() removes it, and the next older one is
        # tried.
        while version := constraint.newest(fits):
            if self.has(fits[version].digest):
                return fits[version]
            del fits[version]
        return None

    def note(self, artifact: Artifact) -> Cached:
        """Record name, version and platform of a stored file.

        Raises:
            PluginError: MA7248: It cannot be written.
        """
        parts = [artifact.kind, artifact.name, artifact.version]
        directory = os.path.join(self.root, "plugins", *parts)
        path = os.path.join(directory, artifact.platform.replace("/", "-"))
        try:
            os.makedirs(directory, exist_ok=True)
            write_whole(path, artifact.digest.encode() + b"\n", 0o644)
        except OSError as error:
            _refuse(path, error)
        return self._cached(parts, artifact.platform, artifact.digest)

    def remove(self, one: Cached) -> None:
        """Remove a plugin; its file is removed when no other plugin has it.

        Raises:
            PluginError: MA7248: It cannot be removed.
        """
        directory = os.path.join(self.root, "plugins", one.kind, one.name, one.version)
        try:
            # The name before the file: a kill between the two leaves bytes without a name, which
            # the next download of the same digest takes over.
            _unlink(os.path.join(directory, one.platform.replace("/", "-")))
            for _ in range(3):
                os.rmdir(directory)
                directory = os.path.dirname(directory)
        except OSError as error:
            # Another version or platform is still in there, or another process was faster.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                _refuse(directory, error)
        # Last, and only when no other name has the digest: a kill before this leaves a file that no name
        # leads to, and never a name without its file.
        if all(other.digest != one.digest for other in self.listed()):
            try:
                _unlink(one.path)
            except OSError as error:
                _refuse(one.path, error)

    def download(self, artifact: Artifact, read: Read, *, progress: Progress, end: float) -> None:
        """Download a file; it gets its name when it is complete and its digest was compared.

        After an interruption what has arrived is kept, and the next download continues from there.

        Args:
            artifact: What to download.
            read: Returns its bytes from an offset on.
            progress: Called with the number of bytes so far.
            end: Deadline, on the monotonic clock.

        Raises:
            PluginError: It cannot be downloaded, has another digest, or there is no room for it.
        """
        # Before the first byte: the size is what the catalog claims, and says how much of the disk
        # is filled.
        if artifact.size > MOST_BYTES:
            raise PluginError(
                "MA7245",
                f"{artifact.kind}/{artifact.name} is larger than {MOST_BYTES} bytes",
                hint="no plugin is that large: look at what was published",
            )
        # By digest and not by name: another catalog, or another version with the same file,
        # continues it.
        partial = os.path.join(self.root, "partial", artifact.digest.removeprefix("sha256:"))
        try:
            os.makedirs(os.path.dirname(partial), mode=0o755, exist_ok=True)
            os.makedirs(os.path.dirname(self.path(artifact.digest)), mode=0o755, exist_ok=True)
            # Before our own is opened: if that is an old one, it would lose its name while we
            # write to it.
            self._forget_old(os.path.dirname(partial))
            descriptor = _held(partial, end)
        except OSError as error:
            _refuse(partial, error)
        try:
            # The process that held the lock before may have downloaded it.
            if not self.has(artifact.digest):
                coming = _Coming(artifact, descriptor, partial, progress)
                began_before = coming.came > 0
                coming.bring(read, end)
                if began_before and not coming.is_right:
                    # The part that an earlier run left may be the damaged one: try once from the start.
                    coming.begin_anew()
                    coming.bring(read, end)
                coming.finish(self.path(artifact.digest))
        except BaseException:
            # Of which nothing came, nothing is left. The lock is still held: nobody else writes it.
            if os.fstat(descriptor).st_size == 0:
                _unlink(partial)
            raise
        finally:
            os.close(descriptor)

    def _cached(self, parts: list[str], platform: str, digest: str) -> Cached:
        path = self.path(digest)
        try:
            size = os.stat(path).st_size
        except OSError:
            size = -1
        kind, name, version = parts
        return Cached(
            kind=kind,
            name=name,
            version=version,
            platform=platform,
            digest=digest,
            path=path,
            size=size,
        )

    def _forget_old(self, directory: str) -> None:
        for entry in os.scandir(directory):
            # Another process may finish its download between the list and the look.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > KEPT:
                    _unlink(entry.path)


class _Coming:
    """A file that is being downloaded.

    Args:
        artifact: What it is.
        descriptor: Of the partial file.
        partial: Its path.
        progress: Called with the number of bytes so far.
    """

    def __init__(
        self, artifact: Artifact, descriptor: int, partial: str, progress: Progress
    ) -> None:
        self._artifact = artifact
        self._descriptor = descriptor
        self._partial = partial
        self._progress = progress
        self._digest = hashlib.sha256()
        self.came = 0
        """Bytes that are there."""

        self._take_over()

    @property
    def is_right(self) -> bool:
        """Whether what has arrived has the digest."""
        return f"sha256:{self._digest.hexdigest()}" == self._artifact.digest

    def begin_anew(self) -> None:
        """Drop what has arrived."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.came = 0

    def bring(self, read: Read, end: float) -> None:
        """Download all of it.

        Raises:
            BrokenError: It breaks off on every attempt.
        """
        failures = 0
        while self.came < self._artifact.size:
            before = self.came
            try:
                self._read(read)
                self._require_whole()
            except BrokenError:
                # Progress resets the count: a large file over a bad line may break off often and
                # still arrive.
                failures = failures + 1 if self.came <= before else 1
                # At most 8 s: nobody is helped by a longer silence before the error.
                pause = min(2.0 ** (failures - 1), 8.0)
                if failures >= ATTEMPTS or time.monotonic() + pause > end:
                    raise
                time.sleep(pause)

    def finish(self, path: str) -> None:
        """Give it its final name.

        Raises:
            PluginError: It has another digest, or cannot be written.
        """
        if not self.is_right:
            # Not kept for a later attempt: which part of it is wrong is unknown.
            _unlink(self._partial)
            raise PluginError(
                "MA7246",
                f"{self._what()} has the digest sha256:{self._digest.hexdigest()}, not {self._artifact.digest}",
                hint="it was changed in transit, or the catalog is damaged; nothing was kept",
            )
        try:
            # Executable only now: what has not been compared must not be runnable by accident.
            os.fchmod(self._descriptor, 0o755)
            # Before the rename: after a power cut the name must not exist without the content.
            os.fsync(self._descriptor)
            os.replace(self._partial, path)
            flush_directory(os.path.dirname(path))
        except OSError as error:
            _refuse(path, error)

    def _read(self, read: Read) -> None:
        with contextlib.closing(read(self._artifact, self.came)) as chunks:
            self._take(chunks)

    def _take(self, chunks: Chunks) -> None:
        for chunk in chunks:
            # A server may ignore Range and send all of it (RFC 9110, 14.2).
            if isinstance(chunk, Restart):
                self.begin_anew()
                continue
            # Before it is written: an answer without an end would fill the disk.
            if self.came + len(chunk) > self._artifact.size:
                _unlink(self._partial)
                raise PluginError(
                    "MA7246",
                    f"{self._what()} is longer than the {self._artifact.size} bytes that its catalog names",
                    hint="it was changed in transit, or the catalog is damaged; nothing was kept",
                )
            self._write(chunk)
            self.came += len(chunk)
            self._digest.update(chunk)
            self._progress(self._artifact, self.came)

    def _write(self, chunk: bytes) -> None:
        left = memoryview(chunk)
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            # Free the space: the disk may be full because of it.
            _unlink(self._partial)
            _refuse(self._partial, error)

    def _take_over(self) -> None:
        """Continue from what an earlier run left, if it can be the beginning of the file."""
        if os.fstat(self._descriptor).st_size > self._artifact.size:
            self.begin_anew()
            return
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        # Read again: the state of the hash went with the process that began.
        while piece := os.read(self._descriptor, _PIECE):
            self._digest.update(piece)
            self.came += len(piece)
        # Complete and wrong: to ask for what follows its end would get 416 (RFC 9110, 15.5.17) for
        # ever.
        if self.came == self._artifact.size and not self.is_right:
            self.begin_anew()

    def _require_whole(self) -> None:
        if self.came < self._artifact.size:
            raise BrokenError(
                "MA7247", f"{self._what()} ended after {self.came} of {self._artifact.size} bytes"
            )

    def _what(self) -> str:
        one = self._artifact
        return f"{one.kind}/{one.name} {one.version} of {one.catalog}"


def digest_of(path: str) -> str:
    """Compute the digest of a file as catalogs write it; empty if it is not a regular file."""
    digest = hashlib.sha256()
    # A link leads to a file that nobody downloaded, and a FIFO would block the run for good.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        while piece := os.read(descriptor, _PIECE):
            digest.update(piece)
    finally:
        os.close(descriptor)
    return f"sha256:{digest.hexdigest()}"


def write_whole(path: str, data: bytes, mode: int) -> None:
    """Write a file completely or not at all."""
    # In the same directory: a rename replaces in one step only within a file system.
    descriptor, scratch = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".machineadm-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        _unlink(scratch)
        raise
    flush_directory(os.path.dirname(path))


def flush_directory(path: str) -> None:
    """Flush a directory, so that a rename survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _held(path: str, end: float) -> int:
    """Open a partial file with an exclusive lock.

    Raises:
        PluginError: MA7251: Another process holds it until the time is up.
    """
    while True:
        # NOFOLLOW: begin_anew() truncates what is opened, and a link could make that anybody's
        # file.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            # Of the descriptor, so a kill leaves no lock behind. Polled: a flock that waits would
            # outlast the deadline.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor)
            # The process that held it may have renamed or removed it: then the lock is on a file without this name.
            if os.path.lexists(path) and os.path.samestat(held, os.lstat(path)):
                return descriptor
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(descriptor)
                raise PluginError(
                    "MA7251",
                    f"another process is still fetching the same plugin ({path})",
                    hint="wait for it, or end it",
                ) from None
            time.sleep(0.1)
        os.close(descriptor)


def _line(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            # A digest has 71 characters; whatever else is in there is not one.
            return file.read(200).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _refuse(path: str, error: OSError) -> NoReturn:
    # EFBIG is a limit of the process (RLIMIT_FSIZE), which is as good as a full disk.
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    hint = "make room there, or name another directory by --cache-dir" if full else ""
    reason = (error.strerror or str(error)).lower()
    raise PluginError(
        "MA7248",
        f"cannot keep plugins in {path}: {reason}",
        hint=hint or "look at the directory and its permissions; --cache-dir names another one",
    ) from error
