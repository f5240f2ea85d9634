"""What is known of the checkout that is built: its folder, its commit, its time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EPOCH_WITHOUT_GIT = "1700000000"


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
