"""A catalog that is an OCI image layout in a directory: what `skopeo copy ... oci:DIR:KIND/NAME:VERSION` leaves, for sites without a network.

A manifest or index is found by its reference (annotation org.opencontainers.image.ref.name), `KIND/NAME:VERSION` with anything
before the kind's directory name; one that has only a version there is asked for its own name.
"""

from __future__ import annotations

import os
from typing import Any

from machineadm.plugins.catalogs import oci
from machineadm.plugins.catalogs.directory import read_file, read_part, unreadable
from machineadm.plugins.catalogs.model import ANY, Artifact, Chunks, absent, other_platforms

MARK = "oci-layout"


class LayoutCatalog:
    """Plugins in an OCI layout.

    Args:
        path: The directory.
    """

    def __init__(self, path: str) -> None:
        self.address = path
        self._named: list[tuple[str, str, str, oci.Descriptor]] | None = None

    def versions(self, kind: str, name: str) -> tuple[str, ...]:
        """See `Catalog`."""
        found = {version for *who, version, _ in self._all() if who == [kind, name]}
        return tuple(found)

    def find(self, kind: str, name: str, version: str, platform: str) -> Artifact:
        """See `Catalog`.

        Raises:
            AbsentError: There is no such version.
            PlatformError: There is, for others.
            CatalogError: It cannot be read, or is damaged.
        """
        wanted = [kind, name, version]
        tops = [one for *what, one in self._all() if what == wanted]
        if not tops:
            absent(kind, name, version, self.address)
        manifests = [one for top in tops for one in self._manifests(top)]
        chosen = oci.choose(manifests, platform)
        if chosen is None:
            offered = oci.platforms(manifests)
            other_platforms(kind, name, version, platform, offered)
        where = self._where(chosen)
        manifest = self._document(chosen)
        layer = oci.content(manifest, where)
        said = chosen.platform or self._config(manifest, where)[3] or ANY
        plugin = (kind, name, version)
        return oci.artifact(
            plugin, platform, said, layer, catalog=self.address, place=self._blob(layer.digest)
        )

    def read(self, artifact: Artifact, start: int) -> Chunks:
        """See `Catalog`."""
        # Not compared here: the cache compares every download, wherever it comes from.
        return read_file(artifact.place, start)

    def _all(self) -> list[tuple[str, str, str, oci.Descriptor]]:
        """Kind, name, version and descriptor of all that is in it."""
        # Once: versions() and find() of one fetch must see the same index.
        if self._named is None:
            path = os.path.join(self.address, "index.json")
            # The one document without a digest; what it leads to is compared with the digest that
            # led there, as shares and sticks lose bits.
            index = oci.parse(self._bytes(path), path)
            self._named = [
                (*name, one)
                for one in oci.descriptors(index, path)
                if (name := self._name(one)) is not None
            ]
        return self._named

    def _name(self, one: oci.Descriptor) -> tuple[str, str, str] | None:
        # A layout has no repositories: this annotation (image-spec, image-layout) is the only
        # name.
        reference = one.annotations.get(oci.REFERENCE, "")
        path, _, tag = reference.rpartition(":")
        # The last two: whoever copies from a registry keeps its host and prefix in front.
        *_, kind, name = ("", *path.split("/")) if "/" in path else ("", "", "")
        for known, repository in oci.REPOSITORIES.items():
            # The plural is a registry's repository; a person writes the kind as it is.
            if kind in (known, repository):
                return known, name, oci.version_of(tag)
        manifests = self._manifests(one)
        if not manifests:
            return None
        # `oras copy` leaves the tag alone, so the plugin's own configuration is asked who it is.
        kind, name, version, _ = self._config(self._document(manifests[0]), self.address)
        return (kind, name, version) if kind and name and version else None

    def _manifests(self, top: oci.Descriptor) -> list[oci.Descriptor]:
        document = self._document(top)
        if not oci.is_index(document, top.media_type):
            return [top]
        # One level: an index in an index, which OCI allows, is not followed.
        return oci.descriptors(document, self._where(top))

    def _config(self, manifest: dict[str, Any], where: str) -> tuple[str, str, str, str]:
        config = manifest.get("config")
        # An artifact need not have one; the empty one of OCI 1.1, `{}`, names nothing either.
        if not isinstance(config, dict) or not config.get("size"):
            return "", "", "", ""
        one = oci.descriptor(config, where)
        data = self._bytes(self._blob(one.digest))
        oci.require_digest(data, one.digest, self._where(one))
        return oci.platform_of_config(data, self._where(one))

    def _document(self, one: oci.Descriptor) -> dict[str, Any]:
        data = self._bytes(self._blob(one.digest))
        oci.require_digest(data, one.digest, self._where(one))
        return oci.parse(data, self._where(one))

    def _blob(self, digest: str) -> str:
        return os.path.join(self.address, "blobs", *digest.split(":"))

    def _where(self, one: oci.Descriptor) -> str:
        return f"{self.address}: {one.digest}"

    def _bytes(self, path: str) -> bytes:
        try:
            # One more than is good, to tell what is too large from what just fits.
            data = read_part(path, oci.MOST_JSON + 1)
        except OSError as error:
            unreadable(path, error.strerror)
        if len(data) > oci.MOST_JSON:
            oci.unfit(path, f"is larger than {oci.MOST_JSON} bytes")
        return data
