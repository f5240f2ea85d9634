"""`unpack.py` of the packed agent: fills the cache, compares it by content, and removes old parts.

Every change of a part is made under one lock. A part is compared with the list, written under another
name and only then renamed, so a kill leaves no partial one to be run, and whatever has the other
name while the lock is held is garbage. Nothing is flushed to the disk, because that takes as long as all that
other programs have written: until a later boot has compared the content once, a note beside the part says in
which boot it was written, and after a power cut that is not the current boot.
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
    """Put a part into the cache, or repair it there.

    Returns:
        Its directory, locked for this process.

    Raises:
        OSError: No room, or no right to write there.
        UnusableError: The directory is not safe, or another run does not come to an end.
    """
    make(directory)
    path = cache.part_directory(directory, part)
    with Lock(directory):
        # Again under the lock: what was wrong a moment ago may be what another run was just
        # writing.
        if os.path.lexists(path) and not is_good(path, part):
            put_aside(path)
        if not os.path.lexists(path):
            create(path, part)
            tidy(directory)
        if cache.hold(path) is None:
            raise cache.UnusableError(f"{path} cannot be opened")
    return path


def is_good(path: str, part: str) -> bool:
    """Compare by lstat, since another run may have been faster, then by content.

    If only the times differ (the cache came from an image or a backup), they are set.
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
    # Written in an earlier boot, so what was compared came from the disk, unless somebody put it there since.
    another_boot = boot != "" and cache.this_boot() not in ("", boot)
    on_disk = as_told and another_boot and changed == str(found.st_ctime_ns)
    try:
        if not as_told:
            for name in cache.libraries(part):
                set_time(f"{path}/{name}")
            os.chmod(path, 0o700)  # its own time is the seal
        settle(path, on_disk=on_disk)
    except OSError:
        pass  # read-only: compared by content at each start
    return True


def settle(path: str, *, on_disk: bool = False) -> None:
    """Note beside a part that its content was compared, and whether it is known to be on the disk.

    Raises:
        OSError: It cannot be noted.
    """
    boot = cache.this_boot()
    if not boot and not on_disk:
        flush(path)
    place = cache.ON_DISK if on_disk or not boot else boot
    replace(path + cache.SEAL, f"{os.lstat(path).st_ctime_ns} {place}".encode())


def replace(path: str, content: bytes) -> None:
    """Write a file of the cache that is not part of a part, whole or not at all.

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
    """Compare every part in the cache by content; unpack again what differs.

    Compiled modules cannot be compared, so they are always removed, and made again when needed.
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
    """Create the cache's directory if it does not exist.

    Raises:
        UnusableError: It, or one above it, is not safe.
    """
    if cache.is_safe(directory):
        return
    before = os.umask(0o022)
    try:
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        # mkdir, not makedirs: it fails if somebody was faster, and what they made is then judged by
        # is_safe.
        os.mkdir(directory, 0o700)
    except FileExistsError:
        pass
    finally:
        os.umask(before)
    if not cache.is_safe(directory):
        raise cache.UnusableError(f"{directory} vanishes")


def create(path: str, part: str) -> None:
    """Unpack a part completely before it gets its name.

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
    """Write a part's extension modules, after comparing them with the list."""
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
    """Set a file's times to the release's."""
    os.utime(path, (int(cache.EPOCH), int(cache.EPOCH)))


def flush(path: str) -> None:
    """Flush what was written to the disk."""
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        import ctypes

        # syncfs waits for this file system alone; sync for every disk of the machine.
        if ctypes.CDLL(None).syncfs(held):
            os.sync()
    except (ImportError, OSError, AttributeError):
        os.sync()
    finally:
        os.close(held)


def tidy(directory: str) -> None:
    """Remove what killed runs left, and other builds that nobody runs."""
    # Directories first (they sort before their notes): a note goes when its directory is gone.
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        if name.startswith((".new-", ".old-")):
            remove(path)
        elif name.endswith((cache.SEAL, cache.CODE)):
            if not os.path.lexists(path.rpartition(".")[0]):
                remove(path)
        elif is_other_build(name):
            # A process that runs it holds a shared lock.
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
    """Rename a part away in one step; returns the name that it has until it is removed."""
    directory, name = os.path.split(path)
    aside = f"{directory}/.old-{name}"
    remove(aside)  # of a run that was killed
    os.rename(path, aside)
    return aside


def is_other_build(name: str) -> bool:
    """Tell whether a name in the cache belongs to another build's part."""
    content, _, rest = name.partition("-")
    return content != cache.CONTENT and len(content) == len(cache.CONTENT) and "-" in rest


def remove(path: str) -> None:
    """Remove a directory with its content, or whatever is in its place, as far as possible."""
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
        pass  # the next run tries again


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
        # flock has no timeout, and SIGALRM may be used by others: poll.
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
        """Yield the pauses between two attempts."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            yield 0.02

    def __exit__(self, *_: object) -> None:
        os.close(self.held)
