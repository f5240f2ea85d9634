"""Block devices: where a name leads, what is on them, who uses them. Queries only, but for the last function."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence
from typing import Final

import msgspec

from machineadm.actions.waits import wait_for
from machineadm.errors import StepError
from machineadm.host.effects import WaitFor
from machineadm.host.ports import Host

_TIMEOUT: Final = 60.0
_SETTLING: Final = 60.0
"""Seconds in which a disk that is being attached, or a partition that was just made, shows up."""

_MOST_LINKS: Final = 16
_RESOURCE: Final = "/dev/disk/cloud/azure_resource"
"""A link to the disk that comes with the machine; cloud-init's own udev rules make it (66-azure-ephemeral.rules)."""

_EPHEMERAL: Final = re.compile(r"ephemeral0(?:\.([0-9]+))?")
_TAGS: Final = re.compile(r"(?:LABEL|UUID|PARTLABEL|PARTUUID)=.+")
_NOT_ONE: Final = 8
"""blkid's exit code for several file systems on one device; blkid(8)."""

_SECTOR: Final = 512
MIB: Final = 1 << 20


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block device, as lsblk knows it."""

    path: str
    kind: str
    """`disk`, `part`, `loop`, `lvm`, `crypt`, `raid1` ..."""
    mounted: str
    """Where it is mounted; `[SWAP]` for swap that is on."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a device holds by its own first bytes."""

    kind: str = ""
    """Of a file system or other signature: `ext4`, `swap`, `LVM2_member`; empty: none."""
    label: str = ""
    table: str = ""
    """Of a partition table: `gpt`, `dos`."""

    def __str__(self) -> str:
        """In words, for messages."""
        if self.table:
            return f"a {self.table} partition table"
        return f"{self.kind}, label {self.label}" if self.label else self.kind


def path_of(device: str) -> str:
    """The path that a name of the configuration means; a link is not followed."""
    if device.startswith("/"):
        return device
    if match := _EPHEMERAL.fullmatch(device):
        return f"{_RESOURCE}-part{match[1]}" if match[1] else _RESOURCE
    return f"/dev/{device}"


def is_optional(device: str) -> bool:
    """Whether machines may lack it, as sizes on Azure without a disk of their own do."""
    return _EPHEMERAL.fullmatch(device) is not None


def source_of(source: str) -> str:
    """What is mounted, as mount(8) takes it: `sdb` and `ephemeral0` become paths, the rest stays."""
    short = re.fullmatch(r"x?[shv]d[a-z]+[0-9]*|nvme[0-9]+n[0-9]+(p[0-9]+)?", source)
    return path_of(source) if short or is_optional(source) else source


def real(path: str, host: Host) -> str | None:
    """The device's own node, links followed; None where there is none."""
    # Bounded, as the kernel bounds it (path_resolution(7)): a link may lead to itself.
    for _ in range(_MOST_LINKS):
        # Link by link and not by the name's realpath: the port has none, and /dev may be that of
        # a tree.
        target = host.files.readlink(path)
        if target is None:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return path if host.files.stat(path) is not None else None


def device_of(source: str, host: Host) -> str | None:
    """The node of what a line of fstab mounts; None where it is no device, or is not there."""
    if source.startswith("/dev/"):
        return real(source, host)
    if not _TAGS.fullmatch(source):
        return None
    answer = ask(("findfs", source), host)
    return real(answer.strip(), host) if answer is not None and answer.strip() else None


def partition(disk: str, number: int) -> str:
    """The node of a partition, as the kernel names it: sdb1, nvme0n1p1; a udev link of a disk: x-part1."""
    if disk.startswith("/dev/disk/"):
        return f"{disk}-part{number}"
    return f"{disk}p{number}" if disk[-1:].isdecimal() else f"{disk}{number}"


def blocks(path: str, host: Host) -> list[Block]:
    """A device and what is on top of it, the device first."""
    # Not MOUNTPOINTS: lsblk knows it only from util-linux 2.37 on, and RHEL 8 has 2.32.
    columns = "NAME,TYPE,MOUNTPOINT"
    answer = ask(("lsblk", "--noheadings", "--paths", "--pairs", "--output", columns, path), host)
    found = []
    for line in (answer or "").splitlines():
        words = dict(word.partition("=")[::2] for word in shlex.split(line))
        found.append(
            Block(
                path=words.get("NAME", ""),
                kind=words.get("TYPE", ""),
                mounted=words.get("MOUNTPOINT", ""),
            )
        )
    return found


