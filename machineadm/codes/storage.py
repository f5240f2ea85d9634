"""Disks, file systems and mounts."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3561": Code(
        "there is no such device",
        "A disk, or a partition that was just made, has not shown up within a minute.",
        "`lsblk` lists the devices. Is the disk attached to the machine, and is this its name? Names below "
        "/dev/disk/by-id stay the same from boot "
        "to boot. Then run the same command again.",
    ),
    "MA3562": Code(
        "the disk carries something already",
        "The disk has another partition table, or a file system or another signature without one. Nothing was written to it.",
        "Check that this is the right disk. If nothing on it is needed, set `overwrite: true`, or remove the signatures "
        "with `wipefs --all`, and run the "
        "same command again.",
    ),
    "MA3563": Code(
        "the device is in use",
        "It is mounted, is swap that is on, or is part of a volume group, a RAID or an encrypted device. Nothing was "
        "written to it, whatever "
        "`overwrite` and `replaceFS` say.",
        "Unmount it, or take it out of what it is part of, and run the same command again; or name another device.",
    ),
    "MA3564": Code(
        "a program of storage failed",
        "sfdisk, mkfs, wipefs, mount or swapon ended with an error, or did not end in ten minutes.",
        "Its words are in the report. The kernel's are in `dmesg`. Once the cause is fixed, run the same command again: "
        "what is done stays done.",
    ),
    "MA3565": Code(
        "another file system is there",
        "The device holds a file system of another kind or with another label, or every partition of it holds "
        "something. Nothing was written to it.",
        "Check that this is the right device. If nothing on it is needed, set `replaceFS` to its kind, or `overwrite: "
        "true` with the number of the "
        "partition or `none`.",
    ),
    "MA3566": Code(
        "/etc/fstab mounts something else there",
        "A line that machineadm did not write has the same mount point and another source. It stays.",
        "Remove the line, or choose another target.",
    ),
    "MA3567": Code(
        "the mount point is in use",
        "Something else is mounted there, or it is not a directory. It stays.",
        "`findmnt TARGET` shows what is mounted. Unmount it and run the same command again, or choose another target.",
    ),
}
