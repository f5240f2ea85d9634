"""Interpreters that somebody has installed on this machine beside Debian's own."""

import functools
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

# Where version managers put them, each below a prefix of its own.
_PREFIXES = (
    "~/.pyenv/versions/*",
    "~/.local/share/uv/python/*",
    "~/.asdf/installs/python/*",
    "/opt/python*",
)


class Python(NamedTuple):
    """An interpreter that is whole below one directory, so that it can be lent to a root."""

    version: str  # such as 3.12
    prefix: Path
    executable: Path

    @property
    def binds(self) -> dict[str, Path]:
        """What a root must see of us to run it."""
        return {str(self.prefix): self.prefix}


@functools.cache
def installed() -> tuple[Python, ...]:
    """One CPython of each minor version that is found, oldest first; Debian's own are not among them."""
    found: dict[str, Python] = {}
    patterns = [Path(pattern).expanduser() for pattern in _PREFIXES]
    if root := os.environ.get("PYENV_ROOT"):
        patterns.insert(0, Path(root, "versions/*"))
    for pattern in patterns:
        for prefix in sorted(Path("/").glob(str(pattern.relative_to("/")))):
            if (python := _probe(prefix)) is not None:
                found.setdefault(python.version, python)
    return tuple(sorted(found.values(), key=lambda p: [int(part) for part in p.version.split(".")]))


def _probe(prefix: Path) -> Python | None:
    executable = prefix / "bin/python3"
    if not executable.exists():
        return None
    run = subprocess.run(
        [executable, "-IS", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        return None
    return Python(run.stdout.strip(), prefix.resolve(), prefix.resolve() / "bin/python3")
