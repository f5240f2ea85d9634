"""What a catalog is, and what it has: names, versions, platforms, digests."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Mapping
from typing import Final, NamedTuple, NoReturn, Protocol

import msgspec

from machineadm.errors import PluginError, UsageError
from machineadm.plugins.catalogs.constraint import Constraint
from machineadm.redaction import Secret

KINDS: Final = ("encryption-provider", "infrastructure", "attestation", "provider", "auth-handler")
ANY: Final = "any"
"""The platform of what runs everywhere, as a script."""

# Far more than any program: the bound is for the disk, as a size is only what a catalog claims.
MOST_BYTES: Final = 1 << 30
"""Bytes of one plugin."""

# scafctl's rule, so that its plugins keep their names here. It has no dot and no slash: a name is
# a segment of paths and of repositories, and leads nowhere else.
_NAME: Final = r"[a-z](?:-?[a-z0-9])*"
_LONGEST_NAME: Final = 128
# A tag of the distribution spec, with the `+` of build metadata; no dot in front, so never `..`.
_VERSION: Final = r"[a-zA-Z0-9][a-zA-Z0-9._+-]{0,127}"
_PLATFORM: Final = r"[a-z0-9]{1,32}/[a-z0-9_]{1,32}"
# uname has the kernel's words, indices have Go's (GOARCH).
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
# SHA-256 alone, as in checksum files, release.json and the lock; OCI would allow sha512, too.
_DIGEST: Final = r"sha256:[0-9a-f]{64}"


Chunks = Generator[bytes, None, None]
"""Bytes as they come; closed by whoever has enough of them."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that somebody asks for."""

    kind: str
    name: str
    constraint: Constraint = Constraint()

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" + (f"@{self.constraint}" if self.constraint.text else "")

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Read `KIND/NAME` or `KIND/NAME@VERSIONS`.

        Raises:
            UsageError: MA7240: It is not one.
        """
        plain, at, versions = text.partition("@")
        # Not split at the last slash: a name has none, so one too many is a mistake.
        kind, _, name = plain.partition("/")
        if kind not in KINDS or not is_name(name):
            raise UsageError(
                "MA7240",
                f"{text!r} is not KIND/NAME of a plugin",
                hint=f"such as encryption-provider/vault@1.2.0; kinds are {', '.join(KINDS)}",
            )
        if at and not versions:
            raise UsageError("MA7240", f"{text!r}: no version after @")
        return cls(kind=kind, name=name, constraint=Constraint.parse(versions))


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin's file in a catalog."""

    kind: str
    name: str
    version: str
    platform: str
    """What it is for: `linux/amd64`, or `any`."""

    digest: str
    """`sha256:` and 64 digits, of the file itself."""

    size: int
    catalog: str
    """Address of the catalog, without credentials."""

    place: str
    """Where in the catalog; only the catalog knows what that means."""


class Catalog(Protocol):
    """Something that has plugins."""

    @property
    def address(self) -> str:
        """How messages call it."""

    def versions(self, kind: str, name: str) -> tuple[str, ...]:
        """All versions of a plugin, in any order; none if it does not have it.

        Raises:
            CatalogError: It cannot be asked.
        """

    def find(self, kind: str, name: str, version: str, platform: str) -> Artifact:
        """A plugin's file.

        Raises:
            AbsentError: It does not have this version.
            PlatformError: It has it, for other platforms.
            CatalogError: It cannot be asked.
        """

    def read(self, artifact: Artifact, start: int) -> Chunks:
        """A file's bytes from `start` on; the catalog may begin at 0 all the same, and says so by `Restart` first.

        Raises:
            CatalogError: It cannot be read.
            BrokenError: It broke off; what came is good.
        """


# A chunk and not an exception: a generator that raises could not go on.
class Restart(bytes):
    """The first chunk of a read that begins at 0, though a later start was asked for."""


class Answer(NamedTuple):
    """An answer of a web server, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""

    body: Chunks
    """Raises BrokenError when it breaks off."""


class Web(Protocol):
    """Asks web servers; `sources.registries` has the one that does."""

    def get(self, url: str, headers: Mapping[str, str | Secret]) -> Answer:
        """Ask. Redirects are followed, and take an Authorization header to no other server.

        Raises:
            BrokenError: Nobody answers, which may pass.
            CatalogError: The server is not trusted, or redirects to where nobody should follow.
        """

    def post(self, url: str, form: Mapping[str, str | Secret]) -> Answer:
        """Post a form. No redirect is followed.

        Raises:
            BrokenError: Nobody answers, which may pass.
            CatalogError: The server is not trusted.
        """


class CatalogError(PluginError):
    """A catalog cannot be used; another one of a chain may."""


class BrokenError(CatalogError):
    """It may go away by itself."""


class AbsentError(PluginError):
    """A catalog does not have it; another one of a chain may."""


class PlatformError(PluginError):
    """A catalog has it for other platforms; no other one is asked, for it might have another plugin of this name."""


def is_name(text: str) -> bool:
    """Whether it is a plugin's name: lower-case letters, digits, single hyphens."""
    return len(text) <= _LONGEST_NAME and re.fullmatch(_NAME, text) is not None


def is_version(text: str) -> bool:
    """Whether it is a version that a file can be called by: what a tag may hold, and `+`."""
    return re.fullmatch(_VERSION, text) is not None


def is_digest(text: object) -> bool:
    """Whether it is a digest as catalogs and locks write it."""
    return isinstance(text, str) and re.fullmatch(_DIGEST, text) is not None


def is_platform(text: str) -> bool:
    """Whether it is `OS/ARCH`, or `any`."""
    return text == ANY or re.fullmatch(_PLATFORM, text) is not None


def own_platform() -> str:
    """The platform that this runs on."""
    machine = os.uname().machine
    return f"linux/{_MACHINES.get(machine, machine)}"


def suits(offered: str, wanted: str) -> bool:
    """Whether a file for one platform runs on another."""
    # Not 386 on amd64, though it would run: a lock has one digest for each platform.
    return offered in (ANY, wanted)


def other_platforms(
    kind: str, name: str, version: str, platform: str, offered: list[str]
) -> NoReturn:
    """Refuse a platform.

    Raises:
        PlatformError: Always.
    """
    those = ", ".join(sorted(set(offered))) or "none"
    raise PlatformError(
        "MA7242",
        f"{kind}/{name} {version} is not there for {platform}",
        hint=f"it is there for: {those}; another version may have it",
    )


def absent(kind: str, name: str, version: str, address: str) -> NoReturn:
    """Refuse a version.

    Raises:
        AbsentError: Always.
    """
    raise AbsentError("MA7241", f"{address} does not have {kind}/{name} {version}")
