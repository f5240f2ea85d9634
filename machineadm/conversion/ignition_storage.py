"""Disks, file systems and the like of a Container Linux Config, or of Butane's flatcar variant, in the words of Ignition 3.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from machineadm.conversion import placeholders
from machineadm.conversion.placeholders import Bare

Map = dict[str, Any]

# Each map: the word there, and Ignition's. What is in none of them is a decision, since Ignition passes
# over words that it does not know.
_DISK: Final = {"device": "device", "wipe_table": "wipeTable"}
_PARTITION: Final = {
    "label": "label",
    "number": "number",
    "guid": "guid",
    "type_guid": "typeGuid",
    "size_mib": "sizeMiB",
    "start_mib": "startMiB",
    "wipe_partition_entry": "wipePartitionEntry",
    "should_exist": "shouldExist",
    "resize": "resize",
}
_FILESYSTEM: Final = {
    "device": "device",
    "format": "format",
    "path": "path",
    "label": "label",
    "uuid": "uuid",
    "options": "options",
    "wipe_filesystem": "wipeFilesystem",
    "mount_options": "mountOptions",
}
_OTHERS: Final = {
    "raid": {
        "name": "name",
        "level": "level",
        "devices": "devices",
        "spares": "spares",
        "options": "options",
    },
    "directories": {
        "path": "path",
        "user": "user",
        "group": "group",
        "mode": "mode",
        "overwrite": "overwrite",
    },
    "luks": {
        "name": "name",
        "device": "device",
        "label": "label",
        "uuid": "uuid",
        "options": "options",
        "discard": "discard",
        "open_options": "openOptions",
        "wipe_volume": "wipeVolume",
    },
}
SECTIONS: Final = ("disks", "filesystems", *_OTHERS)
"""The parts of `storage` that are Ignition's alone."""

_NO_TEXT: Final = frozenset(
    {
        "wipeTable",
        "number",
        "sizeMiB",
        "startMiB",
        "wipePartitionEntry",
        "shouldExist",
        "resize",
        "wipeFilesystem",
        "spares",
        "overwrite",
        "discard",
        "wipeVolume",
    }
)
_SIZE: Final = r"(\d+)\s*([KMGT])i?B"
_MIB: Final = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}


class Storage:
    """What was made of it.

    Attributes:
        sections: `storage` of Ignition.
        units: Units that mount what `with_mount_unit` asks for.
        decisions: What nobody converts.
    """

    def __init__(self) -> None:
        self.sections: Map = {}
        self.units: list[Map] = []
        self.decisions: list[str] = []


def convert(storage: Map) -> Storage:
    """Convert the parts of `storage` that are Ignition's alone.

    Args:
        storage: All of it.
    """
    found = Storage()
    for section in SECTIONS:
        given = storage.get(section)
        if not given:
            continue
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            found.decisions.append(f"has 'storage.{section}', which is not a list of maps")
            continue
        entries = [_entry(section, one, found) for one in given]
        if section == "filesystems":
            # One that has no device is only a name for files to refer to.
            entries = [one for one in entries if one.get("device")]
        if entries:
            found.sections[section] = entries
    return found


