"""`front.py` of the packed agent: answers `version`, makes sure of the libraries, hands over.

It stands in for shiv's own runtime, which runs whatever it finds in a cache below HOME, obeys variables
that make it run other code, and costs four times as much at every start. This module is compiled anew
at every start, so it holds what every start needs and no more; looking at the cache is in cache.py,
unpacking in unpack.py, running without a cache in memory.py.

The libraries come in parts; each is unpacked when something of it is imported first.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this file
if TYPE_CHECKING:
    from collections.abc import Container
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import NoReturn

# build/archive.py writes the value.
FACTS = "unknown"

BASE = "base"
# Parts that are unpacked when one of these is imported. On Python 3.10 multidict, a library of rpc,
# needs typing_extensions, which msgspec, of base, would import at every start if it could.
PARTS = {
    "crypto": ("cryptography", "_cffi_backend"),
    "rpc": ("grpclib", "google", "h2", "hpack", "hyperframe", "multidict"),
    "py310": (),
}

unusable = ""
"""Why the libraries are in memory; empty as long as they are in the cache."""


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
    """Put the libraries on the path, and take the archive, the first there, off it."""
    base = activate(BASE)
    sys.path[:] = [*sys.path[1:], base]
    if not unusable:
        sys.meta_path.insert(0, Listed(base, companion("cache").manifest(BASE)))
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
    return not unusable and verify_cache().startswith("MA7108")


# --------------------------------------------------------------------------------------- parts
class Listed:
    """Finds the modules of a part by its list, which has just been compared with what is there.

    The interpreter's own finder looks every module up in every folder of the path, with three or four
    questions to the file system each: a twentieth of a start.
    """

    def __init__(self, top: str, files: Container[str]) -> None:
        from _frozen_importlib_external import (
            ExtensionFileLoader,
            SourceFileLoader,
            spec_from_file_location,
        )
        from _imp import extension_suffixes

        self.top, self.files, self.spec = top, files, spec_from_file_location
        self.kinds: list[tuple[str, type[SourceFileLoader | ExtensionFileLoader]]]
        self.kinds = [(".py", SourceFileLoader)]
        self.kinds += [(suffix, ExtensionFileLoader) for suffix in extension_suffixes()]

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find a module; see importlib.abc.MetaPathFinder."""
        stem = name.replace(".", "/")
        if f"{stem}/__init__.py" in self.files:
            folder = f"{self.top}/{stem}"
            file = f"{folder}/__init__.py"
            loader = self.kinds[0][1](name, file)
            return self.spec(name, file, loader=loader, submodule_search_locations=[folder])
        for suffix, kind in self.kinds:
            if stem + suffix in self.files:
                file = f"{self.top}/{stem}{suffix}"
                return self.spec(name, file, loader=kind(name, file))
        return None


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
    in_memory: str = companion("memory").load(part)
    return in_memory


def own_path() -> str:
    """The archive, as it was started."""
    path: str = __loader__.archive  # type: ignore[name-defined]
    return path


def read(name: str) -> bytes:
    """Read an entry of the archive."""
    content: bytes = __loader__.get_data(f"{own_path()}/{name}")  # type: ignore[name-defined]
    return content


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
