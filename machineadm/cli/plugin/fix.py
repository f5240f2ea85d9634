"""Bring an author's project to this release of the SDK: show what must change as a diff; --write changes it. Exit 10 if something is left to change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from machineadm.errors import PluginError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from machineadm.cli.options import Parser

SOMETHING = 10
# Against a wrong directory: `fix /` would read the whole machine. No project of a plugin is near
# either.
_MOST_FILES, _MOST_BYTES = 5000, 1 << 20
# What tools make, and code of others, which is not the author's to change.
_SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "project", metavar="DIRECTORY", help="with pyproject.toml or requirements.txt"
    )
    parser.add_option("--write", action="store_true", help="change the files")


def run(arguments: Namespace) -> int:
    """Show or change.

    Raises:
        PluginError: MA7256: It cannot be fixed, or not be written.
    """
    from difflib import unified_diff

    from machineadm.plugins.inspection.fixing import fixed

    # Texts in, texts out: fixed() opens nothing, so that it can be tested without files.
    base = Path(arguments.project)
    before = _read(base)
    after = fixed(before)
    for name, text in sorted(after.items()):
        lines = unified_diff(
            before[name].splitlines(keepends=True),
            text.splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
        for line in lines:
            sys.stdout.write(
                # As diff(1) marks it; without the mark `patch` would refuse the output.
                line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            )
    if not arguments.write:
        # As `plan`: 10 says that --write would change something.
        return SOMETHING if after else 0
    for name, text in after.items():
        try:
            # In place and not by rename, which would lose mode, owner and links of the author's files.
            (base / name).write_bytes(text.encode())
        except OSError as error:
            raise PluginError(
                "MA7256", f"cannot write {base / name}: {error.strerror}", hint="look at its mode"
            ) from error
    return 0


def _read(base: Path) -> dict[str, str]:
    """The texts of a project.

    Raises:
        PluginError: MA7256: There is none, or it is too large to be one.
    """
    from machineadm.plugins.inspection.fixing import PROJECT, REQUIREMENTS

    if not base.is_dir():
        raise PluginError("MA7256", f"{base} is not a directory", hint="name that of the project")
    texts: dict[str, str] = {}
    for number, path in enumerate(_files(base)):
        if number >= _MOST_FILES:
            raise PluginError(
                "MA7256",
                f"{base} has more than {_MOST_FILES} files",
                hint="name that of the project",
            )
        name = path.relative_to(base).as_posix()
        # No suffix: executables of plugins are scripts named machineadm-plugin-KIND-NAME.
        if name in (PROJECT, *REQUIREMENTS) or path.suffix in (".py", ""):
            text = _text(path)
            if text is not None:
                texts[name] = text
    return texts


def _files(base: Path) -> Iterator[Path]:
    """The files of a project; what goes away or may not be read meanwhile is passed over."""
    inside = base.resolve()
    for place, directories, names in os.walk(base):
        # Sorted, so that two runs show the same diff.
        directories[:] = sorted(one for one in directories if not _is_skipped(one))
        for name in sorted(names):
            path = Path(place, name)
            # Of a device or a pipe the first read might never end.
            if name.startswith(".") or not os.path.isfile(path):  # noqa: PTH113 - Path's raises where it may not look
                continue
            # A link out of the project leads to what is somebody else's, and --write would write there.
            if path.resolve().is_relative_to(inside):
                yield path


def _is_skipped(directory: str) -> bool:
    return directory.startswith(".") or directory in _SKIPPED


def _text(path: Path) -> str | None:
    """The content of a text file; None if it is not one."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
