"""A catalog that is a signed release: release.json has the digests of the plugins beside it. machineadm's own is one, an author's may be.

With a key the signature of release.json is verified. Without one somebody else has done so (docs/verify.md): then it is trusted as a
directory's checksum file is.
"""

from __future__ import annotations

import os
import re
from typing import Final

import msgspec

from machineadm.plugins.catalogs import oci
from machineadm.plugins.catalogs.directory import read_file, read_part, unreadable
from machineadm.plugins.catalogs.model import (
    KINDS,
    Artifact,
    Chunks,
    absent,
    is_digest,
    is_name,
    other_platforms,
    suits,
)
from machineadm.plugins.discovery import PREFIX

MARK: Final = "release.json"
# From its end: a name has hyphens, OS and architecture have none. Plugins in Go have no suffix.
_FILE: Final = re.compile(
    rf"{PREFIX}({'|'.join(KINDS)})-([a-z0-9-]+)-([a-z0-9]+)-([a-z0-9_]+)(?:\.pyz)?"
)


class _File(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    size: int


class _Release(msgspec.Struct, frozen=True):
    version: str
    artifacts: tuple[_File, ...]


class ReleaseCatalog:
    """Plugins in the directory of a release.

    Args:
        path: The directory.
        keys: Public keys, PEM, of which one must have signed the release; empty: nobody looks.
    """

    def __init__(self, path: str, keys: bytes = b"") -> None:
        self.address = path
        self._keys = keys

    def versions(self, kind: str, name: str) -> tuple[str, ...]:
        """See `Catalog`."""
        release = self._read()
        # A release has one version, the agent's (ADR 0041).
        return (self._version(release),) if self._of(release, kind, name) else ()

    def find(self, kind: str, name: str, version: str, platform: str) -> Artifact:
        """See `Catalog`.

        Raises:
            AbsentError: There is no such version.
            PlatformError: There is, for others.
            CatalogError: It cannot be read, or is damaged.
        """
        release = self._read()
        files = self._of(release, kind, name)
        if not files or version != self._version(release):
            absent(kind, name, version, self.address)
        chosen = [one for one in files if suits(one, platform)]
        if not chosen:
            other_platforms(kind, name, version, platform, list(files))
        file = files[chosen[0]]
        return Artifact(
            kind=kind,
            name=name,
            version=version,
            platform=chosen[0],
            digest=f"sha256:{file.sha256}",
            size=file.size,
            catalog=self.address,
            place=os.path.join(self.address, file.name),
        )

    def read(self, artifact: Artifact, start: int) -> Chunks:
        """See `Catalog`."""
        return read_file(artifact.place, start)

    def _read(self) -> _Release:
        """Read release.json.

        Raises:
            CatalogError: It cannot be read, or is damaged.
            VerificationError: MA17xx: None of the keys signed it.
        """
        path = os.path.join(self.address, MARK)
        data = self._bytes(path)
        if self._keys:
            from machineadm.verification import signatures
            from machineadm.verification.keys import load_public_keys

            # Before it is parsed: what nobody signed reaches no reader. It covers the files by
            # their digests.
            signatures.verify(data, self._bytes(f"{path}.sig"), load_public_keys(self._keys))
        try:
            release = msgspec.json.decode(data, type=_Release)
        except (ValueError, RecursionError):
            oci.unfit(path, "is not what a release says of itself")
        # The cache names files by digests, and removes what does not have its own: a path in place of a
        # digest would make root remove any file, and without a key anybody may have written this one.
        for file in release.artifacts:
            if not is_digest(f"sha256:{file.sha256}"):
                oci.unfit(path, "names a file without a SHA-256 digest")
        return release

    @staticmethod
    def _bytes(path: str) -> bytes:
        try:
            data = read_part(path, oci.MOST_JSON + 1)
        except OSError as error:
            unreadable(path, error.strerror)
        if len(data) > oci.MOST_JSON:
            oci.unfit(path, f"is larger than {oci.MOST_JSON} bytes")
        return data

    @staticmethod
    def _version(release: _Release) -> str:
        return release.version.removeprefix("v")

    @staticmethod
    def _of(release: _Release, kind: str, name: str) -> dict[str, _File]:
        """The files of a plugin, by platform."""
        found = {}
        for file in release.artifacts:
            parts = _FILE.fullmatch(file.name)
            if parts and parts[1] == kind and parts[2] == name and is_name(name):
                found[f"{parts[3]}/{parts[4]}"] = file
        return found
