"""`front.py` of the packed agent: answers `version`, makes sure of the libraries, hands over.

It stands in for shiv's own runtime, which runs whatever it finds in a cache below HOME, obeys variables
that make it run other code, and costs four times as much at every start. This module is compiled anew
at every start, so it holds what every start needs and no more; looking at the cache is in cache.py,
unpacking in unpack.py, compiling in sources.py, running without a cache in memory.py.

The libraries come in parts; each is looked at when something of it is imported first. Modules stay in the
archive; what goes into the cache is what the C library's loader wants as files, and compiled modules.
"""

from __future__ import annotations

import gc
import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, spec_from_file_location
from _imp import _fix_co_filename, extension_suffixes, source_hash  # type: ignore[attr-defined]

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType
    from typing import NoReturn

# build/archive.py writes the value.
FACTS = "unknown"

BASE = "base"
# Parts that are looked at when one of these is imported. On Python 3.10 multidict, a library of rpc,
# needs typing_extensions, which msgspec, of base, would import at every start if it could.
PARTS = {
    "crypto": ("cryptography", "_cffi_backend"),
    "rpc": ("grpclib", "google", "h2", "hpack", "hyperframe", "multidict"),
    "py310": (),
}

held = -1
"""The archive, which may be replaced while it runs: modules are read out of it until the end."""

table: dict[str, tuple[int, int, int, int]] = {}

active: list[Part] = []
"""The parts that something was imported of."""

unusable = ""
"""Why extension modules are in memory; empty as long as they are in the cache."""


def run() -> int:
    """Answer, or run the command line."""
    code = answer(sys.argv[1:])
    if code is not None:
        return leave(code)
    os.umask(0o022)
    # Most of what a start makes is there to stay; one search for garbage in the midst of a plan takes a tenth of it.
    gc.set_threshold(100_000)
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
    if any(part.compiled for part in active):
        companion("sources").keep(active)
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
    """Make the libraries importable, and take the archive, the first on the path, off it."""
    del sys.path[0]
    sys.meta_path.insert(0, Part(BASE))
    sys.meta_path.append(Missing())
    sys.path_hooks.insert(0, Part.of_directory)


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
    return not unusable and verify_cache().startswith("MA7108")


