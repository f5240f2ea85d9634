"""What is known of the checkout that is built: its directory, its commit, its time, its files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Some fixed time: zip knows none before 1980.
EPOCH_WITHOUT_GIT = "1700000000"
# What decides on the bytes of a release. A change elsewhere does not make another agent of it.
SOURCES = ("machineadm", "build", "crds", "plugins", "LICENSE")


def build_id() -> str:
    """Name the commit, with -dirty when what is packed differs from it; "unknown" without git."""
    commit = commit_id()[:12]
    return (commit and commit + ("-dirty" if changes() else "")) or "unknown"


def commit_id() -> str:
    """Give the commit's full hash; empty without git."""
    return git("rev-parse", "--verify", "HEAD")


def changes() -> list[str]:
    """List what differs from the commit, as git says it; files that git does not know among it."""
    # Files that git does not know count, since they would be packed.
    return git("status", "--porcelain", "--untracked-files=all", "--", *SOURCES).splitlines()


def source_date_epoch() -> str:
    """Give the time of the last commit, in seconds since 1970, unless the caller names another."""
    return (
        os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or EPOCH_WITHOUT_GIT
    )


def files_of(directory: str) -> list[str]:
    """List the files of a directory below the root, in order; what git ignores is left out."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", directory)
    # From a tarball without git everything is taken that is there.
    found = (
        listed.split("\0")
        if listed
        else [str(path.relative_to(ROOT)) for path in (ROOT / directory).rglob("*")]
    )
    return sorted(name for name in found if "__pycache__" not in name and (ROOT / name).is_file())


def git(*arguments: str) -> str:
    """Ask git about the checkout; empty where there is no git or no repository."""
    trusted = ("-c", f"safe.directory={ROOT}")  # of another user (make run as root), and only read
    try:
        done = subprocess.run(
            # Only read: a build must not write to the checkout's index, which may be somebody
            # else's.
            ["git", "--no-optional-locks", *trusted, "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
