"""`python -m crdgen`: writes all that is generated, or says what would differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from crdgen.generate.model import GenerationError
from crdgen.generate.outputs import GENERATED, outputs

_USAGE = """\
usage: python -m crdgen [--check] [DIR]
       python -m crdgen check FILE... [--released DIR] [--ours] [--output text|json]

Writes crds/, docs/reference/ and the agent's own data below DIR (default: the working directory).
--check writes nothing: exits 1 if a file differs from the types.
"""


def run(arguments: Sequence[str]) -> int:
    """Write or compare.

    Args:
        arguments: The command line after the program's name.

    Returns:
        0: all is as the types say. 1: something differs, or cannot be expressed. 2: a mistake in the command line.
    """
    check = "--check" in arguments
    directories = [argument for argument in arguments if argument != "--check"]
    if len(directories) > 1 or any(directory.startswith("-") for directory in directories):
        sys.stderr.write(_USAGE)
        return 2
    root = Path(directories[0] if directories else ".")
    try:
        wanted = outputs()
    except GenerationError as error:
        sys.stderr.write(f"crdgen: {error}\n")
        return 1
    stale = differing(root, wanted)
    if check:
        for name in stale:
            sys.stdout.write(f"{name}: differs from the types; run make crds\n")
        return 1 if stale else 0
    for name in stale:
        _write(root / name, wanted.get(name))
    return 0


def differing(root: Path, wanted: dict[str, str]) -> list[str]:
    """Names of the files that are missing, stale, or generated no more."""
    present = {
        path.relative_to(root).as_posix()
        for pattern in GENERATED
        for path in root.glob(pattern)
        if path.is_file()
    }
    stale = {
        name
        for name in wanted
        if name not in present or (root / name).read_text(encoding="utf-8") != wanted[name]
    }
    return sorted(stale | (present - wanted.keys()))


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
