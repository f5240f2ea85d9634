"""What this process's environment says of the agent itself."""

from __future__ import annotations

import os


def cache_folder() -> str:
    """Where the packed agent was told to unpack its libraries (MACHINEADM_CACHE), absolute; empty for the usual place."""
    given = os.environ.get("MACHINEADM_CACHE", "")
    return os.path.realpath(given) if given else ""
