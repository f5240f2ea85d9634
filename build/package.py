"""Build the agent as one file: dist/machineadm-linux-ARCH.pyz, for CPython 3.10 to 3.14 at once.

Extension modules carry the interpreter's ABI in their file names, so the wheels of all interpreters
unpack into one tree without a clash. shiv packs that tree; its archive is then rewritten with fixed
file modes and our own `__main__.py` (build/front.py) in place of shiv's runtime. The same commit gives
the same bytes wherever and whenever it is built.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "build/locks/runtime.txt"
FRONT = ROOT / "build/front.py"
INTERPRETERS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# One argument only, which every kernel passes on; -I shuts out PYTHONPATH and the user's site, -S the
# machine's own site-packages.
SHEBANG = "/usr/bin/python3 -IS"
# 2.17 is the oldest glibc that the wheels offer; left to itself pip takes what suits the builder.
PLATFORMS = ("manylinux2014", "manylinux_2_17")
EPOCH_WITHOUT_GIT = "1700000000"
UNPACKED_BUT_USELESS = {".pyi", ".pyx", ".pxd", ".h", ".c"}
# As Kubernetes and Debian name them: as wheels and the kernel do.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
DIST_INFO_KEPT = ("METADATA", "licenses/")


def main() -> None:
    """Build the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arch", default=own_architecture(), choices=list(ARCHITECTURES))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    machine = ARCHITECTURES[arguments.arch]
    output: Path = arguments.output or ROOT / "dist" / f"machineadm-linux-{arguments.arch}.pyz"

    with tempfile.TemporaryDirectory(prefix="machineadm-package-") as scratch:
        tree = Path(scratch, "site-packages")
        for wheel in fetch_wheels(machine):
            unpack(wheel, tree)
        add_agent(tree)
        packed = Path(scratch, output.name)
        run_shiv(tree, packed)
        output.parent.mkdir(parents=True, exist_ok=True)
        finish(packed, output, machine)
    size = output.stat().st_size
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    print(f"{output}  {size:,} bytes  build {build_id()}  sha256 {digest}")


def own_architecture() -> str | None:
    """Name the architecture that this runs on; None where no agent is built for it."""
    machine = platform.machine()
    return next((name for name, other in ARCHITECTURES.items() if other == machine), None)


def fetch_wheels(arch: str) -> list[Path]:
    """Find the locked wheels of every interpreter, from the cache or else from the index.

    Returns:
        Distinct wheels by file name, each with a hash that the lock lists.
    """
    lock = LOCK.read_text()
    cache = Path(os.environ.get("MACHINEADM_CACHE") or Path.home() / ".cache/machineadm")
    wheels: dict[str, Path] = {}
    for version in INTERPRETERS:
        key = hashlib.sha256(f"{version} {arch} {lock}".encode()).hexdigest()[:16]
        folder = cache / "wheels" / f"cp{version.replace('.', '')}-{arch}-{key}"
        if not folder.is_dir():
            download(version, arch, folder)
        wheels.update({wheel.name: wheel for wheel in sorted(folder.glob("*.whl"))})
    for wheel in wheels.values():
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in lock:
            sys.exit(f"{wheel}: its hash is not in {LOCK}; remove the file and try again")
    return list(wheels.values())


def download(version: str, arch: str, folder: Path) -> None:
    """Download the locked wheels of one interpreter; the folder appears when it is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    abi = "cp" + version.replace(".", "")
    choices = [f"--platform={name}_{arch}" for name in PLATFORMS]
    choices += [f"--abi={name}" for name in (abi, "abi3", "none")]
    choices += [f"--python-version={version}", "--implementation=cp"]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--require-hashes", f"--requirement={LOCK}"]
        subprocess.run([*command, f"--dest={scratch}/wheels", *choices], check=True)
        # Another build may have been faster; its wheels are the same.
        if not folder.is_dir():
            Path(scratch, "wheels").rename(folder)


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


def without_sections(elf: bytes) -> bytes:
    """Cut a 64-bit little-endian ELF file after its last loaded segment.

    What follows is symbols and debug information, which the loader never reads; the header's three
    section fields are set to zero accordingly. Anything else is returned as it is.
    """
    if elf[:6] != b"\x7fELF\x02\x01":
        return elf
    (table,) = struct.unpack_from("<Q", elf, 0x20)
    size, count = struct.unpack_from("<HH", elf, 0x36)
    end = 0
    for index in range(count):
        kind, _flags, offset, _v, _p, length = struct.unpack_from(
            "<IIQQQQ", elf, table + index * size
        )
        if kind == 1:  # PT_LOAD
            end = max(end, offset + length)
    cut = bytearray(elf[:end])
    struct.pack_into("<Q", cut, 0x28, 0)
    struct.pack_into("<HHH", cut, 0x3A, 0, 0, 0)
    return bytes(cut)


def add_agent(tree: Path) -> None:
    """Copy machineadm itself, its licence, and the commit's hash in its version module."""
    shutil.copytree(
        ROOT / "machineadm", tree / "machineadm", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "LICENSE", tree / "machineadm/LICENSE")
    version = tree / "machineadm/version.py"
    version.write_text(bake(version.read_text(), "BUILD_ID", build_id()))


def bake(source: str, name: str, value: str) -> str:
    """Write a value over the "unknown" that a module's text assigns to a name."""
    unknown = f'\n{name} = "unknown"\n'
    if source.count(unknown) != 1:
        sys.exit(f"expected exactly one line{unknown}")
    return source.replace(unknown, f'\n{name} = "{value}"\n')


def build_id() -> str:
    """Name the commit, with -dirty when the checkout differs from it; "unknown" without git."""
    return git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or "unknown"


def source_date_epoch() -> str:
    """Give the time of the last commit, in seconds since 1970, unless the caller names another."""
    return (
        os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or EPOCH_WITHOUT_GIT
    )


def git(*arguments: str) -> str:
    """Ask git about the checkout; empty where there is no git or no repository."""
    try:
        # A checkout of another user (make run as root) is only read.
        done = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def run_shiv(tree: Path, packed: Path) -> None:
    """Pack the tree."""
    options = ["--reproducible", "--compressed", "--python", SHEBANG]
    options += ["--entry-point", "machineadm.cli.main:main"]
    options += ["--site-packages", str(tree), "--output-file", str(packed)]
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "shiv.cli", *options],
        env=os.environ | {"SOURCE_DATE_EPOCH": source_date_epoch()},
        check=True,
    )


def finish(packed: Path, output: Path, arch: str) -> None:
    """Rewrite the archive: our own start, and modes that no builder's umask decides."""
    with zipfile.ZipFile(packed) as source:
        entries = [
            entry for entry in source.infolist() if entry.filename.startswith("site-packages/")
        ]
        contents = {entry.filename: source.read(entry) for entry in entries}
        # shiv's build id is the hash of the tree; here it names the folder to unpack to.
        tree = json.loads(source.read("environment.json"))["build_id"]
    front = bake(bake(FRONT.read_text(), "CONTENT", tree), "ARCHITECTURE", arch)
    contents["__main__.py"] = front.encode()
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(f"#!{SHEBANG}\n".encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
            for name in sorted(contents):
                entry = zipfile.ZipInfo(name, entries[0].date_time)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix, wherever it is built
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                target.writestr(entry, contents[name])
    unfinished.chmod(0o755)
    unfinished.replace(output)


if __name__ == "__main__":
    main()
