"""List all installed plugins without starting any."""

from __future__ import annotations

import os
from typing import Final

import msgspec

from machineadm.api.v1alpha1.plugins import PluginEntry
from machineadm.errors import PluginError
from machineadm.plugins.catalogs.cache import digest_of
from machineadm.plugins.catalogs.model import KINDS, is_name
from machineadm.plugins.discovery import PREFIX, Places, contained
from machineadm.plugins.settings import read_entries
from machineadm.plugins.trust import SUFFIX, checksum_of, require_trusted

# The longest first: a kind that begins another's name must not take its files.
_KINDS: Final = sorted(KINDS, key=len, reverse=True)


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """An installed plugin."""

    kind: str
    name: str
    path: str
    source: str
    """The directory or the configuration that names it."""

    digest: str
    """`sha256:...` of its file; empty if it cannot be read."""

    expected: str = ""
    """The digest that plugins.yaml names; empty: that of the file beside it counts."""

    entry: PluginEntry | None = None
    """The entry of one that is no file here: in a container, whose digest is the image's id, or declared by its catalog."""

    hidden: bool = False
    """Another one of its kind and name comes first, and is the one that is started."""


def inventory(places: Places) -> list[Installed]:
    """Return all plugins, in search order.

    Args:
        places: Where they may be.

    Raises:
        PluginError: plugins.yaml is not to be trusted, or unfit.
    """
    found: list[Installed] = []
    expected: dict[tuple[str, str], str] = {}
    for directory in places.given:
        found += _in(directory)
    if os.path.lexists(places.configuration):
        # As a run judges it: what it names would be shown as good, and then be refused.
        require_trusted("of plugins.yaml", places.configuration)
        with open(places.configuration, "rb") as file:
            entries = read_entries(file.read(), file=places.configuration)
        # An entry without path and catalog speaks of the executable in the default directories.
        expected = {
            (one.kind, one.name): one.digest or ""
            for one in entries
            if not one.path and not one.catalog and one.container is None
        }
        for entry in entries:
            if entry.path:
                found.append(
                    Installed(
                        kind=entry.kind,
                        name=entry.name,
                        path=entry.path,
                        source=places.configuration,
                        digest=_digest(entry.path),
                        expected=entry.digest or "",
                    )
                )
            elif entry.catalog or entry.container is not None:
                image = entry.container.sha256 if entry.container is not None else None
                found.append(
                    Installed(
                        kind=entry.kind,
                        name=entry.name,
                        path="",
                        source=places.configuration,
                        digest=f"sha256:{image}" if image else entry.digest or "",
                        entry=entry,
                    )
                )
    # Up to here are the entries that name a place; an entry without one speaks of what follows.
    named = len(found)
    for directory in places.directories:
        found += (
            msgspec.structs.replace(one, expected=expected.get((one.kind, one.name), ""))
            for one in _in(directory)
        )
    there = {(one.kind, one.name) for one in found[named:]}
    for kind, name in expected.keys() - there:
        # Nowhere: whoever lists or judges plugins learns of it, since a run would need it.
        found.append(
            Installed(kind=kind, name=name, path="", source=places.configuration, digest="")
        )
    seen: set[tuple[str, str]] = set()
    marked = []
    for one in found:
        marked.append(msgspec.structs.replace(one, hidden=(one.kind, one.name) in seen))
        seen.add((one.kind, one.name))
    return marked


def judge(one: Installed, *, allow_unverified: bool = False) -> None:
    """Refuse a plugin that would not be started.

    Args:
        one: The plugin.
        allow_unverified: Accept a plugin without a checksum.

    Raises:
        PluginError: It is not trusted, or does not have its digest.
    """
    if one.entry is not None and one.entry.container is not None:
        contained(one.entry, one.entry.container, allow_unverified=allow_unverified)
        return
    if one.entry is not None:
        return  # what its catalog has is compared when it is fetched
    if not one.path:
        raise PluginError(
            "MA7252",
            f"plugin {one.name}: {one.source} names it, and it is in no directory of plugins",
            hint=f"machineadm plugin install {one.kind}/{one.name}, or add path or catalog to its entry",
        )
    require_trusted(one.name, one.path)
    # The entry's digest before the file beside it: the first is the operator's word, the second
    # came with the plugin.
    expected = one.expected.removeprefix("sha256:") or checksum_of(
        one.name, one.path, allow_unverified=allow_unverified
    )
    if expected and one.digest != f"sha256:{expected}":
        raise PluginError(
            "MA7204",
            f"plugin {one.name}: {one.path} has the digest {one.digest}, not sha256:{expected}",
            hint="install the plugin again; if it was updated, update its checksum too",
        )


def where(one: Installed) -> str:
    """What is started: a file's path, an image, or what a catalog has."""
    if one.entry is None:
        return one.path
    wanted = one.entry.container
    if wanted is None:
        return f"catalog {one.entry.catalog}"
    return f"container {wanted.image}{f':{wanted.tag}' if wanted.tag else ''}"


def _in(directory: str) -> list[Installed]:
    try:
        names = sorted(os.listdir(directory))
    # A default directory need not exist, and a user who lists plugins need not see root's.
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    found = []
    for file in names:
        rest = file.removeprefix(PREFIX)
        kind = next((one for one in _KINDS if rest.startswith(f"{one}-")), "")
        name = rest[len(kind) + 1 :]
        # By the name alone: to ask the file would mean to start it.
        if rest != file and kind and is_name(name) and not file.endswith(SUFFIX):
            path = os.path.abspath(os.path.join(directory, file))
            found.append(
                Installed(kind=kind, name=name, path=path, source=directory, digest=_digest(path))
            )
    return found


def _digest(path: str) -> str:
    try:
        # Shown as unknown: one unreadable file must not hide the others.
        return digest_of(path)
    except OSError:
        return ""
