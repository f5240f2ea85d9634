"""The agent's archive: packed by shiv, then written again with fixed modes and our own start."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from checkout import ROOT, source_date_epoch

FRONT = ROOT / "build/front.py"
# One argument only, which every kernel passes on; -I shuts out PYTHONPATH and the user's site, -S the
# machine's own site-packages.
SHEBANG = "/usr/bin/python3 -IS"
TYPING_EXTENSIONS = "py310/typing_extensions.py"


def write(tree: Path, output: Path, machine: str) -> None:
    """Pack a merged site-packages as the agent's file; it has its name when it is whole.

    Args:
        tree: The merged and slimmed site-packages, machineadm among it.
        output: Where the file goes; its folder is made.
        machine: The architecture that it is for, as the kernel names it.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="machineadm-archive-") as scratch:
        packed = Path(scratch, output.name)
        run_shiv(tree, packed)
        finish(packed, output, machine)


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


def finish(packed: Path, output: Path, machine: str) -> None:
    """Rewrite the archive: our own start, and modes that no builder's umask decides."""
    with zipfile.ZipFile(packed) as source:
        entries = [
            entry for entry in source.infolist() if entry.filename.startswith("site-packages/")
        ]
        contents = {entry.filename: source.read(entry) for entry in entries}
        # msgspec imports it when it is there, which costs more than all of msgspec; multidict needs it
        # on CPython 3.10.
        contents[TYPING_EXTENSIONS] = contents.pop("site-packages/typing_extensions.py")
        # shiv's build id is the hash of the tree; here it names the folder to unpack to.
        tree = json.loads(source.read("environment.json"))["build_id"]
    front = bake(bake(FRONT.read_text("utf-8"), "CONTENT", tree), "ARCHITECTURE", machine)
    contents["__main__.py"] = front.encode()
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    with unfinished.open("wb") as file:
        file.write(f"#!{SHEBANG}\n".encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target:
            for name in sorted(contents):
                entry = zipfile.ZipInfo(name, entries[0].date_time)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = 3  # Unix, wherever it is built
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                target.writestr(entry, contents[name], compresslevel=9)
    unfinished.chmod(0o755)
    unfinished.replace(output)


def bake(source: str, name: str, value: str) -> str:
    """Write a value over the "unknown" that a module's text assigns to a name."""
    unknown = f'\n{name} = "unknown"\n'
    if source.count(unknown) != 1:
        sys.exit(f"expected exactly one line{unknown}")
    return source.replace(unknown, f'\n{name} = "{value}"\n')