def mode(value: object) -> int | None:
    """Permissions of a file or a directory."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    # YAML 1.2 has no octal numbers with a single zero: what looks like one reads as text.
    text = str(value).removeprefix("0o")
    return int(text, 8) if re.fullmatch("[0-7]{1,5}", text) else None


def elsewhere(entry: Map) -> str:
    """The file system that a path is in, if that is another one than the root."""
    name = str(entry.get("filesystem", "root"))
    return "" if name == "root" else name


def _entry(section: str, given: Map, found: Storage) -> Map:
    if section == "disks":
        entry = _renamed(given, _DISK, "disks", found, besides=("partitions",))
        partitions = given.get("partitions")
        for one in partitions if isinstance(partitions, list) else ():
            if isinstance(one, dict):
                entry.setdefault("partitions", []).append(_partition(one, found))
        return entry
    if section == "filesystems":
        return _filesystem(given, found)
    entry = _renamed(given, _OTHERS[section], section, found, besides=("filesystem",))
    if section == "directories":
        permissions = mode(given.get("mode"))
        if permissions is not None:
            entry["mode"] = permissions
        if elsewhere(given):
            found.decisions.append(
                f"has {given.get('path')} in the file system {elsewhere(given)!r}"
            )
    return entry


def _renamed(
    given: Map,
    names: Mapping[str, str],
    where: str,
    found: Storage,
    besides: tuple[str, ...] = (),
) -> Map:
    entry: Map = {}
    for name, value in given.items():
        if name in names:
            ours = names[name]
            # What envsubst fills in later is written without quotes where a number belongs.
            bare = isinstance(value, str) and ours in _NO_TEXT and placeholders.is_whole(value)
            entry[ours] = Bare(value.strip()) if bare else value
        elif name not in besides:
            found.decisions.append(f"has 'storage.{where}.{name}', which is not converted")
    return entry


def _partition(given: Map, found: Storage) -> Map:
    entry = _renamed(given, _PARTITION, "disks.partitions", found, besides=("size", "start"))
    for name, ours in (("size", "sizeMiB"), ("start", "startMiB")):
        value = given.get(name)
        if value in (None, "", 0, "0"):
            continue
        # Container Linux Config counts in powers of two, whether the i is there or not.
        size = re.fullmatch(_SIZE, str(value))
        amount = int(size[1]) * _MIB[size[2]] if size else 0.5
        if amount != int(amount):
            found.decisions.append(
                f"has the {name} {value} of a partition, which is not a whole MiB"
            )
        else:
            entry[ours] = int(amount)
    return entry


def _filesystem(given: Map, found: Storage) -> Map:
    mount = given.get("mount")
    if isinstance(mount, dict):
        # Container Linux Config, where `name` is for files to refer to.
        entry = _renamed(mount, _FILESYSTEM, "filesystems.mount", found, besides=("create",))
        create = mount.get("create")
        if isinstance(create, dict):
            if create.get("force") is True:
                entry["wipeFilesystem"] = True
            if create.get("options"):
                entry["options"] = create["options"]
        if given.get("path"):
            entry["path"] = given["path"]
        return entry
    entry = _renamed(given, _FILESYSTEM, "filesystems", found, besides=("name", "with_mount_unit"))
    if "device" not in given and given.get("name") != "root":
        found.decisions.append(f"has the file system {given.get('name')!r} without a device")
    if given.get("with_mount_unit") is True:
        if not entry.get("path") or not entry.get("format"):
            found.decisions.append("has a mount unit for a file system without a path or a format")
        else:
            found.units.append(_mount_unit(entry))
    return entry


def _mount_unit(filesystem: Map) -> Map:
    """A unit as `with_mount_unit` asks for: the file system is checked, and mounted before local-fs.target."""
    device, where = str(filesystem["device"]), str(filesystem["path"])
    check = f"systemd-fsck@{_escaped(device)}.service"
    lines = [
        "[Unit]",
        f"Requires={check}",
        f"After={check}",
        "[Mount]",
        f"Where={where}",
        f"What={device}",
        f"Type={filesystem['format']}",
    ]
    options = filesystem.get("mountOptions")
    if isinstance(options, list) and options:
        lines.append(f"Options={','.join(map(str, options))}")
    lines += ["[Install]", "RequiredBy=local-fs.target", ""]
    return {"name": f"{_escaped(where)}.mount", "enabled": True, "contents": "\n".join(lines)}


def _escaped(path: str) -> str:
    """A path as a unit's name has it: `systemd-escape --path` (systemd.unit(5))."""
    text = re.sub("/+", "/", path).strip("/")
    if not text:
        return "-"
    parts = [
        "-"
        if byte == 0x2F
        else chr(byte)
        if re.fullmatch(r"[A-Za-z0-9:_.]", chr(byte)) and (at or byte != 0x2E)
        else f"\\x{byte:02x}"
        for at, byte in enumerate(text.encode())
    ]
    return "".join(parts)
