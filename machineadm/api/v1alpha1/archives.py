"""Archives, and which of their members are on the machine."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import (
    AbsolutePath,
    ApiStruct,
    AuthSource,
    FileMode,
    FileOwner,
    Sha256,
    Url,
)

_PART = "[A-Za-z0-9_][A-Za-z0-9_.+@~-]*"

MemberName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=512,
        extra={
            "oneLine": True,
            "pattern": f"^{_PART}(/{_PART})*$",
            "expected": "a relative path of letters, digits and _.+@~-, no part of which begins with a dot",
        },
    ),
]
"""The name of a member, and a path below a directory: `bin/containerd`."""


class ArchiveMember(ApiStruct, frozen=True, kw_only=True):
    """A regular file of an archive."""

    name: MemberName
    """Its name in the archive, without `./` before it."""

    path: MemberName | None = None
    """Where it goes, below `destination`. Default: its name."""

    owner: FileOwner | None = None
    """`user:group` or `user`, which must exist by then. Default `root:root`."""

    permissions: FileMode | None = None
    """Octal mode as a string. Default: as in the archive, without setuid, setgid and sticky bits, and without what lets
    group and others write."""


class ArchiveSource(ApiStruct, frozen=True, kw_only=True):
    """Where an archive comes from, and what it must be."""

    url: Url
    """`https://`, `http://` or `file://`."""

    sha256: Sha256
    """SHA-256 of the archive, checked before it is opened."""

    auth_from: AuthSource | None = None
    """A plugin that authenticates the machine to `url`."""


class Archive(ApiStruct, frozen=True, kw_only=True):
    """A tar archive, whole or compressed by gzip, bzip2 or xz, whose members are files of the machine."""

    source: ArchiveSource
    """Where it comes from."""

    destination: AbsolutePath
    """The directory below which its members go."""

    members: Annotated[
        tuple[ArchiveMember, ...], Meta(min_length=1, max_length=200, extra={"unique": "name"})
    ]
    """Which of its files, each by its name. At most 200."""
