"""What is particular to Linux."""

from typing import Annotated, Literal

from msgspec import Meta, field

from machineadm.api.meta import (
    ONE_LINE,
    AbsolutePath,
    ApiStruct,
    Duration,
    HostName,
    HostOrAddress,
    IpAddress,
    Line,
    ShortSecret,
    UserName,
    ValueSource,
)
from machineadm.api.v1alpha1.domain import DomainJoin

SysctlName = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=256,
        extra={"oneLine": True, "pattern": "^[A-Za-z0-9_-]+([./][A-Za-z0-9_:*-]+)+$"},
    ),
]
"""Name of a kernel parameter, dotted or with slashes: `net.ipv4.ip_forward`."""

ModuleName = Annotated[
    str, Meta(min_length=1, max_length=64, extra={"oneLine": True, "pattern": "^[A-Za-z0-9_-]+$"})
]
"""Name of a kernel module: `br_netfilter`."""

DeviceName = Annotated[
    str,
    Meta(
        min_length=1, max_length=256, extra={"oneLine": True, "pattern": "^[A-Za-z0-9/._:=+@-]+$"}
    ),
]
"""A block device, `/dev/sdb`, or a word such as `ephemeral0` that the platform knows."""

UnitName = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=255,
        extra={
            "oneLine": True,
            "pattern": r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$",
        },
    ),
]
"""Name of a systemd unit with its type: `kubelet.service`."""

UnitText = Annotated[str, Meta(min_length=1, max_length=65536)]
"""The text of a systemd unit or drop-in."""


class User(ApiStruct, frozen=True, kw_only=True):
    """A user of the machine. One that is there already is brought to this form."""

    name: UserName
    """Login name."""

    gecos: (
        Annotated[
            str,
            Meta(max_length=256, extra={"oneLine": True, "pattern": r"^[^:\x00-\x1f\x7f-\x9f]*$"}),
        ]
        | None
    ) = None
    """Comment, mostly the full name. A colon would end the field in /etc/passwd."""

    groups: Annotated[tuple[UserName, ...], Meta(max_length=64, extra={"unique": ""})] = ()
    """Further groups; missing ones are made."""

    primary_group: UserName | None = None
    """Primary group. Default: a group of the user's own name."""

    home_dir: AbsolutePath | None = None
    """Home folder. Default `/home/<name>`."""

    shell: AbsolutePath | None = None
    """Login shell. Default: the distribution's own."""

    system: bool = False
    """A system account, with an id from the range of these. Default false."""

    inactive: bool = False
    """The account is made, but locked altogether. Default false."""

    expire_date: (
        Annotated[
            str,
            Meta(
                min_length=10,
                max_length=10,
                extra={"oneLine": True, "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
            ),
        ]
        | None
    ) = None
    """The day on which the account expires: `2030-12-31`."""

    lock_password: bool = True
    """No login by password. Default true."""

    password_hash: (
        Annotated[
            ShortSecret,
            Meta(
                extra={
                    "minLength": 1,
                    "maxLength": 256,
                    "oneLine": True,
                    "pattern": r"^[^:\x00-\x20\x7f-\x9f]+$",
                }
            ),
        ]
        | None
    ) = None
    """Password as crypt(3) hashes it; this or `passwordHashFrom`, or none."""

    password_hash_from: ValueSource | None = None
    """Where the hash comes from."""

    sudo: Annotated[str, Meta(min_length=1, max_length=256, extra=ONE_LINE)] | None = None
    """Rule for sudo without the user's name: `ALL=(ALL) NOPASSWD:ALL`."""

    ssh_authorized_keys: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2048, extra=ONE_LINE)], ...],
        Meta(max_length=100, extra={"unique": ""}),
    ] = ()
    """Public keys that may log in by SSH, one each."""


class Group(ApiStruct, frozen=True, kw_only=True):
    """A group of the machine."""

    name: UserName
    """Its name."""

    gid: Annotated[int, Meta(ge=0, le=4294967294)] | None = None
    """Its id. Default: the next free one."""

    system: bool = False
    """A system group, with an id from the range of these. Default false."""


class NtpSync(ApiStruct, frozen=True, kw_only=True):
    """Waiting for a right clock."""

    timeout: Duration = "5m"
    """How long the clock may take; then the run fails. Default `5m`."""


