"""`front.py` of the packed agent: reads the archive, makes sure that the libraries are there, hands over.

It replaces shiv's own runtime, which runs whatever it finds in a cache below HOME, obeys variables
that make it run other code, and costs four times as much at every start. This module is compiled again
at every start, so it holds what every start needs and no more; finding and loading modules is in parts.py, the only
one of these that is kept compiled; looking at the cache is in cache.py, unpacking in unpack.py, compiling in
sources.py, running without a cache in memory.py, what `version` says in version.py.

The libraries come in parts; each is looked at when something of it is imported first. Modules stay in the
archive; what goes into the cache is what the C library's loader wants as files, and compiled modules.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import NoReturn

BASE = "base"
# Parts that are looked at when one of these is imported. On Python 3.10 multidict, a library of rpc,
# needs typing_extensions, which msgspec, of base, would import at every start if it could.
PARTS = {
    "crypto": ("cryptography", "_cffi_backend"),
    "rpc": ("grpclib", "google", "h2", "hpack", "hyperframe", "multidict", "machineadm.plugins"),
    "py310": (),
}

PARTS_FILE = "parts.py"

held = -1
"""The archive, which may be replaced while it runs: modules are read out of it until the end."""

table: dict[str, tuple[int, int, int, int]] = {}

fresh: dict[str, CodeType] = {}
"""Modules of the start that were compiled in this run, to be kept."""


def run() -> int:
    """Answer `version` here, or run the command line."""
    if sys.argv[1:2] in (["version"], ["--version"]):
        code = companion("version").answer(sys.argv[1:])
        # None: an option that only the command line understands, such as --help.
        if code is not None:
            return leave(code)
    # Whoever starts the agent may have another one (077, 000): what it creates must not depend on that.
    os.umask(0o022)
    # Nearly everything that a start allocates stays; one garbage collection during a plan takes a tenth of its time.
    gc.set_threshold(100_000)
    prepare()
    try:
        from machineadm.cli.main import main
    except Exception:
        if not repair():
            raise
        # A new process: half of the broken modules are imported already, and cannot be taken back.
        again = [sys.executable, "-I", "-S", own_path(), *sys.argv[1:]]
        os.execv(sys.executable, again)  # noqa: S606 - itself
    return leave(main())


def leave(code: int) -> int:
    """End as the interpreter does, but without freeing every object, which takes a tenth of a run."""
    parts = sys.modules.get("parts")
    # Before _exit: what a first run compiled makes every later start faster.
    if parts is not None and (fresh or any(part.compiled for part in parts.active)):
        companion("sources").keep(parts.active)
    # os._exit skips what the interpreter does at its end: waiting for threads, exit functions,
    # flushing. Each is done here.
    if "threading" in sys.modules:
        sys.modules["threading"]._shutdown()  # noqa: SLF001
    # After the threads, as the interpreter does: an exit function may use what a thread still
    # writes.
    if "atexit" in sys.modules:
        sys.modules["atexit"]._run_exitfuncs()  # noqa: SLF001
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return code  # let the interpreter report what cannot be written
    # The interpreter's own end would free every module, which the kernel does at once.
    os._exit(code)


def prepare() -> None:
    """Make the libraries importable, and take the archive, the first on the path, off it."""
    del sys.path[0]
    # Before anything imports it: zipimport would compile it twice.
    cache = companion("cache")
    top = cache.activate(BASE)
    kept = cache.kept(top)
    code = cache.code(*kept, PARTS_FILE)
    if code is None:
        code = fresh[PARTS_FILE] = compiled(PARTS_FILE)
    companion("parts", code).prepare(top, kept)


def repair() -> bool:
    """Compare the cache by content after an import failed; returns whether any damage was fixed."""
    if companion("cache").unusable:
        return False
    found: str = companion("unpack").verify()
    return found.startswith("MA7108")


def own_path() -> str:
    """Return the path by which the archive was started."""
    path: str = __loader__.archive  # type: ignore[name-defined]
    return path


def read(name: str) -> bytes:
    """Read an entry of the archive, even if another file has its name by now."""
    global held
    if held < 0:
        held = os.open(own_path(), os.O_RDONLY)
        size = os.fstat(held).st_size
        # Once: an upgrade during a run puts another file in its place, and this descriptor keeps the old one.
        table.update(entries(file, size))
    return content(file, table[name])


def file(size: int, start: int) -> bytes:
    """Read a piece of the archive."""
    # pread has no shared position: the process that compiles ahead reads through the same
    # descriptor.
    return os.pread(held, size, start)


def entries(read: Callable[[int, int], bytes], size: int) -> dict[str, tuple[int, int, int, int]]:
    """Read the table of an archive, as PKWARE's APPNOTE.TXT says and build/archive.py writes it.

    zipfile would take as long to import as all of it takes to read.

    Args:
        read: Gives a piece of the archive, by size and start. It has no ZIP64 and no encryption.
        size: How long it is.

    Returns:
        Method, packed size, offset and CRC-32 of each entry.

    Raises:
        ValueError: It is not an archive.
    """
    # The end record has no comment, since build/archive.py writes none, so it need not be searched
    # for.
    end = read(22, max(size - 22, 0))
    if end[:4] != b"PK\5\6":
        raise ValueError("not an archive")
    whole, at, found = read(number(end, 12, 4), number(end, 16, 4)), 0, {}
    while whole[at : at + 4] == b"PK\1\2":
        length = number(whole, at + 28, 2)
        name = whole[at + 46 : at + 46 + length].decode()
        found[name] = (
            number(whole, at + 10, 2),
            number(whole, at + 20, 4),
            number(whole, at + 42, 4),
            number(whole, at + 16, 4),
        )
        at += 46 + length + number(whole, at + 30, 2) + number(whole, at + 32, 2)
    return found


def content(read: Callable[[int, int], bytes], place: tuple[int, int, int, int]) -> bytes:
    """Read an entry of an archive; damage shows later, in the digest of its content."""
    method, packed, start, _ = place
    local = read(30, start)
    # The local header's own lengths: its extra field may differ from the one in the table.
    data = read(packed, start + 30 + number(local, 26, 2) + number(local, 28, 2))
    if not method:
        return data
    # Here: the entries of every start are stored, and zlib is a file to load.
    import zlib

    # Raw deflate, as in zip: no zlib header, no checksum.
    return zlib.decompress(data, -15)


def number(data: bytes, at: int, size: int) -> int:
    """Read a little-endian number."""
    return int.from_bytes(data[at : at + size], "little")


def compiled(name: str) -> CodeType:
    """Compile a file of the archive's own start."""
    # dont_inherit: otherwise `from __future__ import annotations` of this file would apply to the
    # other one, too.
    code: CodeType = compile(read(name), f"{own_path()}/{name}", "exec", dont_inherit=True)
    return code


def companion(name: str, code: CodeType | None = None) -> ModuleType:
    """Import another module of the archive's own start, which is no longer on the path.

    As start.py does with this one, and for the same reason.

    Args:
        name: The module.
        code: Its code, if it need not be compiled.
    """
    if name in sys.modules:
        return sys.modules[name]
    path = f"{own_path()}/{name}.py"
    code = code or compiled(f"{name}.py")
    module = type(sys)(name)
    module.__loader__ = __loader__  # type: ignore[name-defined]
    module.__file__ = path
    # Before it runs: the start's modules import each other.
    sys.modules[name] = module
    sys.path.insert(0, own_path())
    try:
        exec(code, module.__dict__)  # noqa: S102 - a module of this archive
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        del sys.path[0]
    return module


def refuse(exit_code: int, message: str) -> NoReturn:
    """Say why the agent cannot start, and end."""
    say(message)
    sys.exit(exit_code)


def say(message: str) -> None:
    """Write a line to standard error; it may be closed or full, and that must not change the exit code."""
    if sys.stderr is not None:
        try:
            # Not through its buffer, which the interpreter would flush again at the end, and then exit with 120.
            os.write(2, f"machineadm: {message}\n".encode(errors="backslashreplace"))
        except OSError:
            pass
