"""`front.py` of the packed agent: answers `version`, makes sure of the libraries, hands over.

It stands in for shiv's own runtime, which runs whatever it finds in a cache below HOME, obeys variables
that make it run other code, and costs four times as much at every start. This module is compiled anew
at every start, so it holds what every start needs and no more; unpacking is in unpack.py, running
without a cache in memory.py.

The libraries come in parts. Each is unpacked when something of it is imported first, to a folder that
nobody but this user may write to, and compared with the archive's own list at every start: by what
lstat tells, and by its content when that differs.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import NoReturn

# build/archive.py writes the values of these three.
CONTENT = "unknown"
EPOCH = "unknown"
FACTS = "unknown"

BASE = "base"
# Parts that are unpacked when one of these is imported. On Python 3.10 multidict, a library of rpc,
# needs typing_extensions, which msgspec, of base, would import at every start if it could.
PARTS = {
    "crypto": ("cryptography", "_cffi_backend"),
    "rpc": ("grpclib", "google", "h2", "hpack", "hyperframe", "multidict"),
    "py310": (),
}
TAG = sys.implementation.cache_tag
FORMAT = 0o170000  # S_IFMT
FILE = 0o100644
NOEXEC = 8  # ST_NOEXEC of statvfs(3)

unusable: UnusableError | None = None
"""Why the libraries are in memory; None as long as they are in the cache."""


class UnusableError(Exception):
    """A folder cannot take the libraries."""

    def __init__(self, reason: str, *, unsafe: bool = False) -> None:
        super().__init__(reason)
        self.unsafe = unsafe


def run() -> int:
    """Answer, or run the command line."""
    code = answer(sys.argv[1:])
    if code is not None:
        return leave(code)
    os.umask(0o022)
    # Most of what a start makes is there to stay: far fewer searches for garbage.
    gc.set_threshold(20_000)
    prepare()
    try:
        from machineadm.cli.main import main
    except Exception:
        if not mend():
            raise
        again = [sys.executable, "-I", "-S", own_path(), *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606 - itself
    return leave(main())


def leave(code: int) -> int:
    """End as the interpreter does, but without taking everything apart, which takes a tenth of a run."""
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # noqa: SLF001
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()  # noqa: SLF001
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return code  # the interpreter has its own way with what cannot be written
    os._exit(code)


def prepare() -> None:
    """Put the libraries on the path, in place of the archive, which is the first there."""
    sys.path[0] = activate(BASE)
    sys.meta_path.append(Parts())


# ------------------------------------------------------------------------------------- version
def answer(arguments: list[str]) -> int | None:
    """Answer the plain forms of `version` without the libraries; None for anything else."""
    if not arguments or arguments[0] not in ("version", "--version"):
        return None
    options = " ".join(arguments[1:]).replace("--output ", "--output=").split(" ")
    known = ("", "--output=json", "--output=text", "--digest", "--verify-cache")
    variables = ("MACHINEADM_OUTPUT", "MACHINEADM_DIGEST", "MACHINEADM_VERIFY_CACHE")
    if any(option not in known for option in options) or any(v in os.environ for v in variables):
        return None
    python = "{}.{}.{}".format(*sys.version_info[:3])
    facts = [*(line.split("=", 1) for line in FACTS.split("\n")), ["python", python]]
    code = 0
    if "--digest" in options:
        facts.append(["sha256", companion("unpack").own_digest()])
    if "--verify-cache" in options:
        found = verify_cache()
        facts.append(["cache", found])
        code = 4 if found.startswith("MA7108") else 0
    if options[-1] == "--output=json" or "--output=json" in options:
        text = "{" + ", ".join(f'"{name}": "{value}"' for name, value in facts) + "}\n"
    else:
        text = "".join(f"{name:12} {value}\n" for name, value in facts)
    try:
        os.write(1, text.encode())
    except OSError:
        return None  # the command line knows what to say of it
    return code


def verify_cache() -> str:
    """Compare all that is unpacked with the archive by content, and mend it; says what was found."""
    found: str = companion("unpack").verify()
    return found


def mend() -> bool:
    """Look for damage by content after something could not be imported; tells whether any was mended."""
    return unusable is None and verify_cache().startswith("MA7108")


# --------------------------------------------------------------------------------------- parts
class Parts:
    """Finds the modules of parts that are not on the path yet."""

    def __init__(self) -> None:
        self.missing = {name: part for part, names in PARTS.items() for name in names}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Put the part that has a module on the path; see importlib.abc.MetaPathFinder."""
        part = self.missing.get(name) if path is None else None
        if part is None:
            return None
        from importlib.machinery import PathFinder

        self.missing = {name: other for name, other in self.missing.items() if other != part}
        sys.path.append(activate(part))
        if part == "rpc" and sys.version_info < (3, 11):
            sys.path.append(activate("py310"))
        return PathFinder.find_spec(name)


def activate(part: str) -> str:
    """Make sure of a part's libraries; gives what goes on the path."""
    global unusable
    if unusable is None:
        try:
            return in_cache(part)
        except UnusableError as error:
            unusable = error
        except OSError as error:
            unusable = UnusableError(f"{error.filename or 'the cache'}: {error.strerror}")
        if unusable.unsafe:
            sys.stderr.write(
                f"machineadm: MA7104 {unusable}, so nothing is kept there; "
                "the libraries are loaded into memory\n"
            )
    path: str = companion("memory").load(part)
    return path