class Ntp(ApiStruct, frozen=True, kw_only=True):
    """The clock."""

    enabled: bool = True
    """Run the time service. Default true."""

    servers: Annotated[tuple[HostOrAddress, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Servers, by name or address."""

    pools: Annotated[tuple[HostName, ...], Meta(max_length=100, extra={"unique": ""})] = ()
    """Names that stand for many servers each."""

    require_sync: NtpSync | None = None
    """Wait for a synchronised clock before kubeadm: certificates are not valid in the past."""


class Resolver(ApiStruct, frozen=True, kw_only=True):
    """Name resolution of the host."""

    nameservers: Annotated[tuple[IpAddress, ...], Meta(max_length=16, extra={"unique": ""})] = ()
    """Addresses of name servers, in the order in which they are asked."""

    search_domains: Annotated[tuple[HostName, ...], Meta(max_length=32, extra={"unique": ""})] = ()
    """Domains that are tried behind a short name."""


class Swap(ApiStruct, frozen=True, kw_only=True):
    """Swap space."""

    enabled: bool
    """False: swap is turned off, now and at later boots. True: it is left as it is."""


class Disk(ApiStruct, frozen=True, kw_only=True):
    """A disk and its partition table."""

    device: DeviceName
    """The disk."""

    table_type: Literal["gpt", "mbr"] = "gpt"
    """Kind of the partition table. Default `gpt`."""

    overwrite: bool = False
    """Replace a partition table that is there. Default false: a disk that has one is left alone."""


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
    """Make it anew though there is one. Default false."""

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
    """Further arguments of mkfs, one each."""


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
    """File systems to make."""

    mounts: Annotated[tuple[Mount, ...], Meta(max_length=100)] = ()
    """What is mounted, in this order."""


class UnitDropIn(ApiStruct, frozen=True, kw_only=True):
    """A drop-in of a systemd unit."""

    name: Annotated[
        str,
        Meta(
            min_length=6,
            max_length=255,
            extra={"oneLine": True, "pattern": r"^[A-Za-z0-9:_.@-]+\.conf$"},
        ),
    ]
    """File name: `10-proxy.conf`."""

    contents: UnitText
    """Its text."""


class SystemdUnit(ApiStruct, frozen=True, kw_only=True):
    """A systemd unit."""

    name: UnitName
    """Its name with its type."""

    contents: UnitText | None = None
    """Its text, written to /etc/systemd/system. Absent: the unit is there already."""

    drop_ins: Annotated[tuple[UnitDropIn, ...], Meta(max_length=64, extra={"unique": "name"})] = ()
    """Drop-ins, written below /etc/systemd/system."""

    enabled: bool | None = None
    """Started at boot, or not. Absent: left as it is."""

    state: Literal["Started", "Stopped", "Restarted"] | None = None
    """What is done with it now; `Restarted` only when something of it has changed. Absent: nothing."""


class Selinux(ApiStruct, frozen=True, kw_only=True):
    """SELinux."""

    mode: Literal["Enforcing", "Permissive", "Disabled"]
    """Mode, now and at later boots; `Disabled` asks for a reboot."""


class ComplianceProfile(ApiStruct, frozen=True, kw_only=True):
    """A catalogue of hardening rules."""

    name: Literal["cis", "stig"]
    """The catalogue."""

    level: Annotated[int, Meta(ge=1, le=3)] = 1
    """Level of the catalogue, with `stig` the category. Default 1."""

    exceptions: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64, extra=ONE_LINE)], ...],
        Meta(max_length=500, extra={"unique": ""}),
    ] = ()
    """Numbers of rules that are left out."""


class LinuxConfiguration(ApiStruct, frozen=True, kw_only=True):
    """The operating system of a Linux machine."""

    hostname: HostName | None = None
    """Host name, now and at later boots. Absent: left as it is."""

    sysctls: Annotated[
        dict[SysctlName, Annotated[str, Meta(max_length=1024, extra=ONE_LINE)]],
        Meta(max_length=500),
    ] = {}
    """Kernel parameters, written to /etc/sysctl.d, applied and read back. Values are strings."""

    kernel_modules: Annotated[
        tuple[ModuleName, ...], Meta(max_length=200, extra={"unique": ""})
    ] = ()
    """Kernel modules, loaded now and at later boots, in this order."""

    kernel_arguments: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)], ...],
        Meta(max_length=200, extra={"unique": ""}),
    ] = ()
    """Arguments the kernel has to be booted with. What is missing is reported, and a reboot asked."""

    users: Annotated[tuple[User, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Users."""

    groups: Annotated[tuple[Group, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Groups."""

    ntp: Ntp | None = None
    """The clock. Absent: left as it is."""

    resolver: Resolver | None = None
    """Name resolution. Absent: left as it is."""

    swap: Swap | None = None
    """Swap space. Absent: left as it is."""

    storage: Storage | None = None
    """Disks, file systems and mounts."""

    systemd_units: Annotated[
        tuple[SystemdUnit, ...], Meta(max_length=200, extra={"unique": "name"})
    ] = ()
    """systemd units, brought to their state in this order."""

    selinux: Selinux | None = None
    """SELinux. Absent: left as it is."""

    domain_join: DomainJoin | None = None
    """A domain that the machine joins."""

    compliance_profiles: Annotated[
        tuple[ComplianceProfile, ...], Meta(max_length=10, extra={"unique": "name"})
    ] = ()
    """Hardening rules to apply."""
