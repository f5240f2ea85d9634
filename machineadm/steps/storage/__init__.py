"""Disks, from the partition table to the mount, as a KubeadmConfig's diskSetup and mounts mean them.

Nothing is wiped that the configuration does not name with `overwrite` or `replaceFS`, and never what is in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.storage import Filesystem
from machineadm.plan.model import Step
from machineadm.steps.storage.filesystems import MakeFilesystem
from machineadm.steps.storage.mounts import EnsureMounted, WriteFstab
from machineadm.steps.storage.partitions import MakePartitions

_NUMBER: Final = re.compile(r"(?:(?:p|-part|\.)?[0-9]+)?")
"""What follows a disk's name in a partition's: sdb1, nvme0n1p1, by-id/x-part1, ephemeral0.1."""


def plan_storage(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps: partition tables, file systems, /etc/fstab, mounts in the order of the configuration."""
    return tuple(_steps(linux))


def _steps(linux: LinuxConfiguration) -> Iterator[Step]:
    storage = linux.storage
    if storage is None:
        return
    disks: dict[str, MakePartitions] = {}
    for index, disk in enumerate(storage.disks):
        own = tuple(one for one in storage.partitions if one.device == disk.device)
        if own:
            name = f"storage/disk[{index}]"
            disks[disk.device] = MakePartitions(disk=disk, partitions=own, name=name)
    # All disks before any file system: a label or a number of a partition means something only
    # once its table is there.
    yield from disks.values()
    for index, filesystem in enumerate(storage.filesystems):
        yield MakeFilesystem(
            filesystem=filesystem,
            disk=_disk_of(filesystem, disks),
            name=f"storage/filesystem[{index}]",
            # Otherwise each run would make it anew, and with it whatever had been written since.
            once=filesystem.overwrite and filesystem.partition not in (None, "any", "auto"),
        )
    if storage.mounts:
        yield WriteFstab(mounts=storage.mounts)
    for index, mount in enumerate(storage.mounts):
        # fstab(5): such a line is for a person who mounts by hand, and for a unit that does.
        if "noauto" not in ",".join(mount.options).split(","):
            yield EnsureMounted(mount=mount, name=f"storage/mount[{index}]")


def _disk_of(filesystem: Filesystem, disks: dict[str, MakePartitions]) -> MakePartitions | None:
    """The disk among those to be partitioned that a file system's device is, or is a partition of by its name."""
    for device, step in disks.items():
        rest = filesystem.device[len(device) :]
        if filesystem.device.startswith(device) and _NUMBER.fullmatch(rest):
            return step
    return None
