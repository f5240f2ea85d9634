"""The lock: the version and digest of each plugin that this site decided on, for each platform."""

from __future__ import annotations

import os
from typing import Annotated, Final, Literal, NoReturn

from msgspec import Meta

from machineadm.api.meta import ApiStruct, ObjectMeta
from machineadm.errors import PluginError
from machineadm.plugins.catalogs.cache import write_whole
from machineadm.plugins.catalogs.directory import read_part
from machineadm.plugins.catalogs.model import KINDS, is_digest, is_name, is_platform, is_version

LOCK: Final = "/etc/machineadm/plugins.lock"
_VERSION: Final = "bootstrap.cluster.x-k8s.io/v1alpha1"
# A thousand plugins for all platforms take less than a tenth of it.
_MOST_BYTES: Final = 4 << 20
# Names of plugins that YAML would read as a boolean or as null.
_NO_NAMES: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


class LockedPlugin(ApiStruct, frozen=True, kw_only=True):
    """A plugin, and what its files must be."""

    name: str
    """Its name."""

    kind: str
    """Its kind."""

    version: str
    """The version that was decided on."""

    resolved_from: str = ""
    """Address of the catalog that had it."""

    digests: dict[str, str]
    """SHA-256 of its file by platform (`linux/amd64`, or `any`)."""


class PluginLockSpec(ApiStruct, frozen=True, kw_only=True):
    """The plugins."""

    plugins: Annotated[tuple[LockedPlugin, ...], Meta(max_length=1000)] = ()
    """Name and kind together occur once."""


class PluginLock(ApiStruct, frozen=True, kw_only=True):
    """What `machineadm plugin install` has decided on."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["PluginLock"]
    """`PluginLock`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed."""

    spec: PluginLockSpec
    """The plugins."""


class Lock:
    """The content of a lock file; `save` writes new decisions.

    Args:
        path: The file; empty: there is none, and none is written.
        plugins: What it holds.
    """

    def __init__(self, path: str = "", plugins: tuple[LockedPlugin, ...] = ()) -> None:
        self.path = path
        self._plugins = {(one.kind, one.name): one for one in plugins}

    @classmethod
    def read(cls, path: str) -> Lock:
        """Read a lock file; a missing one is empty.

        Raises:
            PluginError: MA7249: It cannot be used.
        """
        try:
            data = read_part(path, _MOST_BYTES + 1)
        # Empty and no error: a site that has decided nothing has no lock.
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            _unfit(path, (error.strerror or "it cannot be read").lower())
        if len(data) > _MOST_BYTES:
            _unfit(path, f"it is larger than {_MOST_BYTES} bytes")
        return cls(path, _plugins(data, path))

    @property
    def plugins(self) -> tuple[LockedPlugin, ...]:
        """Return all plugins, by kind and name."""
        return tuple(self._plugins[key] for key in sorted(self._plugins))

    def find(self, kind: str, name: str) -> LockedPlugin | None:
        """Return the decision for a plugin."""
        return self._plugins.get((kind, name))

    def decide(
        self, kind: str, name: str, *, version: str, platform: str, digest: str, catalog: str
    ) -> bool:
        """Record a file; digests of other platforms stay if the version does. Returns whether anything changed."""
        before = self.find(kind, name)
        # By version and not by catalog: a mirror serves the same files, and its digests prove
        # that.
        same = before is not None and before.version == version
        # Another version drops them all: they are digests of other files.
        digests = {**(before.digests if before and same else {}), platform: digest}
        origin = before.resolved_from if before and same and not catalog else catalog
        after = LockedPlugin(
            kind=kind, name=name, version=version, resolved_from=origin, digests=digests
        )
        self._plugins[kind, name] = after
        return after != before

    def forget(self, kind: str, name: str) -> bool:
        """Remove a plugin; returns whether it was there."""
        return self._plugins.pop((kind, name), None) is not None

    def save(self) -> None:
        """Write it completely or not at all.

        Raises:
            PluginError: MA7249: It cannot be written.
        """
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            # Two installs at once are not merged: the later lock stays as it is, and lacks the
            # other's decision until that plugin is installed again.
            write_whole(self.path, self.text().encode(), 0o644)
        except OSError as error:
            _unfit(self.path, f"it cannot be written: {error.strerror}")

    def text(self) -> str:
        """Return the file's text: the same for the same decisions, in lines that a person can compare."""
        # Written by hand, as the agent has no general writer of YAML.
        lines = [f"apiVersion: {_VERSION}", "kind: PluginLock", "spec:"]
        lines.append("  plugins:" if self._plugins else "  plugins: []")
        for one in self.plugins:
            lines += [
                f"  - kind: {one.kind}",
                f"    name: {_quoted(one.name) if one.name in _NO_NAMES else one.name}",
                f"    version: {_quoted(one.version)}",
                f"    resolvedFrom: {_quoted(one.resolved_from)}",
                "    digests:",
                *(f"      {key}: {value}" for key, value in sorted(one.digests.items())),
            ]
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # Not as JSON: it writes what is beyond 16 bits as two surrogates, which YAML refuses. The path of a
    # catalog may even hold bytes that are not UTF-8; where it came from only informs.
    known = text.encode("utf-8", "replace").decode()
    return '"' + "".join(_escaped(one) for one in known) + '"'


def _escaped(one: str) -> str:
    if one.isascii() and one.isprintable() and one not in '"\\':
        return one
    return f"\\u{ord(one):04x}" if ord(one) < 1 << 16 else f"\\U{ord(one):08x}"


def _plugins(data: bytes, path: str) -> tuple[LockedPlugin, ...]:
    from machineadm.documents.decoding import decode_kinds

    documents = decode_kinds(data, file=path, kinds={(_VERSION, "PluginLock"): PluginLock})
    # The first is told, and no part of such a lock is used: a lock that is half read would let
    # anything pass.
    for problem in (problem for document in documents for problem in document.problems):
        at = f"line {problem.line}: {problem.path + ': ' if problem.path else ''}"
        _unfit(path, f"{at}{problem.message}")
    found = [one for document in documents for one in document.value.spec.plugins]
    seen: set[tuple[str, str]] = set()
    for one in found:
        named = f"{one.kind}/{one.name}"
        # Name and version become paths in the cache.
        if one.kind not in KINDS or not is_name(one.name):
            _unfit(path, f"{named} is not KIND/NAME of a plugin")
        if not is_version(one.version):
            _unfit(path, f"{named}: {one.version!r} is not a version")
        # A later one would win in silence over the one that was reviewed.
        if (one.kind, one.name) in seen:
            _unfit(path, f"{named} is listed twice")
        for platform, digest in one.digests.items():
            if not is_platform(platform) or not is_digest(digest):
                _unfit(path, f"{named} {one.version}: {platform} has no SHA-256 digest")
        seen.add((one.kind, one.name))
    return tuple(found)


def _unfit(path: str, reason: str) -> NoReturn:
    raise PluginError(
        "MA7249",
        f"the lock file {path} cannot be used: {reason}",
        hint="restore it from where it is kept, or remove it to choose versions again",
    )
