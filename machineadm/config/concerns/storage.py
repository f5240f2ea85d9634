"""Rules for disks, file systems and mounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.storage import Filesystem, Storage
from machineadm.config.machine_paths import FSTAB
from machineadm.config.rules.model import Context, Rules, finding, warning

# Per cent; less may be left free.
_WHOLE: Final = 100
_PRIMARY: Final = 4
"""Entries of the table in a master boot record."""

# Letters of a GUID with its hyphens; every name of a type is shorter.
_GUID_LENGTH: Final = 36
_LONGEST_LABELS: Final = {
    "ext2": 16, "ext3": 16, "ext4": 16, "xfs": 12, "vfat": 11, "swap": 15, "ntfs": 32, "btrfs": 255, "f2fs": 512,
}  # fmt: skip
"""Characters, from the programs' own man pages; mke2fs(8) would cut a longer one off, and no LABEL= would find it."""

# What people write in fstab's second field for swap; `none` is what fstab(5) asks for.
_SWAP_TARGETS: Final = ("none", "swap")


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    if linux is not None and linux.storage is not None and linux.storage.mounts:
        yield FSTAB, "linuxConfiguration.storage.mounts"


def _partitions_fit(storage: Storage, _context: Context) -> Iterator[Finding]:
    disks = {disk.device: disk for disk in storage.disks}
    shares: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for index, one in enumerate(storage.partitions):
        path = f"partitions[{index}]"
        # Only by the table's type can it be said what a partition may have.
        disk = disks.get(one.device)
        if disk is None:
            hint = "add it to storage.disks, which says what kind of table it gets"
            yield finding("MA1323", f"{path}.device", f"{one.device} is not among disks", hint)
            continue
        shares[one.device] += one.percentage
        # All that are written count, as the numbers of partitions do.
        numbers[one.device] += 1
        # Only at the one that crosses the whole: those after it are not mistakes of their own.
        if shares[one.device] > _WHOLE >= shares[one.device] - one.percentage:
            message = f"the partitions of {one.device} up to this one are {shares[one.device]} %"
            yield finding("MA1312", f"{path}.percentage", message)
        if disk.table_type == "gpt":
            if one.type == "LinuxExtended":
                yield finding("MA1323", f"{path}.type", "a gpt table has no extended partitions")
            continue
        if one.label is not None:
            yield finding("MA1323", f"{path}.label", "partitions of an mbr table have no labels")
        if len(one.type) == _GUID_LENGTH:
            message = "an mbr table has no GUIDs"
            yield finding("MA1323", f"{path}.type", message, "use tableType gpt, or a name")
        # The table in the first sector has four entries (MBR); logical partitions would need an
        # extended one.
        if numbers[one.device] == _PRIMARY + 1:
            message = f"an mbr table has at most {_PRIMARY} partitions"
            yield finding("MA1312", path, message, "use tableType gpt")


def _the_label_fits(one: Filesystem, _context: Context) -> Iterator[Finding]:
    longest = _LONGEST_LABELS.get(one.filesystem)
    # In bytes: programs count those, and a label in another script has more of them.
    if longest is not None and one.label is not None and len(one.label.encode()) > longest:
        message = f"a label of {one.filesystem} has at most {longest} characters"
        yield finding("MA1312", "label", message)


def _overwriting_names_a_place(one: Filesystem, _context: Context) -> Iterator[Finding]:
    """cloud-init does not look at `overwrite` when it searches; a search must not end in a wiped partition."""
    if one.overwrite and one.partition in (None, "auto", "any"):
        message = "does nothing where the partition is searched for"
        hint = "say partition: none for the device itself, or its number"
        yield warning("MA1323", "overwrite", message, hint)


def _mounts_fit(storage: Storage, _context: Context) -> Iterator[Finding]:
    seen: list[str] = []
    swaps: list[str] = []
    for index, mount in enumerate(storage.mounts):
        path = f"mounts[{index}]"
        # fstab(5): swap has no mount point; `none` and `swap` are both in use.
        if mount.target in _SWAP_TARGETS:
            if mount.type != "swap":
                yield finding("MA1323", f"{path}.target", "only swap is mounted nowhere")
            if mount.source in swaps:
                yield finding("MA1306", f"{path}.source", f"{mount.source} is swap already")
            swaps.append(mount.source)
            continue
        if mount.type == "swap":
            yield finding("MA1323", f"{path}.target", "swap is mounted nowhere", "say none")
        elif not mount.target.startswith("/") or {"", ".", ".."} & {*mount.target[1:].split("/")}:
            message = "is not an absolute path without .. or doubled slashes, below /"
            yield finding("MA1323", f"{path}.target", message)
        # The second would hide the first, and a second run could not tell which of them is mounted.
        if mount.target in seen:
            yield finding("MA1306", f"{path}.target", f"{mount.target} is a target already")
        # In the order of the list, which is the order of mounting, at every boot as well.
        if any(one.startswith(f"{mount.target}/") for one in seen):
            message = f"{mount.target} would hide what is mounted below it before"
            yield finding("MA1323", f"{path}.target", message, "put it before the others")
        seen.append(mount.target)


def _swap_is_on_or_off(linux: LinuxConfiguration, _context: Context) -> Iterator[Finding]:
    if linux.swap is None or linux.swap.enabled or linux.storage is None:
        return
    # Masking swap.target does not keep `swapon -a` from it; to say both is a mistake.
    for index, mount in enumerate(linux.storage.mounts):
        if mount.type == "swap":
            path = f"storage.mounts[{index}].type"
            yield finding("MA1323", path, "swap.enabled is false, which turns all swap off")


RULES: Final[Rules] = {
    Storage: (_partitions_fit, _mounts_fit),
    Filesystem: (_the_label_fits, _overwriting_names_a_place),
    LinuxConfiguration: (_swap_is_on_or_off,),
}
