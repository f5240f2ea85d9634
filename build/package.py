"""Build the agent as one file: dist/machineadm-linux-ARCH.pyz, for CPython 3.10 to 3.14 at once.

Extension modules carry the interpreter's ABI in their file names, so the wheels of all interpreters
unpack into one tree without a clash (wheels.py, slim.py). shiv packs that tree; its archive is then
rewritten in parts, with fixed file modes and our own start instead of shiv's runtime (archive.py; start.py,
front.py, parts.py, cache.py and others). The same commit gives the same bytes wherever and whenever it is built.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from pathlib import Path

import archive
from archive import bake
from checkout import ROOT, build_id, files_of
from slim import slim, unpack
from wheels import ARCHITECTURES, gathered_wheels, own_architecture

# By name, and not by what is imported: an agent that lacks a module fails on a machine, where
# nobody looks.
UNASKED = (
    # For authors of plugins, who have the wheel; no machine runs them.
    "machineadm/plugins/sdk/",
    "machineadm/plugins/proto/reflection_pb2.py",
    "machineadm/plugins/wire/blocking.py",
    "machineadm/plugins/wire/reflection.py",
    "machineadm/plugins/wire/serving.py",
    # The management cluster's side.
    "machineadm/controllers/",
)
"""What stays out of the one file."""

USELESS = (".proto", ".pyi")


def main() -> None:
    """Build the file that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arch", default=own_architecture(), choices=list(ARCHITECTURES))
    parser.add_argument("--output", type=Path)
    parser.add_argument(
        "--wheels", type=Path, help="a directory to use instead of the package index"
    )
    arguments = parser.parse_args()
    output: Path = arguments.output or ROOT / "dist" / f"machineadm-linux-{arguments.arch}.pyz"

    # All interpreters of one architecture: what is built does not depend on the builder's own.
    with gathered_wheels(ARCHITECTURES[arguments.arch], arguments.wheels) as wheels:
        build(ARCHITECTURES[arguments.arch], wheels, output)
    size = output.stat().st_size
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    print(f"{output}  {size:,} bytes  build {build_id()}  sha256 {digest}")


def build(machine: str, wheels: list[Path], output: Path) -> None:
    """Build the agent's file for one architecture, as the kernel names it."""
    with tempfile.TemporaryDirectory(prefix="machineadm-package-") as scratch:
        tree = Path(scratch, "site-packages")
        for wheel in wheels:
            unpack(wheel, tree)
        add_agent(tree)
        archive.write(tree, output, machine)


def add_agent(tree: Path) -> None:
    """Copy machineadm itself without its comments, docstrings and annotations, its licence, and the commit's hash in its version module."""
    for name in files_of("machineadm"):
        # Descriptions of protocols and stubs of types are for authors.
        if name.startswith(UNASKED) or name.endswith(USELESS):
            continue
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (ROOT / name).read_bytes()
        if name.endswith(".py"):
            content = slim(content.decode()).encode()
        target.write_bytes(content)
    shutil.copyfile(ROOT / "LICENSE", tree / "machineadm/LICENSE")
    version = tree / "machineadm/version.py"
    version.write_text(bake(version.read_text("utf-8"), "BUILD_ID", build_id()), "utf-8")


if __name__ == "__main__":
    main()
