"""Find a plugin's file: in directories of the command line, the configuration, plugins.yaml, the default directories, in this order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from machineadm.api.v1alpha1.plugins import PluginContainer, PluginEntry, PluginHostService
from machineadm.errors import PluginError
from machineadm.plugins.launch.model import Container
from machineadm.plugins.settings import CONFIGURATION, read_entries
from machineadm.plugins.trust import ALLOW_UNVERIFIED, checksum_of, require_trusted
from machineadm.redaction import Secret

# /opt first: on systems with a read-only /usr that is where a site installs.
DIRECTORIES: Final = (
    "/opt/machineadm/plugins",
    "/usr/local/lib/machineadm/plugins",
    "/usr/lib/machineadm/plugins",
)

PREFIX: Final = "machineadm-plugin-"


# scafctl's: there a plugin says only when it runs which names it has.
SERVING: Final = ("provider", "auth-handler")
"""Kinds of which one plugin may serve several names."""

Fetch = Callable[[PluginEntry], tuple[str, str]]
"""Brings a plugin that is declared by its catalog: its path, and the hex digits of its SHA-256. Raises PluginError."""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where plugins may be, and what is demanded of them."""

    given: tuple[str, ...] = ()
    """Directories of the command line."""

    declared: tuple[PluginEntry, ...] = ()
    """Plugins of the machine's configuration."""

    configuration: str = CONFIGURATION
    directories: tuple[str, ...] = DIRECTORIES
    allow_unverified: bool = False
    """Run what has no checksum."""

    fetch: Fetch | None = None
    """For entries with a catalog; None: they are refused."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that may be run, if its file has the digest."""

    name: str
    path: str
    """Its file; empty if it runs in a container."""

    sha256: str = ""
    container: Container | None = None
    settings: dict[str, Any] | None = None
    secrets: tuple[Secret, ...] = ()
    """What of its settings and its environment must not be shown."""

    host_service: PluginHostService = PluginHostService()
    """What it may ask of its host."""


def find(kind: str, name: str, places: Places) -> Found | None:
    """Find a plugin.

    Args:
        kind: Such as `encryption-provider`.
        name: Such as `aws`.
        places: Where to look.

    Returns:
        The first in order; None if there is none.

    Raises:
        PluginError: The first one is not trusted, or cannot be fetched; no other one is tried.
    """
    # The configuration's own entry is asked before plugins.yaml of the image.
    entry = _named(kind, name, places.declared)
    path = _in(kind, name, places.given)
    # Not read where the configuration has decided: an unfit plugins.yaml must not stop it.
    if not path and entry is None:
        entry = _named(kind, name, _configured(name, places))
    # A directory of the command line comes before all of this: it is how one tries another build.
    if not path and entry is not None and entry.catalog is not None:
        return _fetched(entry, places)
    if not path and entry is not None and entry.container is not None:
        return contained(entry, entry.container, allow_unverified=places.allow_unverified)
    # The entry's own path before the default directories: it is the operator's word.
    path = path or (entry.path if entry else None) or _in(kind, name, places.directories)
    return _judged(name, path, places, entry) if path else None


def entries(kind: str, places: Places) -> tuple[PluginEntry, ...]:
    """All plugins of a kind that the configuration and plugins.yaml name, in order, each name once.

    Args:
        kind: Such as `provider`.
        places: Where to look.

    Raises:
        PluginError: plugins.yaml is not to be trusted, or unfit.
    """
    found: dict[str, PluginEntry] = {}
    for entry in (*places.declared, *_configured("plugins.yaml", places)):
        if entry.kind == kind:
            # The first of a name is the one that would be started.
            found.setdefault(entry.name, entry)
    return tuple(found.values())


def require(kind: str, name: str, places: Places) -> Found | None:
    """Return the plugin of a name; None if another plugin may serve that name.

    Args:
        kind: Such as `provider`.
        name: That somebody names.
        places: Where to look.

    Raises:
        PluginError: MA7226: There is none. Others: it is not to be trusted, or cannot be fetched.
    """
    found = find(kind, name, places)
    if found is not None:
        return found
    # A provider's name need not be its plugin's; only asking the plugin would tell.
    # Only those that somebody has declared: to start whatever lies in a directory would mean to
    # run it unasked.
    others = entries(kind, places) if kind in SERVING else ()
    if not others:
        missing: PluginError = nobody(kind, name, places)
        raise missing
    _fetch_ahead(others, places)
    return None


def nobody(kind: str, name: str, places: Places) -> PluginError:
    """Build the error for a name that no plugin serves."""
    try:
        known = ", ".join(entry.name for entry in entries(kind, places)) or "none"
    # The error that there is no plugin comes first; that plugins.yaml is unfit belongs to its hint.
    except PluginError as error:
        known = error.message
    return PluginError(
        "MA7226",
        f"there is no plugin {name} of kind {kind}",
        hint=f"install {PREFIX}{kind}-{name}, or add it to machine.plugins or plugins.yaml (there: {known})",
    )


