"""The wheels that the lock pins, for every interpreter of one architecture.

As a script: gather all that a build needs in one directory, for one without a network.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from packaging.markers import Marker
from packaging.tags import Tag
from packaging.utils import BuildTag, NormalizedName, parse_wheel_filename
from packaging.version import Version

from checkout import ROOT

LOCK = ROOT / "build/locks/runtime.txt"
BUILDER_LOCK = ROOT / "build/locks/builder.txt"
# In order: the first decides which wheels are not tied to an interpreter.
INTERPRETERS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# 2.17 is the oldest glibc that the wheels offer; left to itself pip takes what suits the builder.
PLATFORMS = ("manylinux2014", "manylinux_2_17")
# Wheels with extensions exist, but the pure one works on every interpreter at a tenth of the size.
PURE = {"multidict", "tomli"}
# As Kubernetes and Debian name them: as wheels and the kernel do.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


def main() -> None:
    """Gather the wheels of both architectures, and those of the builder's own tools."""
    parser = argparse.ArgumentParser(description="Gather all wheels that a build needs.")
    parser.add_argument("directory", type=Path)
    directory: Path = parser.parse_args().directory
    directory.mkdir(parents=True, exist_ok=True)
    for machine in ARCHITECTURES.values():
        for wheel in fetch_wheels(machine, None, usual_cache()):
            shutil.copyfile(wheel, directory / wheel.name)
    download(read_lock(BUILDER_LOCK), [], None, directory)
    print(f"{directory}  {len(list(directory.iterdir()))} wheels")


class Pin(NamedTuple):
    """One line of a lock: a version, its hashes, and its marker."""

    name: str
    text: str
    marker: Marker | None

    def holds(self, version: str, machine: str) -> bool:
        """Tell whether an interpreter on a machine needs it, whatever interpreter asks."""
        return self.marker is None or self.marker.evaluate(
            {
                "implementation_name": "cpython",
                "implementation_version": f"{version}.0",
                "os_name": "posix",
                "platform_machine": machine,
                "platform_python_implementation": "CPython",
                # Empty: a marker that asks for the builder's kernel would make a build depend on
                # it.
                "platform_release": "",
                "platform_system": "Linux",
                "platform_version": "",
                "python_full_version": f"{version}.0",
                "python_version": version,
                "sys_platform": "linux",
            }
        )


def own_architecture() -> str | None:
    """Name the architecture that this runs on; None if no agent is built for it."""
    machine = platform.machine()
    return next((name for name, other in ARCHITECTURES.items() if other == machine), None)


def read_lock(lock: Path) -> list[Pin]:
    """Read a lock as `make lock` writes it."""
    pins = []
    # Joined first: a hash stands on a line of its own.
    for line in lock.read_text("utf-8").replace("\\\n", "").splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        found = re.fullmatch(r"(([\w.-]+)==\S+)(?: ; (.+?))?((?: +--hash=\S+)+)", line)
        # Anything else, such as a URL or a version without hashes, must never be passed over.
        if not found:
            sys.exit(f"{lock}: not a pinned version with its hashes: {line}")
        pinned, name, marker, hashes = found.groups()
        pins.append(Pin(name, pinned + hashes, Marker(marker) if marker else None))
    return pins


@contextmanager
def gathered_wheels(machine: str, source: Path | None) -> Iterator[list[Path]]:
    """Provide the locked wheels of an architecture; only from a directory, if one is named.

    They are copies in our own directory: in a cache that others can write to, a wheel could be
    replaced after its hash was compared.
    """
    with tempfile.TemporaryDirectory(prefix="machineadm-wheels-") as scratch:
        found = fetch_wheels(machine, source, Path(scratch) if source else usual_cache())
        own = Path(scratch, "own")
        own.mkdir()
        copies = [shutil.copyfile(wheel, own / wheel.name) for wheel in found]
        check_hashes(copies, LOCK)
        yield copies