def content(path: str, host: Host) -> Content:
    """What is on a device.

    By its bytes, not by udev's memory of them, which may be older than the last change.
    """
    # --probe goes past blkid's cache, too (blkid(8)): a cache that says `empty` of a disk with
    # data would have it formatted.
    argv = ("blkid", "--probe", "--output", "export", path)
    if host.queries is None:
        return Content()
    answer = host.queries.ask(argv, timeout=_TIMEOUT)
    # blkid(8): 8 is its word for an ambivalent result. Such a device holds something, whatever it
    # is.
    if answer.exit_code == _NOT_ONE:
        return Content(kind="several file systems")
    values = dict(word.partition("=")[::2] for word in shlex.split(answer.output))
    # 2 means that it has found nothing, which is what an empty disk looks like.
    if answer.exit_code != 0:
        values = {}
    return Content(
        kind=values.get("TYPE", ""), label=values.get("LABEL", ""), table=values.get("PTTYPE", "")
    )


def users_of(path: str, host: Host) -> list[str]:
    """Who uses a device or what is on it: mount points, swap, and what is stacked on it (LVM, RAID, dm-crypt)."""
    found = []
    for block in blocks(path, host):
        if block.mounted:
            found.append(f"{block.path} on {block.mounted}")
        # What is stacked on a disk uses it without being mounted: an LVM volume or an opened LUKS
        # device has no mount point of its own.
        elif block.kind not in ("disk", "part", "loop"):
            found.append(f"{block.path} ({block.kind})")
    return found


def mebibytes(path: str, host: Host) -> int:
    """Whole mebibytes of a device; 0 where nobody knows."""
    answer = (ask(("blockdev", "--getsize64", path), host) or "").strip()
    # Rounded down: a partition that is planned to the last byte does not fit behind the table.
    return int(answer) // MIB if answer.isdecimal() else 0


def ask(argv: Sequence[str], host: Host) -> str | None:
    """What a program says; None where it fails."""
    if host.queries is None:
        return None
    answer = host.queries.ask(argv, timeout=_TIMEOUT)
    return answer.output if answer.exit_code == 0 else None


def refuse_in_use(path: str, host: Host, what: str) -> None:
    """Stop before a device in use is written to.

    Raises:
        StepError: It is in use.
    """
    if users := users_of(path, host):
        raise StepError(
            "MA3563",
            f"{what}: {path} is in use: {', '.join(users)}",
            hint="nothing was written; unmount it, or name another device",
        )


def run(argv: tuple[str, ...], host: Host, what: str, *, text: str = "") -> None:
    """Run a program that writes to a device.

    Raises:
        StepError: It fails.
    """
    if host.commands is None:
        raise StepError("MA3402", f"{what}: no program can be run below another root")
    # Ten minutes: mkfs of a large disk that discards its blocks takes minutes, and to kill it
    # leaves half a file system.
    done = host.commands.run(argv, timeout=600.0, input=text.encode() if text else None)
    if done.timed_out or done.exit_code != 0:
        how = "did not end" if done.timed_out else f"ended with exit code {done.exit_code}"
        raise StepError(
            "MA3564",
            f"{what}: {argv[0]} {how}",
            hint="what it said is below; run it by hand to look closer",
            log_tail=done.output,
        )


def settle(host: Host) -> None:
    """Wait until udev has made the nodes of what the kernel has told it, where there is udev."""
    if host.commands is not None and host.queries is not None and host.queries.find("udevadm"):
        host.commands.run(("udevadm", "settle"), timeout=_SETTLING, quiet=True)


def await_device(path: str, host: Host, what: str) -> str:
    """Wait until a device is there, and return its node.

    Raises:
        StepError: It does not come.
    """
    # Looked at before udev is asked: on a machine that runs the device is there, and settle waits
    # for everybody's events.
    if (found := real(path, host)) is None:
        settle(host)
        try:
            wait_for(WaitFor(condition=f"device {path}", budget=_SETTLING, reason=what), host)
        except StepError as error:
            raise StepError(
                "MA3561",
                f"{what}: there is no device {path}",
                hint="`lsblk` lists the devices; is the disk attached, and is this its name?",
                passing=True,
            ) from error
        found = real(path, host)
    return found or path