def _configured(name: str, places: Places) -> tuple[PluginEntry, ...]:
    """Read the plugins of plugins.yaml, in search of one of them."""
    if not os.path.lexists(places.configuration):
        return ()
    # Its entries name paths and digests of what root runs.
    require_trusted(name, places.configuration)
    with open(places.configuration, "rb") as file:
        return read_entries(file.read(), file=places.configuration)


def _named(kind: str, name: str, among: Sequence[PluginEntry]) -> PluginEntry | None:
    return next((one for one in among if (one.kind, one.name) == (kind, name)), None)


def _in(kind: str, name: str, directories: Sequence[str]) -> str:
    paths = (os.path.join(directory, f"{PREFIX}{kind}-{name}") for directory in directories)
    # lexists: a broken link is a hit, and then refused, for the same reason as below.
    return next((os.path.abspath(path) for path in paths if os.path.lexists(path)), "")


def _fetch_ahead(others: Sequence[PluginEntry], places: Places) -> None:
    """Fetch all that may serve a name now, so that nothing is fetched when half of a run is done.

    Raises:
        PluginError: None is left that may serve it; the error is that of the first.
    """
    failures: list[PluginError] = []
    for entry in others:
        try:
            find(entry.kind, entry.name, places)
        except PluginError as error:
            failures.append(error)
    # One that is left may be the one that serves the name.
    if len(failures) == len(others):
        raise failures[0]


def _fetched(entry: PluginEntry, places: Places) -> Found:
    if places.fetch is None:
        raise PluginError(
            "MA7243",
            f"plugin {entry.name}: nothing here fetches from a catalog",
            hint="install it, or name it by path",
        )
    path, sha256 = places.fetch(entry)
    # The cache is a directory like any other: others may have written to it.
    require_trusted(entry.name, path)
    return _with_settings(entry.name, path, sha256, entry)


def contained(entry: PluginEntry, wanted: PluginContainer, *, allow_unverified: bool) -> Found:
    """Return a plugin in a container, once the engine has its image; nothing is started.

    Args:
        entry: The plugin's.
        wanted: Its container.
        allow_unverified: Accept an image that no id pins.

    Raises:
        PluginError: There is no engine that can be trusted, or the image is missing or another one.
    """
    from machineadm.api.formats import amount
    from machineadm.plugins.launch.containers.creating import require_image
    from machineadm.plugins.launch.containers.engine import located

    if not wanted.sha256 and not allow_unverified:
        raise PluginError(
            "MA7203",
            f"plugin {entry.name}: its image {wanted.image} is not pinned by container.sha256",
            hint=f"set it to the image's id, as `podman image inspect` or `docker image inspect` shows it, or give {ALLOW_UNVERIFIED}",
        )
    container = Container(
        image=wanted.image,
        tag=wanted.tag or "",
        sha256=wanted.sha256 or "",
        entrypoint=wanted.entrypoint,
        args=wanted.args,
        env={name: value.reveal() for name, value in wanted.env.items()},
        disable_network=wanted.disable_network,
        labels=dict(wanted.labels),
        group=wanted.group,
        runtime=wanted.runtime or "",
        cgroup_parent=wanted.cgroup_parent or "",
        nano_cpus=amount(wanted.cpus, 10**9) if wanted.cpus else 0,
        memory=amount(wanted.memory) if wanted.memory else 0,
        endpoints=dict(wanted.endpoints),
        debug=wanted.debug,
    )
    # Here already, where a run has touched nothing yet; once more when it is started.
    require_image(entry.name, located(), container)
    found = _with_settings(entry.name, "", "", entry)
    return replace(found, container=container, secrets=(*found.secrets, *wanted.env.values()))


def _judged(name: str, path: str, places: Places, entry: PluginEntry | None) -> Found:
    # An untrusted first hit is an error, not a reason to look further: otherwise whoever can break
    # it chooses which plugin runs.
    require_trusted(name, path)
    digest = (entry.digest if entry else None) or ""
    # The entry's digest is the operator's word; the file beside the plugin came from where the
    # plugin came from.
    sha256 = digest.removeprefix("sha256:") or checksum_of(
        name, path, allow_unverified=places.allow_unverified
    )
    if entry is None:
        return Found(name=name, path=path, sha256=sha256)
    return _with_settings(name, path, sha256, entry)


def _with_settings(name: str, path: str, sha256: str, entry: PluginEntry) -> Found:
    secrets = {key: value.reveal() for key, value in entry.secret_settings.items()}
    return Found(
        name=name,
        path=path,
        sha256=sha256,
        settings={**entry.settings, **secrets},
        secrets=tuple(entry.secret_settings.values()),
        host_service=entry.host_service,
    )
