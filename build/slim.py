"""What of a wheel goes along: what serves at run time, and licences."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from elf import without_sections

UNPACKED_BUT_USELESS = {".pyi", ".pyx", ".pxd", ".h", ".c"}
DIST_INFO_KEPT = ("METADATA", "licenses/")


def unpack(wheel: Path, tree: Path) -> None:
    """Unpack what is needed at run time; two wheels must agree on a file they both bring."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("/") or not is_needed(name):
                continue
            content = archive.read(name)
            if name.endswith(".so"):
                content = without_sections(content)
            target = tree / name
            if target.exists() and target.read_bytes() != content:
                sys.exit(f"{wheel.name}: {name} differs from that of another wheel")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def is_needed(name: str) -> bool:
    """Tell whether a wheel's file serves at run time, or is a licence that must go along."""
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        return rest.startswith(DIST_INFO_KEPT)
    return Path(name).suffix not in UNPACKED_BUT_USELESS
