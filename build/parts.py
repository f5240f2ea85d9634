"""`parts.py` of the packed agent: finds and loads modules from the archive or the cache.

Its code is kept beside that of the part `base`; `version` does not need it.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, spec_from_file_location
from _imp import extension_suffixes

import cache
import front

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType
    from typing import Any

# Imported by msgspec and its like, and seldom used: each is run when something of it is asked for (PEP 562). Beside it
# stands what is asked for at every start: until Python 3.12 uuid, which msgspec needs, asks platform for one word, and datetime
# defines everything in Python before it takes the same from _datetime.
LATE: dict[str, Callable[[], dict[str, Any]]] = {
    "datetime": lambda: public("_datetime"),
    "msgspec.inspect": dict,
    "msgspec.msgpack": dict,
    "msgspec.toml": dict,
    "msgspec.yaml": dict,
    "platform": lambda: {"system": lambda: os.uname().sysname},
    "textwrap": dict,
}

active: list[Part] = []
"""The parts that something was imported of."""


def prepare(top: str, kept: tuple[int, dict[str, tuple[int, int, bytes]]]) -> None:
    """Install the finders.

    Args:
        top: Directory of the first part's extension modules; empty without a cache.
        kept: Its compiled modules, as cache.kept returns them.
    """
    # First: nothing of the machine's own site-packages may be found in their place.
    sys.meta_path[:0] = [Late(), Part(front.BASE, top, kept)]
    # Last: a part is looked at only if nobody else has the module, so a run without plugins never
    # unpacks gRPC.
    sys.meta_path.append(Missing())
    sys.path_hooks.insert(0, Part.of_directory)


class Part:
    """Finds the modules of a part by its list; see importlib.abc.MetaPathFinder.

    Args:
        name: The part.
        top: Directory of its extension modules; empty if they are loaded from memory.
        kept: Its compiled modules, as cache.kept returns them.
    """

    def __init__(
        self, name: str, top: str, kept: tuple[int, dict[str, tuple[int, int, bytes]]]
    ) -> None:
        self.name = name
        self.files = {line.split(" ", 2)[2] for line in cache.listed(name)}
        # Asked before all else, since this finder sees every import of the process.
        self.tops = {path.partition("/")[0].partition(".")[0] for path in self.files}
        self.top = top
        self.bytecode, self.kept = kept
        self.compiled: dict[str, bytes] = {}
        active.append(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find a module."""
        if name.partition(".")[0] not in self.tops:
            return None
        stem = name.replace(".", "/")
        package = f"{stem}/__init__.py"
        # A package before a module of the same name, as the interpreter's own finders have it.
        if package in self.files:
            return self.spec(name, Module(self, package), stem)
        if f"{stem}.py" in self.files:
            return self.spec(name, Module(self, f"{stem}.py"))
        for path in (
            stem + suffix for suffix in extension_suffixes() if stem + suffix in self.files
        ):
            place = (
                f"{self.top}/{path}"
                if self.top
                else front.companion("memory").place(self.name, path)
            )
            return spec_from_file_location(name, place, loader=ExtensionFileLoader(name, place))
        # A namespace package (PEP 420), as `google` is.
        if any(path.startswith(f"{stem}/") for path in self.files):
            return self.spec(name, None, stem)
        return None

    def spec(self, name: str, loader: Module | None, directory: str = "") -> ModuleSpec:
        """Describe a module; with a directory it is a package."""
        # It has the methods that the interpreter calls.
        found = ModuleSpec(name, loader, is_package=bool(directory))  # type: ignore[arg-type]
        if directory:
            # A path that does not exist, by which of_directory() knows that it is asked for ours.
            found.submodule_search_locations = [f"{front.own_path()}/{directory}"]
        return found

    def code(self, path: str) -> CodeType:
        """Return the compiled module of that path, from the cache or compiled now."""
        found: CodeType | None = cache.code(self.bytecode, self.kept, path)
        if found is not None:
            return found
        code: CodeType
        code, self.compiled[path] = front.companion("sources").compiled(self, path)
        return code

    @staticmethod
    def of_directory(path: str) -> Directory:
        """Hook for sys.path_hooks, so that pkgutil can list the modules of a package.

        Raises:
            ImportError: It is not a package of ours.
        """
        if not path.startswith(f"{front.own_path()}/"):
            raise ImportError
        return Directory(path[len(front.own_path()) + 1 :])


class Directory:
    """A directory of the archive's parts, by its path; see importlib.abc.PathEntryFinder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find_spec(self, name: str, target: object = None) -> None:
        """Find nothing: a Part finds modules by their full name."""

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """List the modules of the directory, and whether they are packages, for pkgutil."""
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
        module.__file__ = f"{front.own_path()}/{self.path}"
        exec(self.part.code(self.path), module.__dict__)  # noqa: S102 - a module of this archive

    def get_code(self, name: str) -> CodeType:
        """Compile the module."""
        return self.part.code(self.path)

    def get_source(self, name: str) -> str:
        """Read the module's text, for a traceback."""
        return self.get_data(f"{front.own_path()}/{self.path}").decode()

    def get_data(self, path: str) -> bytes:
        """Read a file of the part.

        Raises:
            FileNotFoundError: There is none.
        """
        file = path[len(front.own_path()) + 1 :]
        # pkgutil.get_data() expects an OSError.
        if file not in self.part.files:
            raise FileNotFoundError(path)
        found: bytes = front.companion("sources").content(self.part.name, file)
        return found


class Late:
    """Finds and loads modules that run late; see importlib.abc.MetaPathFinder and Loader."""

    def __init__(self, loader: Any = None) -> None:
        self.loader = loader

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Let the other finders find the module, and wrap its loader."""
        if name not in LATE:
            return None
        others = (one.find_spec(name, path, target) for one in sys.meta_path if one is not self)
        found = next(filter(None, others), None)
        if found is not None:
            found.loader = Late(found.loader)  # type: ignore[assignment]
        return found

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave that to the interpreter."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module when an attribute is asked for that it does not have yet."""

        def ask(name: str) -> Any:
            # First, or the module's own code would come back here for what it has not defined yet.
            del module.__getattr__
            self.loader.exec_module(module)
            return getattr(module, name)

        module.__dict__.update(LATE[module.__name__](), __getattr__=ask, __loader__=self.loader)
        module.__spec__.loader = self.loader  # type: ignore[union-attr]


def public(name: str) -> dict[str, Any]:
    """What `from name import *` would bring."""
    return {key: value for key, value in vars(__import__(name)).items() if key[0] != "_"}


class Missing:
    """Finds the modules of parts from which nothing was imported yet."""

    def __init__(self) -> None:
        self.parts = {name: part for part, names in front.PARTS.items() for name in names}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Put the part that has a module among the finders; see importlib.abc.MetaPathFinder."""
        part = self.parts.get(name)
        if part is None:
            return None
        # Taken out before it is opened: opening imports modules, which ask this finder again.
        self.parts = {name: other for name, other in self.parts.items() if other != part}
        found = opened(part)
        sys.meta_path.insert(0, found)
        if part == "rpc" and sys.version_info < (3, 11):
            sys.meta_path.append(opened("py310"))
        return found.find_spec(name)


def opened(part: str) -> Part:
    """Return a part after making sure that its extension modules are there."""
    top = cache.activate(part)
    return Part(part, top, cache.kept(top))
