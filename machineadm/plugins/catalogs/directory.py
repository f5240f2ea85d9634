"""A catalog that is a plain directory: KIND/NAME/VERSION/OS-ARCH/machineadm-plugin-KIND-NAME, with its checksum beside it."""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import BinaryIO, NoReturn

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.model import (
    ANY,
    Artifact,
    CatalogError,
    Chunks,
    absent,
    is_platform,
    other_platforms,
    suits,
)
from machineadm.plugins.catalogs.oci import version_of
from machineadm.plugins.discovery import PREFIX
from machineadm.plugins.trust import SUFFIX, digest_in

CHUNK = 1 << 20


class DirectoryCatalog:
    """Plugins in a directory.

    Args:
        path: The directory.
    """

    def __init__(self, path: str) -> None:
        self.address = path

    def versions(self, kind: str, name: str) -> tuple[str, ...]:
        """See `Catalog`."""
        return tuple(version_of(one) for one in self._listed(kind, name))

    def find(self, kind: str, name: str, version: str, platform: str) -> Artifact:
        """See `Catalog`.

        Raises:
            AbsentError: There is no such version.
            PlatformError: There is, for others.
            CatalogError: It cannot be read, or has no checksum.
        """
        # A directory may hold `1.0.0+b1` as it is, or by the tag `1.0.0_b1` if it was copied from a registry.
        named = [one for one in self._listed(kind, name) if version_of(one) == version]
        if not named:
            absent(kind, name, version, self.address)
        found = [one.replace("-", "/", 1) for one in self._listed(kind, name, named[0])]
        offered = [one for one in found if is_platform(one)]
        if not offered:
            absent(kind, name, version, self.address)
        # The platform's own first, as in an OCI index.
        exact = [one for one in (platform, ANY) if one in offered and suits(one, platform)]
        if not exact:
            other_platforms(kind, name, version, platform, offered)
        directory = os.path.join(self.address, kind, name, named[0], exact[0].replace("/", "-"))
        path = os.path.join(directory, f"{PREFIX}{kind}-{name}")
        return Artifact(
            kind=kind,
            name=name,
            version=version,
            platform=exact[0],
            digest=f"sha256:{self._digest(path)}",
            size=self._size(path),
            catalog=self.address,
            place=path,
        )

    def read(self, artifact: Artifact, start: int) -> Chunks:
        """See `Catalog`."""
        return read_file(artifact.place, start)

    def _listed(self, *parts: str) -> list[str]:
        try:
            # Sorted: the order of a directory differs by file system, and the same catalog must
            # give the same answer.
            return sorted(os.listdir(os.path.join(self.address, *parts)))
        except (FileNotFoundError, NotADirectoryError):
            # A plugin that is missing is an answer; a catalog that is missing is a failure. A
            # share that is not mounted must not count as `has none`, or the next catalog would
            # serve the name.
            if not os.path.isdir(self.address):
                unreadable(self.address, "there is no such directory")
            return []
        except OSError as error:
            unreadable(self.address, error.strerror)

    def _digest(self, path: str) -> str:
        try:
            # Only read here; what it says is compared by the cache, with the bytes that have
            # arrived.
            found = digest_in(read_part(path + SUFFIX, 4096).decode("ascii"))
        except (OSError, UnicodeDecodeError):
            found = ""
        if not found:
            raise CatalogError(
                "MA7245",
                f"{path}{SUFFIX} does not hold the SHA-256 of the plugin beside it",
                hint=f"the publisher of the catalog writes it: sha256sum {os.path.basename(path)}",
            )
        return found

    def _size(self, path: str) -> int:
        try:
            found = os.stat(path)
        except OSError as error:
            unreadable(path, error.strerror)
        # A FIFO or a device has size 0, and reading it may never end.
        if not stat.S_ISREG(found.st_mode):
            unreadable(path, "it is not a regular file")
        return found.st_size


def read_file(path: str, start: int) -> Chunks:
    """A file's bytes.

    Raises:
        CatalogError: It cannot be read.
    """
    try:
        with open_file(path) as file:
            file.seek(start)
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        unreadable(path, error.strerror)


def open_file(path: str) -> BinaryIO:
    """Open a file of a catalog, which anybody may have made: a pipe would be waited for without end.

    Raises:
        OSError: It cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return os.fdopen(descriptor, "rb")


def read_part(path: str, most: int) -> bytes:
    """Read the beginning of a file of a catalog.

    Raises:
        OSError: As of `open_file`.
    """
    with open_file(path) as file:
        return file.read(most)


def unreadable(path: str, reason: str | None) -> NoReturn:
    """Refuse what cannot be read.

    Raises:
        CatalogError: Always.
    """
    words = re.sub(r"^[A-Z]", lambda first: first[0].lower(), reason or "it cannot be read")
    raise CatalogError("MA7243", f"cannot read the catalog {path}: {words}")


def words_of(error: PluginError) -> str:
    """An error in a list of several."""
    return f"{error.message} ({error.code})"
