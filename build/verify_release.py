"""Build the commit again and compare: is this file what its commit gives?

The bill of materials and the statement that lie beside it are compared, too. Ends with 0 when the bytes
are the same, or the contents where only the compression differs; with 1 when something differs, which
is named; with 2 when it cannot tell.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import front
import plugin
from archive import part_path
from checkout import build_id, changes, commit_id
from comparison import differences
from package import build
from release import papers
from wheels import ARCHITECTURES, gathered_wheels

# UNKNOWN is not DIFFERENT: whoever verifies must not take their own wrong checkout for somebody's
# attack.
SAME, DIFFERENT, UNKNOWN = 0, 1, 2
# e_machine of the ELF header, and the architecture as the kernel names it.
ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
SHOWN = 20


def main() -> int:
    """Compare the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--wheels", type=Path, help="a directory to use instead of the package index"
    )
    arguments = parser.parse_args()
    file: Path = arguments.file
    try:
        theirs = file.read_bytes()
        with libraries_of(file) as archive:
            machine, origin = machine_of(archive), origin_of(archive)
            is_plugin = "machineadm_plugin.py" in archive.namelist()
    # All that reading a file that is not an agent may raise; RuntimeError is zipfile's for an
    # encrypted entry.
    except (OSError, KeyError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        return say(UNKNOWN, f"{file} cannot be read: {error}")
    if unfit := why_not(machine, origin, arguments.wheels):
        return say(UNKNOWN, f"{file}: {unfit}")
    # The name decides which plugin it should be, as it decides as what it is run.
    name = plugin.name_of(file.name)
    script = plugin.shipped().get(name) if is_plugin else None
    if is_plugin and script is None:
        return say(UNKNOWN, f"{file}: a plugin, and no plugin of this checkout has that name")

    with tempfile.TemporaryDirectory(prefix="machineadm-verify-") as scratch:
        built = Path(scratch, file.name)
        with gathered_wheels(machine, arguments.wheels) as wheels:
            if script is None:
                build(machine, wheels, built)
            else:
                plugin.pack(script, machine, wheels, built, name)
            program = f"{plugin.PREFIX}{name}" if script else "machineadm"
            # Of the file as it is: papers name its digest, and the file's own verdict comes beside
            # theirs.
            expected = papers(file.name, theirs, machine, wheels, program)
        code = verdict(file, theirs, built.read_bytes())
        # The worst of all.
        return max(
            [
                code,
                *(
                    verdict_on_paper(file.with_name(name), expected[name])
                    for name in sorted(expected)
                ),
            ]
        )


def why_not(machine: str, origin: str, wheels: Path | None) -> str:
    """Say why the checkout cannot tell anything of a file; empty when it can."""
    # Asked of the file and not of its name, which anybody can give.
    if machine not in ARCHITECTURES.values():
        return "not an agent: it has no library for a machine that agents are built for"
    if not commit_id():
        return "this is not a checkout: clone the repository, then check out the release's tag"
    if changed := changes():
        return f"the checkout differs from its commit ({changed[0].strip()}): use a fresh clone"
    # Another commit gives other bytes, and that would prove nothing.
    if origin != (ours := build_id()):
        said = f"says that it was built from commit {origin}, but the checkout is at {ours}"
        if origin.endswith("-dirty"):
            return f"{said}: it was built from uncommitted changes"
        return f"{said}: git checkout {origin}"
    if wheels is not None and not wheels.is_dir():
        return f"no directory of wheels: {wheels}"
    return ""


def verdict(file: Path, theirs: bytes, ours: bytes) -> int:
    """Compare two builds and say so."""
    print(f"{file}  sha256 {hashlib.sha256(theirs).hexdigest()}")
    print(f"built from {build_id()}  sha256 {hashlib.sha256(ours).hexdigest()}")
    if theirs == ours:
        return say(SAME, "SAME BYTES: the commit produces this file")
    try:
        # zopfli compresses otherwise in another version: contents decide, and the line says so.
        found = differences(theirs, ours)
    except zipfile.BadZipFile as error:
        found = [str(error)]
    if not found:
        return say(
            SAME,
            "SAME CONTENTS: only the compression differs; every entry was compared "
            f"(zopfli here: {importlib.metadata.version('zopfli')})",
        )
    # The likeliest mistake of whoever verifies, so it is named.
    if any("date_time is" in line for line in found):
        print("  times differ: built with another SOURCE_DATE_EPOCH? Then set it here too")
    for line in found[:SHOWN]:
        print(f"  {line}")
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more")
    return say(DIFFERENT, "DIFFERENT: the commit does not produce this file")


def libraries_of(file: Path) -> zipfile.ZipFile:
    """Open the archive within an agent that holds what every start needs.

    Raises:
        KeyError: There is none.
    """
    with zipfile.ZipFile(file) as archive:
        return zipfile.ZipFile(io.BytesIO(archive.read(part_path(front.BASE))))


def verdict_on_paper(path: Path, ours: bytes) -> int:
    """Compare a bill of materials or a statement next to the file, if there is one."""
    if not path.exists():
        return SAME
    if path.read_bytes() == ours:
        return say(SAME, f"SAME BYTES: {path.name}")
    return say(DIFFERENT, f"DIFFERENT: {path.name} is not what the commit produces")


def machine_of(archive: zipfile.ZipFile) -> str:
    """Find the machine that an archive's libraries are for."""
    for name in archive.namelist():
        if name.endswith(".so"):
            # e_machine is at 18 (elf(5)); the rest of the library is not needed.
            header = archive.open(name).read(20)
            if header[:4] == b"\x7fELF" and len(header) == 20:
                return ELF_MACHINES.get(struct.unpack_from("<H", header, 18)[0], "another")
    return "none"


def origin_of(archive: zipfile.ZipFile) -> str:
    """Find the build id that an archive says it has."""
    for name in archive.namelist():
        if name == "machineadm/version.py":
            # By the text: nothing of a file that is to be verified is ever run.
            text = archive.read(name).decode("utf-8", "replace")
            if found := re.search(r'^BUILD_ID = "([\w-]+)"$', text, re.MULTILINE):
                return found[1]
    return "unknown"


def say(code: int, line: str) -> int:
    """Say the outcome and give its exit code."""
    print(line, file=sys.stdout if code == SAME else sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
