"""The packed file for tests: what lies in it, and checkouts to build it of."""

import io
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PACKED = ("machineadm", "build", "crds", "deploy", "plugins", "LICENSE", "Makefile")
# The same commit wherever and whenever it is made.
DATE = "2026-01-02T03:04:05Z"


class Carried(NamedTuple):
    """A file in the agent: its part, its path, its content and its archive's word on it."""

    part: str
    path: str
    content: bytes
    info: zipfile.ZipInfo


def carried(agent: Path) -> Iterator[Carried]:
    """Go through all files of an agent, those of its parts among it."""
    with zipfile.ZipFile(agent) as archive:
        for info in archive.infolist():
            content = archive.read(info)
            yield Carried("", info.filename, content, info)
            if info.filename.endswith(".zip"):
                with zipfile.ZipFile(io.BytesIO(content)) as part:
                    for inner in part.infolist():
                        yield Carried(info.filename, inner.filename, part.read(inner), inner)


def commit_of_checkout(directory: Path) -> Path:
    """Make a checkout of its own, whose one commit holds what this one holds now."""
    for name in _git(ROOT, "ls-files", "-z", "-co", "--exclude-standard", *PACKED).split("\0"):
        if name and (ROOT / name).is_file():
            target = directory / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    (directory / ".gitignore").write_text("/dist/\n__pycache__/\n")
    _git(directory, "init", "--quiet")
    _git(directory, "add", "--all")
    commit(directory)
    return directory


def commit(directory: Path) -> None:
    """Commit everything, at the same time as ever."""
    _git(directory, "add", "--all")
    who = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
    _git(directory, *who, "commit", "--quiet", "--no-gpg-sign", "--message", "as it is")


def run_build(
    checkout: Path,
    script: str,
    *arguments: str,
    python: str,
    umask: int = 0o022,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one of build/'s scripts in a checkout."""
    return subprocess.run(
        [python, str(checkout / "build" / script), *arguments],
        cwd="/",
        env=os.environ | (variables or {}),
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )


def _git(directory: Path, *arguments: str) -> str:
    dates = {"GIT_AUTHOR_DATE": DATE, "GIT_COMMITTER_DATE": DATE}
    return subprocess.run(
        ["git", "-C", str(directory), *arguments],
        env=os.environ | dates,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
