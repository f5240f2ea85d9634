"""A host in Go drives a plugin, and says of each check how it went."""

from __future__ import annotations

import json
import subprocess


def judged(
    host: str, *command: str, mtls: bool = False, multiplexed: bool = False
) -> dict[str, str]:
    """Let a host in Go make all its checks of a plugin.

    Returns:
        By check what went wrong; an empty text if nothing did.
    """
    options = [option for option, on in (("-mtls", mtls), ("-mux", multiplexed)) if on]
    ran = subprocess.run(
        [host, *options, *command], capture_output=True, text=True, check=False, timeout=300
    )
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    found = {one["check"]: "" if one["ok"] else one["error"] for one in answers}
    assert found, ran.stderr[-4000:]
    return found
