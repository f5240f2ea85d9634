"""`unpack.py` of the packed agent: fills the cache, compares it by content, and tidies it.

All that changes a part is done under one lock. A part is compared with the list, written below another
name and only then given its own; so a kill leaves no half of one to be run, and whatever has the other
name while the lock is held is rubbish. Nothing is flushed to the disk, which takes as long as all that
others have written: until a later boot has compared the content once, a note beside the part says in
which boot it was written, and after a power cut it is not that boot any more.
"""

from __future__ import annotations

import fcntl
import os
import time

import cache
import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60
"""Seconds to wait for another run that unpacks."""


def unpack(directory: str, part: str) -> str:
    """Put a part into the cache, or in order there.

    Returns:
        Its directory, locked for this process.

    Raises:
        OSError: No room, or no right to write there.
        UnusableError: The directory is not safe, or another run does not come to an end.
    """
    make(directory)
    path = cache.part_directory(directory, part)
    with Lock(directory):
        if os.path.lexists(path) and not is_good(path, part):
            put_aside(path)
        if not os.path.lexists(path):
            create(path, part)
            tidy(directory)
        if cache.hold(path) is None:
            raise cache.UnusableError(f"{path} cannot be opened")
    return path


def is_good(path: str, part: str) -> bool:
    """Compare by lstat, for another run may have been faster, then by content.

    If it is the times alone that differ (the cache came out of an image, or a backup), they are set.
    """
    if os.path.islink(path) or not os.path.isdir(path):
        return False
    found = os.lstat(path)
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        return False
    as_told = not any(cache.departures(path, part))
    if as_told and cache.is_settled(path):
        return True
    if any(cache.departures(path, part, by_content=True)):
        return False
    changed, boot = cache.seal(path)
    # Of an earlier boot, so it was read from the disk, unless somebody has put it there since.
    another_boot = boot != "" and cache.this_boot() not in ("", boot)
    on_disk = as_told and another_boot and changed == str(found.st_ctime_ns)
    try:
        if not as_told:
            for name in cache.libraries(part):
                set_time(f"{path}/{name}")
            os.chmod(path, 0o700)  # its own time is the seal
        settle(path, on_disk=on_disk)
    except OSError:
        pass  # read-only: it is compared by content each time
    return True


def settle(path: str, *, on_disk: bool = False) -> None:
    """Note beside a part that its content was compared, and whether the disk is known to have it.

    Raises:
        OSError: It cannot be noted.
    """
    boot = cache.this_boot()
    if not boot and not on_disk:
        flush(path)
    place = cache.ON_DISK if on_disk or not boot else boot
    replace(path + cache.SEAL, f"{os.lstat(path).st_ctime_ns} {place}".encode())


def replace(path: str, content: bytes) -> None:
    """Write a file of the cache that is not one of a part's own, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    directory, name = os.path.split(path)
    scratch = f"{directory}/.new-{os.getpid()}-{name}"
    # O_EXCL and O_NOFOLLOW: a link that somebody put there would lead the write elsewhere.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    remove(scratch)
    try:
        with open(os.open(scratch, flags, 0o600), "wb") as file:
            file.write(content)
        os.rename(scratch, path)
    except OSError:
        remove(scratch)
        raise


def verify() -> str:
    """Compare every part in the cache by content; unpack anew what differs.

    Compiled modules cannot be compared, so they go in any case and are made anew when needed.
    """
    try:
        directory = cache.cache_directory()
        if not cache.is_safe(directory):
            return "empty"
        with Lock(directory):
            return verify_parts(directory)
    except (cache.UnusableError, OSError) as error:
        return f"not used: {error}".replace('"', "'").replace("\\", "/")


def verify_parts(directory: str) -> str:
    """What `verify` does, under the lock."""
    checked, damaged = [], []
    for part in (front.BASE, *front.PARTS):
        path = cache.part_directory(directory, part)
        if not os.path.lexists(path):
            continue
        checked.append(part)
        found = os.lstat(path)
        usable = found.st_mode & 0o170000 == 0o040000 and found.st_uid == os.geteuid()
        wrong = list(cache.departures(path, part, by_content=True)) if usable else ["."]
        if wrong:
            damaged += [f"{part}/{name}" for name in wrong]
            put_aside(path)
            create(path, part)
        else:
            is_good(path, part)
            # Compiled code has no digest in the archive to compare it with.
            remove(path + cache.CODE)
    tidy(directory)
    if damaged:
        names = ", ".join(sorted(damaged)[:5]) + (", ..." if len(damaged) > 5 else "")
        text = f"MA7108 differed from the archive and was unpacked again: {names}"
        return text.encode("ascii", "replace").decode().replace('"', "?").replace("\\", "?")
    return f"intact: {', '.join(checked)}" if checked else "empty"


def make(directory: str) -> None:
    """Make the cache's directory where it is not there.

    Raises:
        UnusableError: It, or one above it, is not safe.
    """
    if cache.is_safe(directory):
        return
    before = os.umask(0o022)
    try:
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    finally:
        os.umask(before)
    if not cache.is_safe(directory):
        raise cache.UnusableError(f"{directory} vanishes")


def create(path: str, part: str) -> None:
    """Unpack a part, whole before it has its name.

    Raises:
        OSError: No room, or no right to write there.
    """
    directory, name = os.path.split(path)
    scratch = f"{directory}/.new-{name}"
    remove(scratch)
    remove(path + cache.CODE)
    before = os.umask(0o022)
    try:
        write(scratch, part)
        # A reader sees the whole part or none; only what has its name is ever loaded.
        os.rename(scratch, path)
        settle(path)
    finally:
        os.umask(before)
        remove(scratch)


def write(scratch: str, part: str) -> None:
    """Write a part's extension modules, which have been compared with the list."""
    sources = front.companion("sources")
    os.mkdir(scratch, 0o700)
    for name in cache.libraries(part):
        path = f"{scratch}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o644), "wb", buffering=0) as file:
            rest = memoryview(sources.content(part, name))
            while rest:
                rest = rest[file.write(rest) :]
        set_time(path)


