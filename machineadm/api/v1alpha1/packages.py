"""Repositories of packages, and the packages of a machine."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.meta import ApiStruct, LabelName, OneOf, Url, ValueSource, exactly_one

ArchivePart = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": r"^(\./|/|[A-Za-z0-9][A-Za-z0-9._/-]*)$",
            "expected": "a name such as bookworm or main, or / for a flat repository",
        },
    ),
]
"""A suite or component of a repository for apt."""

PackageName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9.+_-]*$",
            "expected": "the name of a package",
        },
    ),
]
"""The name of a package."""

PackageVersion = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z0-9][A-Za-z0-9.+~:^_-]*\*?$",
            "expected": "a version such as 1.34.4-1.1 or 1.34.*",
        },
    ),
]
"""The version of a package, whole or with `*` at its end."""

PublicKey = Annotated[str, Meta(min_length=1, max_length=65536)]
"""One or more OpenPGP public keys in ASCII armor."""


class PackageRepository(ApiStruct, frozen=True, kw_only=True):
    """Where packages come from, and whose signature they must have; exactly one of `key` and `keyFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("key", "keyFrom"),)

    name: LabelName
    """Its name, in lower-case letters, digits and hyphens: also of its files on the machine."""

    format: Literal["apt", "dnf", "zypper"]
    """Which program reads it; it must be the one of the machine's distribution."""

    url: Url
    """Where it is: `https://`, `http://` or `file://`, without user and password."""

    suites: Annotated[tuple[ArchivePart, ...], Meta(max_length=8, extra={"unique": ""})] = ()
    """apt only, required there: `bookworm`, or `/` for a repository without `dists`."""

    components: Annotated[tuple[ArchivePart, ...], Meta(max_length=8, extra={"unique": ""})] = ()
    """apt only, required unless each suite ends with `/`: `main`."""

    key: PublicKey | None = None
    """The keys that sign it, in ASCII armor."""

    key_from: ValueSource | None = None
    """Where they come from."""


class Package(ApiStruct, frozen=True, kw_only=True):
    """A package to install. It is never removed again."""

    name: PackageName
    """Its name."""

    version: PackageVersion | None = None
    """The version as the package manager writes it; a `*` at its end stands for any. Another one is replaced, a later one,
    too. Absent: any version that is there, or the latest."""

    hold: bool | None = None
    """Whether upgrades of the system leave it alone. Absent: as it is."""
