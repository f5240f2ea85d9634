"""Fetch a plugin that a configuration or plugins.yaml declares by catalog, into the cache alone.

Nobody watches a first boot, so the digest must be known before: from the entry itself, or from the lock that the image brings. The
lock is read, and never written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

from machineadm.api.v1alpha1.plugins import PluginEntry
from machineadm.errors import PluginError, UsageError
from machineadm.plugins.catalogs.cache import Cache, default_root
from machineadm.plugins.catalogs.constraint import Constraint
from machineadm.plugins.catalogs.fetcher import Fetched, Fetcher, locked_digest
from machineadm.plugins.catalogs.lockfile import LOCK, Lock
from machineadm.plugins.catalogs.model import Catalog, Wanted, Web, own_platform
from machineadm.plugins.catalogs.opening import open_catalog
from machineadm.plugins.catalogs.registry import Login, credentials
from machineadm.plugins.trust import ALLOW_UNVERIFIED, require_trusted

CREDENTIALS: Final = "/etc/machineadm/registry-credentials.json"

_HINTS: Final = {
    "MA7240": "catalog is oci://HOST/PREFIX or an absolute path; version is such as 1.2.3, ^1.2, ~1.2",
    "MA7243": "look at the address; the machine must trust the certificate of a registry",
    "MA7244": f"{CREDENTIALS}, as `docker login` writes it, has the credentials of registries",
    "MA7248": "look at the directory, its permissions and its room",
    "MA7251": "the next run continues where this one stopped",
}
"""In place of hints that name options of `machineadm plugin install`."""


def fetch_declared(
    entry: PluginEntry,
    web: Callable[[], Web],
    *,
    allow_unverified: bool = False,
    warn: Callable[[str], None] = lambda _: None,
    cache: str = "",
    lock: str = LOCK,
) -> tuple[str, str]:
    """Fetch a declared plugin.

    Args:
        entry: It has a catalog.
        web: Returns the client for registries.
        allow_unverified: Accept what the catalog has where neither the entry nor the lock names a digest.
        warn: Gets what an operator should know.
        cache: The cache's directory; empty: the default one.
        lock: The lock file; it need not exist.

    Returns:
        Its path in the cache, and the hex digits of its SHA-256.

    Raises:
        PluginError: It cannot be fetched, or is another one. The message has the plugin's name.
    """
    platform = own_platform()
    try:
        # Inside the try: a constraint that is none must be told with the plugin's name, too.
        wanted = Wanted(
            kind=entry.kind, name=entry.name, constraint=Constraint.parse(entry.version or "")
        )
        decided = _lock(entry.name, lock)
        locked = decided.find(entry.kind, entry.name)
        # A lock for a version that the entry does not want says nothing of the one that it does.
        fits = locked is not None and wanted.constraint.allows(locked.version)
        # The entry first: whoever wrote the configuration decided later than the image.
        known = entry.digest or (locked_digest(locked, platform) if fits else "")
        if not known and not allow_unverified:
            _refuse_unknown(lock, platform)
        # One catalog, the entry's: to try another one in silence would be a way to run somebody
        # else's plugin of that name.
        fetcher = Fetcher(
            _catalogs(entry, web),
            Cache(cache or default_root()),
            decided,
            warn=lambda text: warn(f"plugin {entry.name}: {text}"),
        )
        # What it decides stays in memory: the lock is the site's, and a run that writes it would
        # turn what one machine happened to find into a rule (ADR 0034).
        fetched: Fetched = fetcher.fetch(wanted, platform, pinned=entry.digest or "")
    except (PluginError, UsageError) as error:
        refusal: PluginError = _named(entry.name, error)
        raise refusal from error
    return fetched.path, fetched.digest.removeprefix("sha256:")


def _refuse_unknown(lock: str, platform: str) -> NoReturn:
    raise PluginError(
        "MA7250",
        f"neither its entry nor {lock} says which digest it must have on {platform}",
        hint=f"pin it by digest, let the image bring the lock, or use {ALLOW_UNVERIFIED}",
    )


def _lock(name: str, path: str) -> Lock:
    """Read the lock.

    Raises:
        PluginError: It is not trusted: whoever writes it decides what root runs. Or it is unfit.
    """
    # Judged like a plugin, since its digests decide what root runs.
    if os.path.lexists(path):
        require_trusted(name, path)
    return Lock.read(path)


def _catalogs(entry: PluginEntry, web: Callable[[], Web]) -> Sequence[Catalog]:
    return (open_catalog(entry.catalog or "", web, _credentials),)


def _credentials(host: str) -> Login:
    try:
        with open(CREDENTIALS, "rb") as file:
            return credentials(file.read(), host, CREDENTIALS)
    except FileNotFoundError:
        # Many registries give plugins to everybody, so a missing file is not an error; a refusal
        # will name it.
        return Login()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PluginError(
            "MA7244", f"cannot read {CREDENTIALS}: {reason}", hint=_HINTS["MA7244"]
        ) from error


def _named(name: str, error: PluginError | UsageError) -> PluginError:
    """Build the same error with the plugin's name, and a hint that names no option that there is not."""
    hint = error.hint()
    # The more specific hint stays, unless it names an option of another command.
    if error.code in _HINTS and (not hint or "--" in hint):
        hint = _HINTS[error.code]
    known = error.message.startswith(f"plugin {name}: ")
    message = error.message if known else f"plugin {name}: {error.message}"
    return PluginError(error.code, message, hint=hint)
