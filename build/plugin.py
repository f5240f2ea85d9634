"""Pack a plugin in Python as one file, by the agent's own recipe: the same bytes from the same sources, for CPython 3.10 to 3.14 at once.

Beside the plugin's own modules the file holds the SDK and the libraries that the agent's lock pins, with the agent's start, so that
a machine needs neither pip nor the wheel. What a plugin needs beyond that is pinned by a lock of its author's, with hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

import archive
from archive import bake
from checkout import ROOT, build_id, files_of
from slim import slim, unpack
from wheels import (
    ARCHITECTURES,
    check_hashes,
    fetch_wheels,
    gathered_wheels,
    own_architecture,
    usual_cache,
)

# A list of what goes along and not of what stays: a new module of the agent must not slip into
# every plugin.
SDK = (
    "machineadm/__init__.py",
    "machineadm/errors.py",
    "machineadm/redaction.py",
    "machineadm/version.py",
    "machineadm/plugins/__init__.py",
    "machineadm/plugins/cookie.py",
    "machineadm/plugins/payload.py",
    "machineadm/plugins/proto/",
    "machineadm/plugins/sdk/",
    "machineadm/plugins/wire/",
)
"""What of machineadm goes along."""

PREFIX = "machineadm-plugin-"

# In the place of the agent's own command line, so that the start is the same for both.
ENTRY = '''"""Where the start hands over: to the plugin."""


def main():
    import runpy

    runpy.run_module("machineadm_plugin", run_name="__main__")
    return 0
'''
USELESS = (".proto", ".pyi")


def main() -> None:
    """Pack what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "plugin", type=Path, help="its script, or a directory with __main__.py and its modules"
    )
    parser.add_argument(
        "--output", type=Path, help="the packed file; default: dist/ and the plugin's name"
    )
    parser.add_argument(
        "--requirements", type=Path, help="what it needs beyond the SDK, pinned with hashes"
    )
    parser.add_argument("--arch", default=own_architecture(), choices=list(ARCHITECTURES))
    parser.add_argument(
        "--wheels", type=Path, help="a directory to use instead of the package index"
    )
    arguments = parser.parse_args()
    # Resolved, for `.` names a directory as well.
    name = arguments.plugin.resolve().name.removesuffix(".py")
    output: Path = arguments.output or ROOT / "dist" / name

    machine = ARCHITECTURES[arguments.arch]
    with (
        gathered_wheels(machine, arguments.wheels) as wheels,
        tempfile.TemporaryDirectory() as scratch,
    ):
        wheels = [
            *wheels,
            *further(arguments.requirements, machine, arguments.wheels, Path(scratch)),
        ]
        pack(arguments.plugin, machine, wheels, output, name_of(output.name))
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    # What an agent looks for beside a plugin before it starts it.
    output.with_name(f"{output.name}_SHA256SUM").write_text(f"{digest}  {output.name}\n")
    print(f"{output}  {output.stat().st_size:,} bytes  sha256 {digest}")


def further(lock: Path | None, machine: str, source: Path | None, scratch: Path) -> list[Path]:
    """Get what a plugin needs beyond the SDK, each with the hash that its author has pinned."""
    if lock is None:
        return []
    found = fetch_wheels(machine, source, scratch if source else usual_cache(), lock)
    # Copied before their hashes are compared: a cache may be written to by others.
    copies = [shutil.copyfile(wheel, scratch / wheel.name) for wheel in found]
    check_hashes(copies, lock)
    return copies


def shipped() -> dict[str, Path]:
    """The plugins that ship with a release: kind and name, such as `infrastructure-aws`, and the script."""
    # In order, so that a release is built in the same order everywhere.
    scripts = [path for path in sorted((ROOT / "plugins").glob("*.py")) if path.stem != "__init__"]
    return {path.stem.replace("_", "-"): path for path in scripts}


def released_name(name: str, architecture: str) -> str:
    """The file name that a shipped plugin has in a release."""
    return f"{PREFIX}{name}-linux-{architecture}.pyz"


def name_of(file: str) -> str:
    """Kind and name of the plugin in a file, named as an installed one or as one in a release."""
    return re.sub(r"-linux-[a-z0-9]+\.pyz$", "", file).removeprefix(PREFIX)


def pack(plugin: Path, machine: str, wheels: list[Path], output: Path, name: str) -> None:
    """Pack a plugin for one architecture, as the kernel names it; `name` is its kind and name."""
    with tempfile.TemporaryDirectory(prefix="machineadm-plugin-") as scratch:
        tree = Path(scratch, "site-packages")
        for wheel in wheels:
            unpack(wheel, tree)
        add_sdk(tree)
        add_plugin(plugin, tree)
        # It unpacks into its own directory: the agent would remove it from the agent's.
        owner = re.sub(r"[^a-z0-9-]", "-", name)
        archive.write(tree, output, machine, f"plugin-{owner}")


def add_sdk(tree: Path) -> None:
    """Copy the SDK as the agent's modules are copied, and where the start hands over."""
    for name in files_of("machineadm"):
        # As text: a directory in the list ends with a slash.
        if not name.startswith(SDK) or name.endswith(USELESS):
            continue
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = (ROOT / name).read_bytes()
        target.write_bytes(slim(content.decode()).encode() if name.endswith(".py") else content)
    shutil.copyfile(ROOT / "LICENSE", tree / "machineadm/LICENSE")
    version = tree / "machineadm/version.py"
    # So that `version` of a plugin tells of which commit its SDK is.
    version.write_text(bake(version.read_text("utf-8"), "BUILD_ID", build_id()), "utf-8")
    command = tree / "machineadm/cli"
    command.mkdir()
    (command / "__init__.py").write_text("")
    (command / "main.py").write_text(ENTRY)
    # What `version` prints of the SDK.
    shutil.copyfile(ROOT / "machineadm/cli/version.py", command / "version.py")


def add_plugin(plugin: Path, tree: Path) -> None:
    """Copy the plugin's own modules, as they are: a script as `machineadm_plugin`, a directory's beside it."""
    target = tree / "machineadm_plugin.py"
    if plugin.is_file():
        shutil.copyfile(plugin, target)
        return
    if not (plugin / "__main__.py").is_file():
        sys.exit(f"{plugin} has no __main__.py")
    for path in sorted(plugin.rglob("*.py")):
        name = path.relative_to(plugin)
        # Tests and what is hidden are the author's, and of no use on a machine.
        if any(part.startswith((".", "tests", "__pycache__")) for part in name.parts):
            continue
        place = target if str(name) == "__main__.py" else tree / name
        # The libraries' modules are there already; a plugin that replaced one would break the start
        # in a way that nobody finds.
        if place.exists():
            sys.exit(f"{path}: the packed file has another {name} already; name it otherwise")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


if __name__ == "__main__":
    main()