def in_cache(part: str) -> str:
    """Find a part in the cache, or unpack it there.

    Raises:
        UnusableError: There is no folder that can be trusted, or none that can be executed from.
    """
    folder = cache_folder()
    if is_safe(folder):
        path = part_folder(folder, part)
        if hold(path) is not None and not any(departures(path, part)):
            return path
    unpacked: str = companion("unpack").unpack(folder, part)
    return unpacked


def part_folder(folder: str, part: str) -> str:
    """Where a part lies: named by content and interpreter, as extension modules are for one alone."""
    return f"{folder}/{CONTENT}-{TAG}-{part}"


def cache_folder() -> str:
    """Where the parts lie; a fixed place, whatever HOME says.

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
    # A link on the way may change its mind; what it leads to now is what is checked and used.
    return os.path.realpath(base) + "/agent"


def is_safe(folder: str) -> bool:
    """Tell whether the folder is there, after making sure that nobody else can put something into it.

    Raises:
        UnusableError: Somebody else can, or nothing may be executed there.
    """
    user = os.geteuid()
    path = ""
    for name in folder.split("/"):
        path += name + "/"
        try:
            found = os.lstat(path if path == "/" else path[:-1])
        except FileNotFoundError:
            return False
        last = path[:-1] == folder
        if found.st_mode & FORMAT != 0o040000:
            raise UnusableError(f"{path[:-1]} is no folder", unsafe=True)
        if found.st_uid != user and (last or found.st_uid != 0):
            raise UnusableError(f"{path[:-1]} belongs to uid {found.st_uid}", unsafe=True)
        # In a sticky folder, as /tmp, nobody can take away what is somebody else's.
        if found.st_mode & 0o022 and (last or not found.st_mode & 0o1000):
            raise UnusableError(f"others may write to {path[:-1] or '/'}", unsafe=True)
    if os.statvfs(folder).f_flag & NOEXEC:
        raise UnusableError(f"nothing below {folder} may be executed")
    return True


def hold(path: str) -> int | None:
    """Lock a part's folder as long as this process lives, so that no upgrade removes it.

    Returns:
        A descriptor; None where there is no such folder.
    """
    import fcntl

    while True:
        try:
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return None
        fcntl.flock(held, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(held), os.lstat(path)):
                return held
        except FileNotFoundError:
            pass
        os.close(held)  # it was removed while we waited


def manifest(part: str) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each of a part's files that this interpreter needs."""
    import _imp

    own = _imp.extension_suffixes()[0]
    files = {}
    for line in read(f"manifest/{part}").decode().splitlines():
        size, digest, path = line.split(" ", 2)
        if ".cpython-" not in path or path.endswith(own):
            files[path] = int(size), digest
    return files


def departures(top: str, part: str, *, by_content: bool = False) -> Iterator[str]:
    """Compare a part in the cache with the archive's list.

    Type, owner, mode and size of every file, and nothing that the list does not have but bytecode where
    the interpreter puts it. No time of change may be later than the folder's own, which is that of its
    last renaming: that shows a change of content after which size and time of modification were set
    back.

    Args:
        top: The part's folder.
        part: Its name.
        by_content: Compare the SHA-256 of the content in place of the times.

    Yields:
        The paths of what differs, is missing or has no business there.
    """
    wanted = manifest(part)
    folders = {path.rpartition("/")[0] for path in wanted}
    for folder in tuple(folders):
        while folder:
            folder = folder.rpartition("/")[0]
            folders.add(folder)
    user = os.geteuid()
    modified = int(EPOCH) * 10**9
    sealed = os.lstat(top).st_ctime_ns
    missing = set(wanted)
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        before = f"{folder}/" if folder else ""
        with os.scandir(f"{top}/{folder}") as entries:
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
                        if companion("unpack").sha256(f"{top}/{path}") != digest:
                            yield path
                    elif found.st_mtime_ns != modified or found.st_ctime_ns > sealed:
                        yield path
                elif mine and mode & FORMAT == 0o040000:
                    if path in folders or (entry.name == "__pycache__" and folder in folders):
                        waiting.append(path)
                    else:
                        yield path
                elif not mine or mode & FORMAT != 0o100000 or not is_bytecode(path, wanted):
                    yield path
    yield from missing


def is_bytecode(path: str, wanted: dict[str, tuple[int, str]]) -> bool:
    """Tell whether a file is where, and called as, this interpreter keeps the bytecode of a listed one.

    What it writes to first, before it renames it, has a number behind the name.
    """
    source, _, rest = path.replace("__pycache__/", "", 1).partition(f".{TAG}.")
    kind, _, number = rest.rpartition("pyc")
    return (
        f"{source}.py" in wanted
        and path.rpartition("/")[0].endswith("__pycache__")
        and kind in ("", "opt-1.", "opt-2.")
        and (not number or (number[0] == "." and number[1:].isdigit()))
    )


def own_path() -> str:
    """The archive, as it was started."""
    path: str = __loader__.archive  # type: ignore[name-defined]
    return path


def read(name: str) -> bytes:
    """Read an entry of the archive."""
    content: bytes = __loader__.get_data(f"{own_path()}/{name}")  # type: ignore[name-defined]
    return content


def companion(name: str) -> ModuleType:
    """Import another module of the archive's own start, which is on the path no more."""
    sys.path.insert(0, own_path())
    try:
        return __import__(name)
    finally:
        del sys.path[0]


def refuse(exit_code: int, message: str) -> NoReturn:
    """Say why the agent cannot start, and end."""
    sys.stderr.write(f"machineadm: {message}\n")
    sys.exit(exit_code)
