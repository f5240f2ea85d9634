"""The agent's archive: packed by shiv, then rewritten in parts, with fixed modes and our own start.

    __main__.py, start.py, front.py, parts.py, cache.py, unpack.py, sources.py, ahead.py, memory.py, version.py   the start
    manifest/PART    path of every file of a part; size and SHA-256 of what is unpacked
    manifest/first   paths of the modules that a plan imports, in that order
    parts/PART.zip   the files; about.zip holds licences, which no machine unpacks

Parts are separate archives, so that an interpreter that opens the agent reads a table of a dozen entries
instead of a thousand. They are stored uncompressed, because their contents are compressed.
"""

from __future__ import annotations

import ast
import hashlib
import io
import os
import stat
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import front
from checkout import ROOT, source_date_epoch
from deflate import deflated
from foresight import foreseen
from slim import slim

# Not compressed: decompressing them would make every start import zlib.
EVERY_START = (
    "__main__.py",
    "start.py",
    "front.py",
    "parts.py",
    "cache.py",
    "version.py",
    "manifest/base",
)
START = {
    "__main__.py": "main.py",
    "ahead.py": "ahead.py",
    "cache.py": "cache.py",
    "front.py": "front.py",
    "memory.py": "memory.py",
    "parts.py": "parts.py",
    "sources.py": "sources.py",
    "start.py": "start.py",
    "unpack.py": "unpack.py",
    "version.py": "version.py",
}
# One word: Linux passes everything after the interpreter as a single argument. -I ignores PYTHONPATH and the user's site,
# -S the machine's own site-packages.
SHEBANG = "/usr/bin/python3 -IS"
# Licences must come along, and no machine needs to unpack them.
ABOUT = "about"
DEFLATED = 8
OLDEST = 20
"""Version 2.0 of the format: deflate and directories."""
UTF8 = 0x800
"""Flag of an entry whose name is more than ASCII."""
UNIX = 3
"""The modes are a Unix system's, wherever it is built."""


def write(tree: Path, output: Path, machine: str, owner: str = "agent") -> None:
    """Pack a merged site-packages as the agent's file; it gets its name when it is complete.

    Args:
        tree: The merged and slimmed site-packages, machineadm among it.
        output: Where the file goes; its directory is created.
        machine: The architecture that it is for, as the kernel names it.
        owner: Name of its directory in the cache; it removes other builds from there.
    """
    # The file is finished beside its place and renamed: an agent that is half written must never be
    # found.
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="machineadm-archive-") as scratch:
        packed = Path(scratch, output.name)
        run_shiv(tree, packed)
        finish(packed, output, machine, owner)


def part_path(part: str) -> str:
    """Name a part's archive within the agent's."""
    return f"parts/{part}.zip"


def run_shiv(tree: Path, packed: Path) -> None:
    """Pack the tree."""
    options = ["--reproducible", "--compressed", "--python", SHEBANG]
    options += ["--entry-point", "machineadm.cli.main:main"]
    options += ["--site-packages", str(tree), "--output-file", str(packed)]
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "shiv.cli", *options],
        # shiv writes its own time otherwise.
        env=os.environ | {"SOURCE_DATE_EPOCH": source_date_epoch()},
        check=True,
    )


def finish(packed: Path, output: Path, machine: str, owner: str) -> None:
    """Write the agent's file from what shiv packed."""
    parts: dict[str, dict[str, bytes]] = {name: {} for name in (front.BASE, *front.PARTS, ABOUT)}
    # Of what shiv packed only the site-packages are taken; the start is ours.
    with zipfile.ZipFile(packed) as source:
        for name in source.namelist():
            top, _, path = name.partition("/")
            if top == "site-packages" and path and not name.endswith("/"):
                parts[part_of(path)][path] = source.read(name)
    manifests = {name: manifest(files) for name, files in parts.items() if name != ABOUT}
    values = {
        # The code of parts.py is in the cache, too: another parts.py is another build.
        "CONTENT": digest_of(parts | {"": {front.PARTS_FILE: start("parts.py", {}).encode()}})[:16],
        "EPOCH": source_date_epoch(),
        "FACTS": facts(parts[front.BASE]),
        "MACHINE": machine,
        "OWNER": owner,
    }
    # With the process's number, since two builds may run at once.
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(f"#!{SHEBANG}\n".encode())
        entries = {name: start(text, values).encode() for name, text in START.items()}
        entries |= {f"manifest/{name}": text.encode() for name, text in manifests.items()}
        entries["manifest/first"] = "\n".join(foreseen(parts[front.BASE])).encode()
        # Stored in the agent's file, for they are compressed inside.
        entries |= {part_path(name): part_archive(files) for name, files in parts.items()}
        add(file, entries, stored={*EVERY_START, *map(part_path, parts)})
    unfinished.chmod(0o755)
    unfinished.replace(output)


