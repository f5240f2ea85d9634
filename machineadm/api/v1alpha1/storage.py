"""Disks, from the partition table to the mount."""

from typing import Annotated, Literal

from msgspec import Meta, field

from machineadm.api.meta import ONE_LINE, ApiStruct, Line

DeviceName = Annotated[
    str,
    Meta(
        min_length=1, max_length=256, extra={"oneLine": True, "pattern": "^[A-Za-z0-9/._:=+@-]+$"}
    ),
]
"""A block device, `/dev/sdb`, or a word such as `ephemeral0` that the platform knows."""


class Disk(ApiStruct, frozen=True, kw_only=True):
    """A disk and its partition table."""

    device: DeviceName
    """The disk."""

    table_type: Literal["gpt", "mbr"] = "gpt"
    """Kind of the partition table. Default `gpt`."""

    overwrite: bool = False
    """Replace an existing partition table. Default false: a disk that has one is left alone."""


class Partition(ApiStruct, frozen=True, kw_only=True):
    """A partition; those of a disk are made in their order in the list."""

    device: DeviceName
    """The disk; it must be among `disks`."""

    percentage: Annotated[int, Meta(ge=1, le=100)]
    """Share of the disk, 1 to 100; those of a disk sum up to at most 100."""

    type: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=36,
            extra={
                "oneLine": True,
                "pattern": (
                    "^(Linux|LinuxSwap|LinuxRAID|LVM|Fat32|NTFS|LinuxExtended|"
                    "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$"
                ),
            },
        ),
    ] = "Linux"
    """`Linux`, `LinuxSwap`, `LinuxRAID`, `LVM`, `Fat32`, `NTFS`, `LinuxExtended`, or the GUID of a
    partition type of GPT. Default `Linux`."""

    label: Annotated[str, Meta(min_length=1, max_length=36, extra=ONE_LINE)] | None = None
    """Name of the partition (GPT)."""


class Filesystem(ApiStruct, frozen=True, kw_only=True):
    """A file system."""

    device: DeviceName
    """The device that holds it."""

    filesystem: Annotated[
        str,
        Meta(min_length=1, max_length=128, extra={"oneLine": True, "pattern": "^[a-z0-9._-]+$"}),
    ]
    """Its kind: `ext4`, `xfs`, `swap`."""

    label: Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)] | None = None
    """Its label."""

    partition: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                extra={"oneLine": True, "pattern": "^(auto|any|none|[0-9]+)$"},
            ),
        ]
        | None
    ) = None
    """The partition of `device`: a number; `auto`: the one with this label and kind, or the first
    free one; `any`: whichever has this label and kind; `none`: the bare device."""

    overwrite: bool = False
    """Create it even if there is one. Default false."""

    replace_fs: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                extra={"oneLine": True, "pattern": "^[A-Za-z0-9._-]+$"},
            ),
        ]
        | None
    ) = field(default=None, name="replaceFS")
    """Replace an existing file system of this kind."""

    extra_options: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)], ...],
        Meta(max_length=100),
    ] = ()
    """Additional arguments of mkfs, one each."""


class Mount(ApiStruct, frozen=True, kw_only=True):
    """A line of /etc/fstab."""

    source: Line
    """What is mounted: a device, `LABEL=data`, `UUID=...`, `server:/export`."""

    target: Line
    """Where: an absolute path, or `none` for swap."""

    type: Annotated[str, Meta(min_length=1, max_length=128, extra=ONE_LINE)] = "auto"
    """Kind of the file system. Default `auto`."""

    options: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)], ...],
        Meta(max_length=64),
    ] = ("defaults", "nofail")
    """Mount options. Default `defaults,nofail`: a missing disk must not keep a machine from booting."""

    dump: Annotated[int, Meta(ge=0, le=9)] = 0
    """The fifth field. Default 0."""

    fsck_pass: Annotated[int, Meta(ge=0, le=9)] = field(default=0, name="pass")
    """The sixth field: the order of checks at boot, 0 for none. Default 0."""


class Storage(ApiStruct, frozen=True, kw_only=True):
    """Disks, from the partition table to the mount."""

    disks: Annotated[tuple[Disk, ...], Meta(max_length=100, extra={"unique": "device"})] = ()
    """Disks that get a partition table."""

    partitions: Annotated[tuple[Partition, ...], Meta(max_length=1000)] = ()
    """Partitions on these disks; one with 100 % fills its disk."""

    filesystems: Annotated[tuple[Filesystem, ...], Meta(max_length=100)] = ()
    """File systems to create."""

    mounts: Annotated[tuple[Mount, ...], Meta(max_length=100)] = ()
    """What is mounted, in this order."""