# --------------------------------------------------------------------------------------- parts
class Part:
    """Finds the modules of a part by its list; see importlib.abc.MetaPathFinder.

    Args:
        name: The part.
    """

    def __init__(self, name: str) -> None:
        cache = companion("cache")
        self.name = name
        self.files = {line.split(" ", 2)[2] for line in cache.listed(name)}
        self.tops = {path.partition("/")[0].partition(".")[0] for path in self.files}
        # Where the extension modules lie; empty: nowhere, they are loaded from memory.
        self.top = activate(name)
        self.kept: dict[str, tuple[int, int, bytes]]
        self.bytecode, self.kept = cache.kept(self.top)
        self.compiled: dict[str, bytes] = {}
        active.append(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find a module."""
        if name.partition(".")[0] not in self.tops:
            return None
        stem = name.replace(".", "/")
        package = f"{stem}/__init__.py"
        if package in self.files:
            return self.spec(name, Module(self, package), stem)
        if f"{stem}.py" in self.files:
            return self.spec(name, Module(self, f"{stem}.py"))
        for path in (
            stem + suffix for suffix in extension_suffixes() if stem + suffix in self.files
        ):
            place = f"{self.top}/{path}" if self.top else companion("memory").place(self.name, path)
            return spec_from_file_location(name, place, loader=ExtensionFileLoader(name, place))
        if any(path.startswith(f"{stem}/") for path in self.files):
            return self.spec(name, None, stem)
        return None

    def spec(self, name: str, loader: Module | None, directory: str = "") -> ModuleSpec:
        """Describe a module; with a directory it is a package."""
        # It has the methods that the interpreter calls.
        found = ModuleSpec(name, loader, is_package=bool(directory))  # type: ignore[arg-type]
        if directory:
            found.submodule_search_locations = [f"{own_path()}/{directory}"]
        return found

    def code(self, path: str) -> CodeType:
        """The compiled module of that path: as it was kept, or compiled now."""
        if path in self.kept:
            start, size, seal = self.kept[path]
            data = os.pread(self.bytecode, size, start)
            # A disk, or a power cut, may have made something else of it.
            if source_hash(start, data) == seal:
                code: CodeType = marshal.loads(data)  # noqa: S302 - nobody but this user writes there
                _fix_co_filename(code, f"{own_path()}/{path}")
                return code
        code, self.compiled[path] = companion("sources").compiled(self.name, path)
        return code

    @staticmethod
    def of_directory(path: str) -> Directory:
        """A hook of sys.path_hooks, by which pkgutil lists the modules of a package.

        Raises:
            ImportError: It is not a package of ours.
        """
        if not path.startswith(f"{own_path()}/"):
            raise ImportError
        return Directory(path[len(own_path()) + 1 :])


class Directory:
    """A directory of the archive's parts, by its path; see importlib.abc.PathEntryFinder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find_spec(self, name: str, target: object = None) -> None:
        """Nothing: a Part finds what there is, by its full name."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """List the modules that lie there, and whether they are packages; as pkgutil asks."""
        for path in (path for part in active for path in part.files):
            directory, _, name = path.removesuffix("/__init__.py").rpartition("/")
            if directory == self.path and (path.endswith("/__init__.py") or name.endswith(".py")):
                yield prefix + name.removesuffix(".py"), path.endswith("/__init__.py")


class Module:
    """Loads a module out of a part; see importlib.abc.InspectLoader and ResourceLoader."""

    def __init__(self, part: Part, path: str) -> None:
        self.part, self.path = part, path

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave that to the interpreter."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        module.__file__ = f"{own_path()}/{self.path}"
        exec(self.part.code(self.path), module.__dict__)  # noqa: S102 - a module of this archive

    def get_code(self, name: str) -> CodeType:
        """Compile the module."""
        return self.part.code(self.path)

    def get_source(self, name: str) -> str:
        """Read the module's text, for a traceback."""
        return self.get_data(f"{own_path()}/{self.path}").decode()

    def get_data(self, path: str) -> bytes:
        """Read a file of the part.

        Raises:
            FileNotFoundError: There is none.
        """
        file = path[len(own_path()) + 1 :]
        if file not in self.part.files:
            raise FileNotFoundError(path)
        found: bytes = companion("sources").content(self.part.name, file)
        return found


class Missing:
    """Finds the modules of parts that nothing has been imported of yet."""

    def __init__(self) -> None:
        self.parts = {name: part for part, names in PARTS.items() for name in names}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Put the part that has a module among the finders; see importlib.abc.MetaPathFinder."""
        part = self.parts.get(name) if path is None else None
        if part is None:
            return None
        self.parts = {name: other for name, other in self.parts.items() if other != part}
        found = Part(part)
        sys.meta_path.insert(0, found)
        if part == "rpc" and sys.version_info < (3, 11):
            sys.meta_path.append(Part("py310"))
        return found.find_spec(name)


def activate(part: str) -> str:
    """Make sure of a part's extension modules; gives the directory, which is empty if there can be none."""
    global unusable
    if not unusable:
        cache = companion("cache")
        try:
            path: str = cache.find(part)
        except cache.UnusableError as error:
            unusable = str(error)
            if error.unsafe:
                say(
                    f"MA7104 {unusable}, so nothing is kept there; "
                    "the libraries are loaded into memory"
                )
        except OSError as error:
            unusable = f"{error.filename or 'the cache'}: {error.strerror}"
        else:
            return path
    return ""


def own_path() -> str:
    """The archive, as it was started."""
    path: str = __loader__.archive  # type: ignore[name-defined]
    return path


def read(name: str) -> bytes:
    """Read an entry of the archive, even if another file has its name by now."""
    global held
    if held < 0:
        held = os.open(own_path(), os.O_RDONLY)
        size = os.fstat(held).st_size
        table.update(entries(file, size))
    return content(file, table[name])


def file(size: int, start: int) -> bytes:
    """Read a piece of the archive."""
    return os.pread(held, size, start)


def entries(read: Callable[[int, int], bytes], size: int) -> dict[str, tuple[int, int, int, int]]:
    """Read the table of an archive, as PKWARE's APPNOTE.TXT says and build/archive.py writes it.

    zipfile would take as long to import as all of it takes to read.

    Args:
        read: Gives a piece of the archive, by size and start. It has no ZIP64 and no encryption.
        size: How long it is.

    Returns:
        Method, packed size, start and CRC-32 of each entry.

    Raises:
        ValueError: It is not an archive.
    """
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
    """Read an entry of an archive; whatever is wrong with it shows in the digest of its content."""
    method, packed, start, _ = place
    local = read(30, start)
    data = read(packed, start + 30 + number(local, 26, 2) + number(local, 28, 2))
    if not method:
        return data
    import zlib

    return zlib.decompress(data, -15)


def number(data: bytes, at: int, size: int) -> int:
    """Read a number of so many bytes."""
    return int.from_bytes(data[at : at + size], "little")


def companion(name: str) -> ModuleType:
    """Import another module of the archive's own start, which is on the path no more.

    As start.py does with this one, and for the same reason.
    """
    if name in sys.modules:
        return sys.modules[name]
    path = f"{own_path()}/{name}.py"
    code = compile(read(f"{name}.py"), path, "exec", dont_inherit=True)
    module = type(sys)(name)
    module.__loader__ = __loader__  # type: ignore[name-defined]
    module.__file__ = path
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
    """Tell whoever reads standard error; it may be closed or full, and that must not become the exit code."""
    if sys.stderr is not None:
        try:
            # Past its buffer, which the interpreter would try to empty again at the end.
            os.write(2, f"machineadm: {message}\n".encode(errors="backslashreplace"))
        except OSError:
            pass