def set_time(path: str) -> None:
    """Give a file the release's time."""
    os.utime(path, (int(cache.EPOCH), int(cache.EPOCH)))


def flush(path: str) -> None:
    """Bring what was written to the disk."""
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        import ctypes

        if ctypes.CDLL(None).syncfs(held):
            os.sync()
    except (ImportError, OSError, AttributeError):
        os.sync()
    finally:
        os.close(held)


def tidy(directory: str) -> None:
    """Remove what runs that were killed have left, and other builds that nobody runs."""
    # Directories before what lies beside them, which goes with them.
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        if name.startswith((".new-", ".old-")):
            remove(path)
        elif name.endswith((cache.SEAL, cache.CODE)):
            if not os.path.lexists(path.rpartition(".")[0]):
                remove(path)
        elif is_other_build(name):
            # Whoever runs it holds a shared lock.
            try:
                held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(put_aside(path))
            except OSError:
                pass
            finally:
                os.close(held)


def put_aside(path: str) -> str:
    """Take a part's name away at once; gives the name that it has until it is removed."""
    directory, name = os.path.split(path)
    aside = f"{directory}/.old-{name}"
    remove(aside)  # of a run that was killed
    os.rename(path, aside)
    return aside


def is_other_build(name: str) -> bool:
    """Tell whether a name in the cache is that of another build's part."""
    content, _, rest = name.partition("-")
    return content != cache.CONTENT and len(content) == len(cache.CONTENT) and "-" in rest


def remove(path: str) -> None:
    """Remove a directory with all that is in it, or whatever is there in its place, as far as possible."""
    try:
        if not os.path.isdir(path) or os.path.islink(path):
            os.unlink(path)
            return
        for directory, directories, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(f"{directory}/{name}")
            for name in directories:
                inner = f"{directory}/{name}"
                (os.unlink if os.path.islink(inner) else os.rmdir)(inner)
        os.rmdir(path)
    except OSError:
        pass  # the next time


def sha256(path: str) -> str:
    """Hex SHA-256 of a file."""
    import hashlib  # OpenSSL comes with it, and unpacking alone does not need it

    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def own_digest() -> str:
    """Hex SHA-256 of the agent's file."""
    return sha256(front.own_path())


class Lock:
    """The one lock of a cache, released by the kernel when its holder dies."""

    def __init__(self, directory: str) -> None:
        self.path = f"{directory}/.lock"
        self.held = -1

    def __enter__(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self.held = os.open(self.path, flags, 0o600)
        for wait in self.waits():
            try:
                fcntl.flock(self.held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(wait)
            else:
                return
        os.close(self.held)
        raise cache.UnusableError(f"{self.path} has been locked for {PATIENCE} seconds")

    def waits(self) -> Iterator[float]:
        """The pauses between two attempts."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            yield 0.02

    def __exit__(self, *_: object) -> None:
        os.close(self.held)
