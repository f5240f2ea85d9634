"""Where a plugin's file is: directories of the command line, plugins.yaml, the default directories, in this order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from machineadm.plugins.settings import CONFIGURATION, read_entries
from machineadm.plugins.trust import checksum_of, require_trusted

DIRECTORIES: Final = (
    "/opt/machineadm/plugins",
    "/usr/local/lib/machineadm/plugins",
    "/usr/lib/machineadm/plugins",
)

PREFIX: Final = "machineadm-plugin-"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where plugins may be, and what is demanded of them."""

    given: tuple[str, ...] = ()
    """Directories of the command line."""

    configuration: str = CONFIGURATION
    directories: tuple[str, ...] = DIRECTORIES
    allow_unverified: bool = False
    """Run what has no checksum."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that may be run, if its file has the digest."""

    name: str
    path: str
    sha256: str = ""
    settings: dict[str, Any] | None = None


def find(kind: str, name: str, places: Places) -> Found | None:
    """Find a plugin.

    Args:
        kind: Such as `encryption-provider`.
        name: Such as `aws`.
        places: Where to look.

    Returns:
        The first in order; None if there is none.

    Raises:
        PluginError: What is first in order is not to be trusted; nothing else is tried then.
    """
    if path := _in(kind, name, places.given):
        return _judged(name, path, places)
    if os.path.lexists(places.configuration):
        require_trusted(name, places.configuration)
        with open(places.configuration, "rb") as file:
            entries = read_entries(file.read(), file=places.configuration)
        for entry in entries:
            if (entry.kind, entry.name) == (kind, name):
                digest = (entry.digest or "").removeprefix("sha256:")
                return _judged(name, entry.path, places, digest, entry.settings)
    path = _in(kind, name, places.directories)
    return _judged(name, path, places) if path else None


def _in(kind: str, name: str, directories: Sequence[str]) -> str:
    paths = (os.path.join(directory, f"{PREFIX}{kind}-{name}") for directory in directories)
    return next((os.path.abspath(path) for path in paths if os.path.lexists(path)), "")


def _judged(
    name: str,
    path: str,
    places: Places,
    digest: str = "",
    settings: dict[str, Any] | None = None,
) -> Found:
    require_trusted(name, path)
    sha256 = digest or checksum_of(name, path, allow_unverified=places.allow_unverified)
    return Found(name=name, path=path, sha256=sha256, settings=settings)
