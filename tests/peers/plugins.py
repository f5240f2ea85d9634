"""Where the plugins of the test service are."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent


def python_plugin(directory: Path) -> str:
    """The test service in Python, as one executable file."""
    path = directory / "probe"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -I {HERE}/python/probe_plugin.py "$@"\n')
    path.chmod(0o755)
    return str(path)
