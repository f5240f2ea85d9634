"""Build the agent as one file: dist/machineadm-linux-ARCH.pyz, for CPython 3.10 to 3.14 at once.

Extension modules carry the interpreter's ABI in their file names, so the wheels of all interpreters
unpack into one tree without a clash (wheels.py, slim.py). shiv packs that tree; its archive is then
rewritten with fixed file modes and our own `__main__.py` in place of shiv's runtime (archive.py,
front.py). The same commit gives the same bytes wherever and whenever it is built.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from pathlib import Path

import archive
from archive import bake
from checkout import ROOT, build_id
from slim import unpack
from wheels import ARCHITECTURES, fetch_wheels, own_architecture, usual_cache


def main() -> None:
    """Build the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arch", default=own_architecture(), choices=list(ARCHITECTURES))
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    output: Path = arguments.output or ROOT / "dist" / f"machineadm-linux-{arguments.arch}.pyz"

    build(ARCHITECTURES[arguments.arch], output)
    size = output.stat().st_size
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    print(f"{output}  {size:,} bytes  build {build_id()}  sha256 {digest}")


def build(machine: str, output: Path) -> None:
    """Build the agent's file for one architecture, as the kernel names it."""
    with tempfile.TemporaryDirectory(prefix="machineadm-package-") as scratch:
        tree = Path(scratch, "site-packages")
        for wheel in fetch_wheels(machine, None, usual_cache()):
            unpack(wheel, tree)
        add_agent(tree)
        archive.write(tree, output, machine)


def add_agent(tree: Path) -> None:
    """Copy machineadm itself, its licence, and the commit's hash in its version module."""
    shutil.copytree(
        ROOT / "machineadm", tree / "machineadm", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "LICENSE", tree / "machineadm/LICENSE")
    version = tree / "machineadm/version.py"
    version.write_text(bake(version.read_text(), "BUILD_ID", build_id()))


if __name__ == "__main__":
    main()
