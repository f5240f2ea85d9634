"""Fetch a plugin into the cache: the lock decides, then the cache, then the catalogs; the newest cached version is the fallback."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.cache import Cache, Cached, Progress
from machineadm.plugins.catalogs.constraint import Constraint
from machineadm.plugins.catalogs.directory import words_of
from machineadm.plugins.catalogs.lockfile import Lock, LockedPlugin
from machineadm.plugins.catalogs.model import (
    ANY,
    AbsentError,
    Artifact,
    BrokenError,
    Catalog,
    CatalogError,
    Wanted,
    is_digest,
    is_version,
)

T = TypeVar("T")
TIMEOUT: Final = 600.0
"""Seconds that fetching one plugin may take."""

ATTEMPTS: Final = 4
_REPLACED: Final = "a version that was already published was replaced: find out by whom before you install anything"
_REPINNED: Final = "version must name the release that the digest is of; if it does, the published plugin was replaced: find out by whom"


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is in the cache now."""

    kind: str
    name: str
    version: str
    platform: str
    digest: str
    path: str
    size: int
    from_cache: bool
    catalog: str = ""
    """Whence it came; empty if it was there."""

    changed_lock: bool = False
    """The lock has something new, and is not saved yet."""


class Fetcher:
    """Fetches plugins.

    Args:
        catalogs: In order; the first that has a plugin is used.
        cache: Where they are stored.
        lock: Earlier decisions; new ones are added.
        strict: Only what the lock names, by digest; no fallback, and every catalog must be reachable.
        refresh: Without a lock, ask the catalogs even if the cache has a version that fits.
        warn: Gets what an operator should know.
        progress: Called with the number of bytes of a file so far.
        timeout: Seconds for one plugin.
    """

    def __init__(
        self,
        catalogs: Sequence[Catalog],
        cache: Cache,
        lock: Lock,
        *,
        strict: bool = False,
        refresh: bool = False,
        warn: Callable[[str], None] = lambda _: None,
        progress: Progress = lambda _artifact, _bytes: None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._catalogs = tuple(catalogs)
        self._cache = cache
        self._lock = lock
        self._strict = strict
        self._refresh = refresh
        self._warn = warn
        self._progress = progress
        self._timeout = timeout

    def fetch(self, wanted: Wanted, platform: str, *, pinned: str = "") -> Fetched:
        """Fetch a plugin.

        Args:
            wanted: What to fetch.
            platform: What it must run on.
            pinned: The digest that whoever asks demands, `sha256:...`; empty: that of the lock.

        Raises:
            PluginError: It cannot be fetched, or is not what the lock or the pin says.
        """
        # One end for all: catalogs, retries and the download share it.
        end = time.monotonic() + self._timeout
        locked = self._locked(wanted, platform)
        digest = locked_digest(locked, platform)
        # Neither wins: each was decided by somebody, and one of them is wrong.
        if pinned and digest and pinned != digest:
            raise PluginError(
                "MA7246",
                f"{wanted}: the digest {pinned} is asked for, and {self._lock.path} locks {digest}",
                hint="one of the two is outdated: find out which",
            )
        digest = pinned or digest
        # The locked version and not the newest that fits: two machines of a site must get the same one.
        constraint = Constraint.just(locked.version) if locked else wanted.constraint
        # With a digest the cache is as good as the catalog.
        if digest or not self._refresh:
            kept = self._cache.newest(wanted.kind, wanted.name, constraint, platform, digest)
            if kept is not None:
                return self._done(kept, "", locked)
        try:
            catalog, artifact = self._find(wanted, constraint, platform, end)
        except (AbsentError, CatalogError) as error:
            return self._stand_in(wanted, platform, digest, error, locked)
        # Said, because from here on the catalog decides what root runs.
        if not digest:
            self._warn(
                f"{wanted.kind}/{wanted.name}: the lock has no digest for {platform}; "
                "what the catalog has now is taken, and noted there"
            )
        # Before the download: a replaced version must not even reach the cache.
        if digest and artifact.digest != digest:
            raise PluginError(
                "MA7246",
                f"{wanted.kind}/{wanted.name} {artifact.version} of {catalog.address} has the digest {artifact.digest}, "
                f"{'the pin' if pinned else 'the lock'} says {digest}",
                hint=_REPINNED if pinned else _REPLACED,
            )
        # By the digest: another version may be the same file.
        from_cache = self._cache.has(artifact.digest)
        if not from_cache:
            self._cache.download(artifact, catalog.read, progress=self._progress, end=end)
        # After the file is complete, never before: a kill between the two leaves a file without a
        # name, and not a name without a file.
        kept = self._cache.note(artifact)
        return self._done(kept, "" if from_cache else catalog.address, locked, catalog.address)

    def _locked(self, wanted: Wanted, platform: str) -> LockedPlugin | None:
        """Return what the lock says; None if it says nothing about this plugin.

        Raises:
            PluginError: MA7250: It must decide, and does not.
        """
        locked = self._lock.find(wanted.kind, wanted.name)
        fits = locked is not None and wanted.constraint.allows(locked.version)
        # A version alone does not do: the catalog would still choose the bytes.
        if self._strict and (not fits or not locked_digest(locked, platform)):
            what = f"locks version {locked.version}" if locked and not fits else "does not lock it"
            raise PluginError(
                "MA7250",
                f"{wanted} for {platform}: {self._lock.path} {what}, and --strict takes nothing else",
                hint="install it once without --strict, look at the lock, and keep it with the configuration",
            )
        # A lock that does not fit is older than what is asked for now: the catalogs decide again,
        # and the new decision replaces it.
        return locked if fits else None

    def _find(
        self, wanted: Wanted, constraint: Constraint, platform: str, end: float
    ) -> tuple[Catalog, Artifact]:
        """Find the first catalog that has a version that fits.

        Raises:
            AbsentError: No catalog has one.
            CatalogError: No catalog has one, and some could not be asked.
        """
        failures: list[CatalogError] = []
        for catalog in self._catalogs:
            try:
                artifact = _patiently(
                    partial(_resolved, catalog, wanted, constraint, platform), end
                )
            # PlatformError ends the search: the next catalog may have another plugin of this name.
            except AbsentError:
                continue
            # Of a catalog that cannot be asked nobody knows what it has: another may serve, but the operator is warned.
            except CatalogError as error:
                # With --strict an order of catalogs must not depend on which of them answers today.
                if self._strict:
                    raise
                failures.append(error)
                continue
            for failure in failures:
                self._warn(f"another catalog is taken: {words_of(failure)}")
            return catalog, artifact
        if failures:
            # All texts, as any of these catalogs might have had it; one code, since an error has
            # one.
            last = failures[-1]
            texts = "; ".join(one.message for one in failures)
            raise CatalogError(last.code, texts, hint=last.hint())
        versions = constraint.text or "any version"
        raise AbsentError(
            "MA7241",
            f"no catalog has {wanted.kind}/{wanted.name} ({versions})",
            hint="asked: "
            + (", ".join(one.address for one in self._catalogs) or "none; --catalog names one"),
        )

    def _stand_in(
        self,
        wanted: Wanted,
        platform: str,
        digest: str,
        error: PluginError,
        locked: LockedPlugin | None,
    ) -> Fetched:
        """Fall back to the newest cached version.

        Raises:
            PluginError: There is none, or no fallback is allowed.
        """
        kept = None
        # A version that the lock names by digest is not in the cache: that was checked first.
        if not self._strict and not digest:
            kept = self._cache.newest(wanted.kind, wanted.name, wanted.constraint, platform)
        if kept is None:
            raise error
        self._warn(f"the newest cached version, {kept.version}, is taken: {words_of(error)}")
        return self._done(kept, "", locked)

    def _done(
        self, kept: Cached, came_from: str, locked: LockedPlugin | None, catalog: str = ""
    ) -> Fetched:
        # Also for what came from the cache: a lock without it would leave the next machine to
        # choose again.
        changed = self._lock.decide(
            kept.kind,
            kept.name,
            version=kept.version,
            platform=kept.platform,
            digest=kept.digest,
            catalog=catalog or (locked.resolved_from if locked else ""),
        )
        return Fetched(
            kind=kept.kind,
            name=kept.name,
            version=kept.version,
            platform=kept.platform,
            digest=kept.digest,
            path=kept.path,
            size=kept.size,
            from_cache=not came_from,
            catalog=came_from,
            changed_lock=changed,
        )


def _resolved(catalog: Catalog, wanted: Wanted, constraint: Constraint, platform: str) -> Artifact:
    """Find a catalog's newest version that fits.

    Raises:
        AbsentError: It has none.
    """
    if exact := constraint.exact:
        try:
            # One question instead of pages of tags.
            return catalog.find(wanted.kind, wanted.name, exact, platform)
        except AbsentError:
            pass  # the catalog may call it v1.2.3: compare with the whole list
    # A version becomes part of a path, so a catalog's tags are not used unchecked.
    versions = filter(is_version, catalog.versions(wanted.kind, wanted.name))
    version = constraint.newest(versions)
    if not version:
        raise AbsentError("MA7241", f"{catalog.address} has no {wanted}")
    return catalog.find(wanted.kind, wanted.name, version, platform)


def locked_digest(locked: LockedPlugin | None, platform: str) -> str:
    """Return the digest that a platform's file must have; empty if the lock has none."""
    if locked is None:
        return ""
    found = locked.digests.get(platform) or locked.digests.get(ANY) or ""
    return found if is_digest(found) else ""


def _patiently(ask: Callable[[], T], end: float) -> T:
    """Ask a catalog; retry temporary failures.

    Raises:
        BrokenError: The failure did not go away.
    """
    attempt = 1
    while True:
        try:
            return ask()
        except BrokenError:
            # 1, 2 and 4 seconds: a registry that restarts is back by then.
            pause = 2.0 ** (attempt - 1)
            if attempt == ATTEMPTS or time.monotonic() + pause > end:
                raise
            time.sleep(pause)
        attempt += 1
