"""`cache.py` of the packed agent: where the libraries are, and whether they are what they must be.

A part's extension modules are in a directory that only this user can write to. At every start they are compared
with the archive's own list: by lstat, and by content if that differs, or if nothing shows that what was written
has reached the disk. Compiled again at every start except that of `version`, like front.py:
what decides whether kept code can be trusted cannot be kept code.

    CONTENT-TAG-PART        the extension modules
    CONTENT-TAG-PART.seal   when the directory was renamed, and in which boot its content was compared
    CONTENT-TAG-PART.code   compiled modules
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from _imp import _fix_co_filename, extension_suffixes, source_hash  # type: ignore[attr-defined]

import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

# build/archive.py writes the values of these.
CONTENT = "unknown"
EPOCH = "unknown"
OWNER = "unknown"

TAG = sys.implementation.cache_tag
BOOT_ID = "/proc/sys/kernel/random/boot_id"
ON_DISK = "on-disk"
SEAL, CODE, LIBRARY = ".seal", ".code", ".so"
FORMAT = 0o170000  # S_IFMT
FILE = 0o100644
NOEXEC = 8  # ST_NOEXEC of statvfs(3)

unusable = ""
"""Why extension modules are in memory; empty as long as they are in the cache."""


class UnusableError(Exception):
    """A directory cannot take the libraries."""

    def __init__(self, reason: str, *, unsafe: bool = False) -> None:
        super().__init__(reason)
        self.unsafe = unsafe


def activate(part: str) -> str:
    """Make sure that a part's extension modules are there; returns their directory, empty without a cache."""
    global unusable
    if not unusable:
        try:
            return find(part)
        except UnusableError as error:
            unusable = str(error)
            if error.unsafe:
                front.say(
                    f"MA7104 {unusable}, so nothing is kept there; "
                    "the libraries are loaded into memory"
                )
        except OSError as error:
            unusable = f"{error.filename or 'the cache'}: {error.strerror}"
    return ""


def find(part: str) -> str:
    """Return a part's directory, locked for this process, after unpacking it if necessary.

    Raises:
        UnusableError: There is no directory that can be trusted, or none that can be executed from.
    """
    directory = cache_directory()
    if is_safe(directory):
        path = part_directory(directory, part)
        if hold(path) is not None and is_settled(path) and not any(departures(path, part)):
            return path
    unpacked: str = front.companion("unpack").unpack(directory, part)
    return unpacked


def part_directory(directory: str, part: str) -> str:
    """Name a part's directory by content and interpreter: an extension module is for one interpreter only."""
    return f"{directory}/{CONTENT}-{TAG}-{part}"


def cache_directory() -> str:
    """Return where the parts are: a fixed place, whatever HOME says.

    Raises:
        UnusableError: The user has no home.
    """
    base = os.environ.get("MACHINEADM_CACHE")
    if not base:
        base = "/var/cache/machineadm"
        if os.geteuid() != 0:
            import pwd

            try:
                base = pwd.getpwuid(os.geteuid()).pw_dir + "/.cache/machineadm"
            except KeyError:
                raise UnusableError(f"uid {os.geteuid()} has no home") from None
    # A link on the way may be changed later: resolve it once, and check and use the same path.
    return f"{os.path.realpath(base)}/{OWNER}"


def is_safe(directory: str) -> bool:
    """Tell whether the directory exists, after making sure that nobody else can put files into it.

    Raises:
        UnusableError: Somebody else can, or nothing may be executed there.
    """
    user = os.geteuid()
    path = ""
    for name in directory.split("/"):
        path += name + "/"
        try:
            found = os.lstat(path if path == "/" else path[:-1])
        except FileNotFoundError:
            return False
        last = path[:-1] == directory
        if found.st_mode & FORMAT != 0o040000:
            raise UnusableError(f"{path[:-1]} is not a directory", unsafe=True)
        # Root may own the directories above, since root can do everything anyway; the last one must
        # be ours.
        if found.st_uid != user and (last or found.st_uid != 0):
            raise UnusableError(f"{path[:-1]} belongs to uid {found.st_uid}", unsafe=True)
        # In a sticky directory such as /tmp nobody can rename or remove other users' entries.
        if found.st_mode & 0o022 and (last or not found.st_mode & 0o1000):
            raise UnusableError(f"others may write to {path[:-1] or '/'}", unsafe=True)
    # mmap with PROT_EXEC fails there, and the loader would name a library and not the mount option.
    if os.statvfs(directory).f_flag & NOEXEC:
        raise UnusableError(f"{directory} is mounted noexec")
    return True


def hold(path: str) -> int | None:
    """Lock a part's directory while this process lives, so that no upgrade removes it.

    Returns:
        A descriptor; None where there is no such directory.
    """
    import fcntl

    while True:
        try:
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return None
        # Shared: any number of runs use a part; the one that tidies up takes the exclusive lock.
        fcntl.flock(held, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(held), os.lstat(path)):
                return held
        except FileNotFoundError:
            pass
        os.close(held)  # it was replaced while we waited: the lock is on a directory without a name


