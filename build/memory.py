"""`memory.py` of the packed agent: runs without a cache, where none can be made or trusted.

A part's archive goes into an anonymous file, from which zipimport reads the modules; extension modules,
which the loader of the C library wants as files, each get one of their own. Nothing is compiled ahead
and everything is inflated at every start, which takes about three times as long.
"""

from __future__ import annotations

import _imp
import os
import sys
import zipimport
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location

import front

HOST = 5


def load(part: str) -> str:
    """Load a part into memory; gives what goes on the path."""
    path = anonymous(part, front.read(f"parts/{part}.zip"))
    sys.meta_path.insert(0, Extensions(path))
    return path


def anonymous(name: str, data: bytes) -> str:
    """Put data into a file without a name on any disk, open as long as the process lives.

    Were it closed, the next one would get its number, and the C library's loader take the one for the
    other by its path.
    """
    try:
        held = os.memfd_create(f"machineadm-{name}")
        with open(held, "wb", closefd=False) as file:
            file.write(data)
        path = f"/proc/self/fd/{held}"
        os.stat(path)
    except (OSError, AttributeError) as error:
        front.refuse(
            HOST,
            f"MA7106 the libraries can be loaded neither from a cache ({front.unusable}) nor from "
            f"memory ({error}); MACHINEADM_CACHE names another folder",
        )
    return path


class Extensions:
    """Finds the extension modules of a part that is in memory."""

    def __init__(self, path: str) -> None:
        self.importer = zipimport.zipimporter(path)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Give an extension module a file; see importlib.abc.MetaPathFinder."""
        for suffix in _imp.extension_suffixes():
            try:
                data = self.importer.get_data(name.replace(".", os.sep) + suffix)
            except OSError:
                continue
            file = anonymous(name, data)
            return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))
        return None
