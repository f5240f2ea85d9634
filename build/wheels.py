"""The wheels that the lock pins, for every interpreter of one architecture."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout import ROOT

LOCK = ROOT / "build/locks/runtime.txt"
INTERPRETERS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# 2.17 is the oldest glibc that the wheels offer; left to itself pip takes what suits the builder.
PLATFORMS = ("manylinux2014", "manylinux_2_17")
# As Kubernetes and Debian name them: as wheels and the kernel do.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


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