def part_of(path: str) -> str:
    """Name the part that a file of the merged site-packages belongs to."""
    top = path.partition("/")[0]
    if top.endswith(".dist-info"):
        return ABOUT
    # A part of its own: msgspec would import it at every start if it found it (front.py says who
    # needs it).
    if top == "typing_extensions.py":
        return "py310"
    # For `a/b/c.py` the names are a, a.b and a.b.c: a package of ours may be in another part than its parent.
    steps = path.removesuffix(".py").split("/")
    # An extension module's name goes on behind the first dot: `_cffi_backend.cpython-310-...so`.
    steps[0] = steps[0].partition(".")[0]
    names = {".".join(steps[: end + 1]) for end in range(len(steps))}
    return next((part for part, own in front.PARTS.items() if names & {*own}), front.BASE)


def manifest(files: dict[str, bytes]) -> str:
    """List the files of a part, and size and digest of those that are unpacked."""
    return "".join(
        # Only extension modules are unpacked to files, so only they have something to compare.
        f"{len(content)} {hashlib.sha256(content).hexdigest()} {path}\n"
        if path.endswith(".so")
        else f"- - {path}\n"
        for path, content in sorted(files.items())
    )


def digest_of(parts: dict[str, dict[str, bytes]]) -> str:
    """Hex SHA-256 of the contents of all parts, however they are packed."""
    digest = hashlib.sha256()
    # By contents and not by the packed bytes: another zopfli must not empty every cache.
    for part, files in sorted(parts.items()):
        if part != ABOUT:
            for path, content in sorted(files.items()):
                line = f"{part}/{path} {hashlib.sha256(content).hexdigest()}\n"
                digest.update(line.encode())
    return digest.hexdigest()


def facts(base: dict[str, bytes]) -> str:
    """Return what `version` prints, as lines, so that the start need not unpack anything for it."""
    of_release = constants(base["machineadm/version.py"])
    of_command = constants(base["machineadm/cli/version.py"])
    lines = {
        "version": of_release["VERSION"],
        "build": of_release["BUILD_ID"],
        "apiVersions": ", ".join(of_command["API_VERSIONS"]),
        "kubernetes": ", ".join(of_command["KUBERNETES"]),
    }
    text = "\\n".join(f"{name}={value}" for name, value in lines.items())
    # It is put between quotes of a Python source without escaping.
    if '"' in text or "\\" in text.replace("\\n", ""):
        sys.exit(f"cannot be written into the start as it is: {text}")
    return text


def constants(source: bytes) -> dict[str, str]:
    """Read the constants of a module without running it."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Tuple)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def start(name: str, values: dict[str, str]) -> str:
    """Read a module of the start, and fill in its values."""
    source = (ROOT / "build" / name).read_text("utf-8")
    if name not in ("main.py", "start.py"):  # unchanged: they must compile on every Python
        source = slim(source)
    for key, value in values.items():
        # Each module of the start has some of the values.
        if f'\n{key} = "unknown"\n' in source:
            source = bake(source, key, value)
    return source


def part_archive(files: dict[str, bytes]) -> bytes:
    """Pack a part."""
    packed = io.BytesIO()
    directories = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    # zipimport takes a directory without __init__.py for a package only when the table names it.
    spaces = {
        f"{directory}/": b"" for directory in directories if f"{directory}/__init__.py" not in files
    }
    add(packed, files | spaces, stored=set(spaces))
    return packed.getvalue()


def add(file: io.BufferedIOBase, files: dict[str, bytes], *, stored: set[str]) -> None:
    """Write files to an archive: sorted, with modes and times that do not depend on the builder.

    Not by zipfile, which compresses by the builder's zlib. The format is that of PKWARE's APPNOTE.TXT, 4.3.
    """
    packed = [name for name in sorted(files) if name not in stored]
    streams = dict(zip(packed, deflated([files[name] for name in packed]), strict=True))
    year, month, day, hour, minute, second = time.gmtime(int(source_date_epoch()))[:6]
    # MS-DOS' times: two seconds are the finest, and 1980 is the first year.
    clock = hour << 11 | minute << 5 | second // 2
    calendar = (year - 1980) << 9 | month << 5 | day
    table = b""
    for name in sorted(files):
        content, path = files[name], name.encode()
        data, method = (streams[name], DEFLATED) if name in streams else (content, 0)
        kind = stat.S_IFDIR | 0o755 if name.endswith("/") else stat.S_IFREG | 0o644
        # What the entry's own header and the one in the table have in common.
        head = struct.pack(
            "<5H3L2H",
            *(OLDEST, UTF8 if len(path) > len(name) else 0, method, clock, calendar),
            *(zlib.crc32(content), len(data), len(content), len(path), 0),
        )
        made = struct.pack("<4s2B", b"PK\1\2", OLDEST, UNIX)
        table += made + head + struct.pack("<3H2L", 0, 0, 0, kind << 16, file.tell()) + path
        file.write(b"PK\3\4" + head + path + data)
    size = struct.pack("<4H2L", 0, 0, len(files), len(files), len(table), file.tell())
    file.write(table + b"PK\5\6" + size + bytes(2))


def bake(source: str, name: str, value: str) -> str:
    """Replace the "unknown" that a module's text assigns to a name."""
    unknown = f'\n{name} = "unknown"\n'
    if source.count(unknown) != 1:
        sys.exit(f"expected exactly one line{unknown}")
    return source.replace(unknown, f'\n{name} = "{value}"\n')
