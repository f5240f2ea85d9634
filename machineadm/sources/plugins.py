"""Bytes from infrastructure plugins: `plugin://NAME/LOCATION`, and what a ConfigurationReference names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from machineadm.documents.source import MAX_BYTES

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.plugins import PluginEntry

SCHEME = "plugin://"


class PluginSource:
    """Plugins that are needed before a configuration can be read, so that it declares none of them.

    Args:
        directories: Of the command line, looked at before all else.
        allow_unverified: Run a plugin that has no checksum.
    """

    def __init__(self, directories: Sequence[str] = (), *, allow_unverified: bool = False) -> None:
        self._directories = tuple(directories)
        self._allow_unverified = allow_unverified
        self.log: Callable[[str], None] = lambda _: None
        """Gets what a plugin logs."""

        self.used: set[str] = set()
        """Executables that were asked, by their paths."""

    def fetch(self, name: str, location: str) -> bytes:
        """The bytes at a location that a plugin knows; its process has ended then.

        Raises:
            PluginError: There is no such plugin, or it does not give them.
        """
        # Imported when a plugin is asked: a run without any must not pay for it (ADR 0019).
        from machineadm.plugins.asking import Asking
        from machineadm.plugins.discovery import Places

        places = Places(
            given=self._directories,
            allow_unverified=self._allow_unverified,
            fetch=fetching(allow_unverified=self._allow_unverified, log=self.log),
        )
        asking = Asking(places, log=self.log)
        try:
            return asking.fetch(name, location, most=MAX_BYTES)
        finally:
            asking.end()
            # Also after a failure, since a resumed run will need the same directories.
            self.used |= asking.used


def fetching(
    *, allow_unverified: bool, log: Callable[[str], None]
) -> Callable[[PluginEntry], tuple[str, str]]:
    """Return what brings plugins that are declared by their catalog; see `machineadm.plugins.discovery.Fetch`.

    Args:
        allow_unverified: Accept one whose digest nothing names.
        log: Gets warnings.
    """

    def fetch(entry: PluginEntry) -> tuple[str, str]:
        # Only here: registries are loaded when one is asked.
        from machineadm.plugins.catalogs.declared import fetch_declared
        from machineadm.sources.registries import CatalogWeb

        found: tuple[str, str] = fetch_declared(
            entry, CatalogWeb, allow_unverified=allow_unverified, warn=log
        )
        return found

    return fetch


def parted(uri: str) -> tuple[str, str]:
    """The plugin's name and the location of `plugin://NAME/LOCATION`; an empty name if it is malformed."""
    # The first slash ends the name; a location may be a path or a URL of its own.
    name, slash, location = uri[len(SCHEME) :].partition("/")
    fits = slash and location and name and all(c.isalnum() or c == "-" for c in name)
    return (name, location) if fits and name.isascii() else ("", "")