def own_file(path: str) -> int | None:
    """Open a file that only this user can have written; None if there is none."""
    try:
        # O_NONBLOCK: a FIFO in its place must not stop every start.
        held = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    found = os.fstat(held)
    if found.st_uid == os.geteuid() and found.st_mode & (FORMAT | 0o022) == 0o100000:
        return held
    os.close(held)
    return None


def seal(path: str) -> tuple[str, str]:
    """Read the note of the last comparison by content: the directory's ctime, and in which boot it was."""
    held = own_file(path + SEAL)
    if held is None:
        return "", ""
    changed, _, boot = os.read(held, 100).decode("ascii", "replace").partition(" ")
    os.close(held)
    return changed, boot


def is_settled(path: str) -> bool:
    """Tell whether lstat is enough: the content was compared on the disk, or written since this boot.

    After a power cut a file may have the right size and time but other content (delayed allocation); what was
    written since the boot is in the page cache. The note is valid only for the directory that it was made for.
    """
    changed, boot = seal(path)
    if changed != str(os.lstat(path).st_ctime_ns):
        return False
    return boot == ON_DISK or (boot != "" and boot == this_boot())


def this_boot() -> str:
    """Return the kernel's id of this boot; empty if it has none."""
    try:
        with open(BOOT_ID, "rb", buffering=0) as file:
            return file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return ""


def kept(path: str) -> tuple[int, dict[str, tuple[int, int, bytes]]]:
    """Open the compiled modules of a part.

    Returns:
        A descriptor; and the offset, length and seal of each module's code.
    """
    held = own_file(path + CODE) if path else None
    if held is None:
        return -1, {}
    head = os.pread(held, 16, 0)
    index = os.pread(held, int.from_bytes(head[4:8], "little"), 16)
    # Another interpreter's bytecode crashes this one, and marshal crashes on damaged data: compare
    # before loading.
    if head[:4] == MAGIC_NUMBER and len(head) == 16 and source_hash(0, index) == head[8:]:
        return held, marshal.loads(index)  # noqa: S302 - nobody but this user writes there
    os.close(held)
    return -1, {}


def code(held: int, index: dict[str, tuple[int, int, bytes]], path: str) -> CodeType | None:
    """Return a module's code from what `kept` returned; None if it must be compiled."""
    if path in index:
        start, size, seal = index[path]
        data = os.pread(held, size, start)
        # A bad disk or a power cut may have changed it, and marshal crashes on damaged data.
        if source_hash(start, data) == seal:
            found: CodeType = marshal.loads(data)  # noqa: S302 - nobody but this user writes there
            # The path was compiled in, and the archive may have been started by another one
            # since; tracebacks would show the old.
            _fix_co_filename(found, f"{front.own_path()}/{path}")
            return found
    return None


def listed(part: str) -> Iterator[str]:
    """Yield the lines of a part's list that are for this interpreter: size and SHA-256 of a file, then its path."""
    own = extension_suffixes()[0]
    for line in front.read(f"manifest/{part}").decode().splitlines():
        if ".cpython-" not in line or line.endswith(own):
            yield line


def libraries(part: str) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of a part's extension modules, the only ones that must be files."""
    lines = (line.split(" ", 2) for line in listed(part) if line.endswith(LIBRARY))
    return {path: (int(size), digest) for size, digest, path in lines}


def departures(top: str, part: str, *, by_content: bool = False) -> Iterator[str]:
    """Compare a part in the cache with the archive's list.

    Type, owner, mode and size of every file must fit, and there must be no other file. No ctime may be later
    than the directory's own, which is that of its last rename: a later one shows that content was changed
    and that size and mtime were set back.

    Args:
        top: The part's directory.
        part: Its name.
        by_content: Compare the SHA-256 of the content instead of the times.

    Yields:
        The paths of what differs, is missing or does not belong there.
    """
    wanted = libraries(part)
    directories = {path.rpartition("/")[0] for path in wanted}
    for directory in tuple(directories):
        while directory:
            directory = directory.rpartition("/")[0]
            directories.add(directory)
    user = os.geteuid()
    modified = int(EPOCH) * 10**9
    outermost = os.lstat(top)
    if outermost.st_uid != user or outermost.st_mode & 0o022:
        yield "."
    # utimes can set mtime back, nobody can set ctime: the kernel alone writes it.
    sealed = outermost.st_ctime_ns
    missing = set(wanted)
    waiting = [""]
    while waiting:
        directory = waiting.pop()
        before = f"{directory}/" if directory else ""
        with os.scandir(f"{top}/{directory}") as entries:
            for entry in entries:
                path = before + entry.name
                found = entry.stat(follow_symlinks=False)
                mode = found.st_mode
                mine = found.st_uid == user and not mode & 0o022
                if path in wanted:
                    missing.discard(path)
                    size, digest = wanted[path]
                    if mode != FILE or not mine or found.st_size != size:
                        yield path
                    elif by_content:
                        if front.companion("unpack").sha256(f"{top}/{path}") != digest:
                            yield path
                    elif found.st_mtime_ns != modified or found.st_ctime_ns > sealed:
                        yield path
                elif mine and mode & FORMAT == 0o040000 and path in directories:
                    waiting.append(path)
                else:
                    yield path
    yield from missing
