"""What of a wheel goes along: what serves at run time, and licences."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

from elf import without_sections

USELESS_SUFFIXES = {".pyi", ".pyx", ".pxd", ".h", ".c", ".cpp", ".pyc"}
# What no agent runs: tools to build extensions (at run time cryptography loads _cffi_backend alone),
# code generators, tests, and services that we do not offer.
USELESS = (
    "cffi/",
    "pycparser/",
    "google/protobuf/compiler/",
    "google/protobuf/internal/json_format_benchmark.py",
    "google/protobuf/internal/message_benchmark.py",
    "google/protobuf/internal/testing_refleaks.py",
    "google/protobuf/testdata/",
    "grpclib/channelz/",
    "grpclib/plugin/",
    "grpclib/reflection/",
    "grpclib/testing.py",
)
LICENCE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)")


def unpack(wheel: Path, tree: Path) -> None:
    """Unpack what is needed at run time; two wheels must agree on a file they both bring."""
    with zipfile.ZipFile(wheel) as archive:
        for name in needed(archive.namelist()):
            if name.startswith("/") or ".." in name.split("/"):
                sys.exit(f"{wheel.name}: {name} is no path inside a wheel")
            if ".data/" in name:
                sys.exit(f"{wheel.name}: {name} wants to be installed elsewhere, which is not done")
            content = archive.read(name)
            if name.endswith(".so"):
                content = without_sections(content)
            target = tree / name
            if target.exists() and target.read_bytes() != content:
                sys.exit(f"{wheel.name}: {name} differs from that of another wheel")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def needed(names: list[str]) -> list[str]:
    """Choose what goes along; of a wheel that gives no code no licence is needed either."""
    files = [name for name in names if not name.endswith("/") and is_needed(name)]
    return files if any(".dist-info/" not in name for name in files) else []


def is_needed(name: str) -> bool:
    """Tell whether a wheel's file serves at run time, or is a licence that must go along."""
    top, _, rest = name.partition("/")
    if top.endswith(".dist-info"):
        return bool(LICENCE.match(rest))
    return not name.startswith(USELESS) and Path(name).suffix not in USELESS_SUFFIXES
