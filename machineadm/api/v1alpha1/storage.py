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
"""A block device: `/dev/sdb`, `sdb`, or `ephemeral0`, the disk that comes with the machine on Azure; `ephemeral0.1` is its first
partition."""


class Disk(ApiStruct, frozen=True, kw_only=True):
    """A disk and its partition table."""

    device: DeviceName
    """The disk."""

    table_type: Literal["gpt", "mbr"] = "gpt"
    """Kind of the partition table. Default `gpt`."""

    overwrite: bool = False
    """Replace another partition table, with all that is on the disk. Default false: a disk that has
    another one, or carries data, is an error and stays as it is."""


class Partition(ApiStruct, frozen=True, kw_only=True):
    """A partition; the partitions of a disk are created in list order."""

    device: DeviceName
    """The disk; it must be among `disks`."""

    percentage: Annotated[int, Meta(ge=1, le=100)]
    """Share of the disk, 1 to 100; those of a disk sum up to at most 100. With 100 the last one takes what is left."""

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
    """`Linux`, `LinuxSwap`, `LinuxRAID`, `LVM`, `Fat32`, `NTFS`, `LinuxExtended` (MBR), or the GUID of a
    partition type (GPT). Default `Linux`."""

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
    """Its kind: `ext4`, `xfs`, `swap`. `mkfs.KIND` must be on the machine."""

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
    """Where on `device`: a number, `none` for the device itself, `auto` for the one with this kind and label, `any` for the one with
    this kind; for both else the first free partition, or the device where nothing is on it. Default `any`."""

    overwrite: bool = False
    """Create it once even if there is another or the same; only with a number or `none`. Default false:
    another one is an error and stays."""

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
    """Where: an absolute path, made if it is missing, or `none` for swap."""

    type: Annotated[str, Meta(min_length=1, max_length=128, extra=ONE_LINE)] = "auto"
    """Kind of the file system. Default `auto`."""

    options: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=256,
                    extra={
                        "oneLine": True,
                        "pattern": r"^[^ \t]+$",
                        "expected": "an option without blanks, such as nofail",
                    },
                ),
            ],
            ...,
        ],
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
    """Disks that get a partition table; one without partitions below is left as it is."""

    partitions: Annotated[tuple[Partition, ...], Meta(max_length=1000)] = ()
    """Partitions on these disks; one with 100 % fills its disk."""

    filesystems: Annotated[tuple[Filesystem, ...], Meta(max_length=100)] = ()
    """File systems to create."""

    mounts: Annotated[tuple[Mount, ...], Meta(max_length=100)] = ()
    """What is mounted, in this order."""