def fetch_wheels(machine: str, source: Path | None, cache: Path, lock: Path = LOCK) -> list[Path]:
    """Find the locked wheels of every interpreter.

    A wheel of the oldest interpreter that is not tied to it (abi3) is used for the later ones too: cryptography
    has one for CPython 3.9 and later and one for 3.11 and later, whose files differ under the same names.

    Args:
        machine: The architecture, as the kernel names it.
        source: A directory of wheels that replaces the index; None: the index.
        cache: Where they are kept for the next time.
        lock: The versions and hashes.

    Returns:
        Distinct wheels in the order of their names, each with a hash that the lock lists.
    """
    pins = read_lock(lock)
    wheels: dict[str, Path] = {}
    untied: set[str] = set()
    for version in INTERPRETERS:
        wanted = [pin for pin in pins if pin.name not in untied and pin.holds(version, machine)]
        of_one = wheels_of(version, machine, wanted, source, cache)
        # After the first interpreter only.
        if not wheels:
            untied = {
                str(parse(wheel)[0]) for wheel in of_one if abi_of(version) not in abis(wheel)
            }
        wheels.update({wheel.name: wheel for wheel in of_one})
    found = [wheels[name] for name in sorted(wheels)]
    check_hashes(found, lock)
    return found


def check_hashes(wheels: list[Path], lock: Path) -> None:
    """End the build if the lock does not list a wheel's hash."""
    # pip compares as well; this one holds whatever pip's options or cache say.
    known = re.findall(r"--hash=sha256:(\w+)", lock.read_text("utf-8"))
    for wheel in wheels:
        if hashlib.sha256(wheel.read_bytes()).hexdigest() not in known:
            sys.exit(f"{wheel}: its hash is not in {lock}; remove the file and try again")


def wheels_of(
    version: str, machine: str, pins: list[Pin], source: Path | None, cache: Path
) -> list[Path]:
    """Find the wheels of one interpreter; a directory of the cache gets its name when it is complete.

    Raises:
        OSError: The cache cannot be written to.
    """
    # The pins are part of the name: another lock never finds the wheels of this one.
    key = hashlib.sha256(repr((version, machine, [pin.text for pin in pins])).encode()).hexdigest()
    directory = cache / f"{abi_of(version)}-{machine}-{key[:16]}"
    if not is_complete(directory, pins):
        cache.mkdir(parents=True, exist_ok=True)
        compiled = [f"--platform={name}_{machine}" for name in PLATFORMS]
        # pip download needs all of them said, once a platform is named.
        compiled += [f"--abi={name}" for name in (abi_of(version), "abi3", "none")]
        # In the cache, so that the whole can be renamed into its place.
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            wheels = Path(scratch, "wheels")
            for options, pure in ((compiled, False), (["--platform=any", "--abi=none"], True)):
                chosen = [pin for pin in pins if (pin.name in PURE) is pure]
                interpreter = [f"--python-version={version}", "--implementation=cp"]
                download(chosen, [*options, *interpreter], source, wheels)
            shutil.rmtree(directory, ignore_errors=True)
            try:
                wheels.rename(directory)
            except OSError:
                # Another build may have been faster; it has the same wheels.
                if not is_complete(directory, pins):
                    raise
    return sorted(directory.glob("*.whl"))


def is_complete(directory: Path, pins: list[Pin]) -> bool:
    """Tell whether a directory holds a wheel for each pin; somebody may have removed a bad one."""
    return {pin.name for pin in pins} == {str(parse(wheel)[0]) for wheel in directory.glob("*.whl")}


def download(pins: list[Pin], options: list[str], source: Path | None, wheels: Path) -> None:
    """Have pip find pinned wheels in a directory or else in the index, and compare their hashes."""
    if not pins:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("".join(pin.text + "\n" for pin in pins))
        wanted.flush()
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        # --only-binary: a source distribution would run its own code to be built. --require-hashes:
        # pip refuses what is not pinned.
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]
        command += ["--no-index", f"--find-links={source.resolve()}"] if source else []
        command += [f"--requirement={wanted.name}", f"--dest={wheels}", *options]
        if subprocess.run(command, check=False).returncode != 0:
            sys.exit(f"cannot get the locked wheels from {source or 'the package index'}")


def abi_of(version: str) -> str:
    """Name the ABI of an interpreter as wheels do."""
    return "cp" + version.replace(".", "")


def abis(wheel: Path) -> set[str]:
    """Name the ABIs that a wheel says it is for."""
    return {tag.abi for tag in parse(wheel)[3]}


def parse(wheel: Path) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Take a wheel's file name apart."""
    return parse_wheel_filename(wheel.name)


def usual_cache(name: str = "wheels") -> Path:
    """Name the directory in which something is kept between builds: by default downloaded wheels."""
    # The variable of the agent, for the same purpose.
    base = os.environ.get("MACHINEADM_CACHE") or Path.home() / ".cache/machineadm"
    return Path(base, name)


if __name__ == "__main__":
    main()
