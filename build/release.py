"""Fill dist/release/vX.Y.Z: agents and plugins, their bills of materials and provenance, the definitions.

All files except build.json, which describes the builder, have the same bytes wherever the commit is built. An
existing directory is compared, never overwritten: what is signed stays as it is.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
import re
import sys
import tempfile
import zlib
from hashlib import sha256
from pathlib import Path

import plugin
from checkout import ROOT, changes, commit_id, git, source_date_epoch
from components import components
from package import build
from provenance import statement
from sbom import Subject, as_json, bill_of_materials
from wheels import ARCHITECTURES, BUILDER_LOCK, LOCK, gathered_wheels

# Their versions are noted only: they may change how bytes are compressed, and not what is in them.
TOOLS = ("shiv", "click", "setuptools", "packaging", "pip", "zopfli")


def main() -> int:
    """Make the release, or compare it with the existing one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--wheels", type=Path, help="a directory to use instead of the package index"
    )
    arguments = parser.parse_args()
    version = version_of_checkout()
    # 2, as for a mistake in the command line: nothing was made.
    if unfit := why_not(f"v{version}"):
        print(unfit, file=sys.stderr)
        return 2
    releases = ROOT / "dist/release"
    releases.mkdir(parents=True, exist_ok=True)
    # Below the same directory, so that the finished one can be renamed: half of a release never has
    # its name.
    with tempfile.TemporaryDirectory(dir=releases, prefix=".new-") as scratch:
        made = Path(scratch, "release")
        fill(made, version, arguments.wheels)
        return put(made, releases / f"v{version}")


def why_not(tag: str) -> str:
    """Say why the checkout must not be released; empty if it may be."""
    commit = commit_id()
    # The commit is in every file; without one nobody could build the same again.
    if not commit:
        return "a release is built from a commit, and this is not a git checkout"
    if changed := changes():
        return f"the checkout differs from its commit: {', '.join(changed[:5])}"
    # A tag that is not there yet is right: a release is tagged when it was made and looked at.
    tagged = git("rev-parse", "--verify", "--quiet", f"{tag}^{{commit}}")
    if tagged and tagged != commit:
        return f"{tag} is the tag of {tagged[:12]}, the checkout is of {commit[:12]}"
    return ""


def fill(directory: Path, version: str, wheels_from: Path | None) -> None:
    """Make every file of a release."""
    directory.mkdir()
    for architecture, machine in ARCHITECTURES.items():
        agent = directory / f"machineadm-linux-{architecture}.pyz"
        # Once for all files of an architecture: the agent and the plugins hold the same wheels.
        with gathered_wheels(machine, wheels_from) as wheels:
            build(machine, wheels, agent)
            made = {agent: "machineadm"}
            for name, script in plugin.shipped().items():
                packed = directory / plugin.released_name(name, architecture)
                plugin.pack(script, machine, wheels, packed, name)
                made[packed] = f"{plugin.PREFIX}{name}"
            for file, what in made.items():
                for paper, content in papers(
                    file.name, file.read_bytes(), machine, wheels, what
                ).items():
                    (directory / paper).write_bytes(content)
    (directory / "machineadm-crds.yaml").write_bytes(definitions())
    for name, content in components(version).items():
        (directory / name).write_bytes(content)
    (directory / "build.json").write_bytes(as_json(builder(version)))
    for path in directory.iterdir():
        # The builder's umask must not be part of a release.
        path.chmod(0o755 if path.suffix == ".pyz" else 0o644)


def papers(
    name: str, content: bytes, machine: str, wheels: list[Path], program: str = "machineadm"
) -> dict[str, bytes]:
    """Write the files that belong to the file of an agent or a plugin, by file name."""
    subject = Subject(
        program=program,
        name=name,
        content=content,
        architecture=next(ours for ours, kernel in ARCHITECTURES.items() if kernel == machine),
        version=version_of_checkout(),
        commit=commit_id(),
        epoch=int(source_date_epoch()),
        wheels=wheels,
    )
    return {
        f"{name}.cdx.json": bill_of_materials(subject),
        f"{name}.intoto.json": statement(subject),
    }


def put(made: Path, final: Path) -> int:
    """Give a release its name, or compare it with the one that already has it."""
    if not final.exists():
        made.chmod(0o755)
        made.rename(final)
        for path in sorted(final.iterdir()):
            print(f"{sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT)}")
        return 0
    for path in sorted(made.iterdir()):
        other = final / path.name
        if path.name == "build.json" and other.exists():
            continue  # another builder may have made it
        if not other.exists() or other.read_bytes() != path.read_bytes():
            print(
                f"{other} is not what the commit produces: it was changed, or built from another commit. "
                f"Unless it has been published, remove {final} and try again",
                file=sys.stderr,
            )
            return 1
    print(f"{final} exists, with the same bytes")
    return 0


def definitions() -> bytes:
    """Join what `kubectl apply -k crds/` brings, in its order, as one stream of documents."""
    listed = (ROOT / "crds/kustomization.yaml").read_text("utf-8")
    # Read as text: the file is generated, and a reader of YAML would only follow its form.
    names = re.findall(r"^- (\S+\.yaml)$", listed, re.MULTILINE)
    return b"".join((ROOT / "crds" / name).read_bytes() for name in names)


def builder(version: str) -> dict[str, object]:
    """Describe what a release was made of, and with what."""
    return {
        "schemaVersion": 1,
        "version": f"v{version}",
        "commit": commit_id(),
        "epoch": int(source_date_epoch()),
        "locks": {
            lock.name: f"sha256:{sha256(lock.read_bytes()).hexdigest()}"
            for lock in (LOCK, BUILDER_LOCK)
        },
        "builder": {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "zlib": zlib.ZLIB_RUNTIME_VERSION,
            "platform": platform.platform(),
            "tools": {name: importlib.metadata.version(name) for name in TOOLS},
        },
    }


def version_of_checkout() -> str:
    """Read the version, which is in one place only."""
    text = (ROOT / "machineadm/version.py").read_text("utf-8")
    # Not imported: the checkout's package may need what the builder does not have.
    found = re.search(r'^VERSION = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else sys.exit("machineadm/version.py has no VERSION")


if __name__ == "__main__":
    sys.exit(main())
