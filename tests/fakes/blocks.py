"""Block devices in memory, behind the programs of util-linux: what these refuse, they refuse here, too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import msgspec

from machineadm.host.ports import CommandResult, FileKind
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost

_GIB = 1 << 30


class FakeBlock(msgspec.Struct, kw_only=True):
    """A disk or partition.

    Attributes:
        table: Kind of its partition table, as sfdisk calls it; empty: none.
        rows: Of the table, as `sfdisk --json` shows them.
        kind: Of its file system; empty: none.
    """

    size: int = 10 * _GIB
    table: str = ""
    rows: list[dict[str, str]] = []
    kind: str = ""
    label: str = ""


class FakeBlocks:
    """sfdisk, lsblk, blkid, blockdev, findfs, wipefs, mkfs, mkswap, mount and swapon, on devices of a machine in memory.

    Args:
        host: Its files have the devices, /proc/self/mounts and /proc/swaps.
        disks: By path.
    """

    def __init__(self, host: FakeHost, disks: Sequence[str] = ("/dev/sdb",)) -> None:
        self._host = host
        self.devices: dict[str, FakeBlock] = {}
        for path in disks:
            self.add(path)
        host.put("/proc/self/mounts", "/dev/sda1 / ext4 rw 0 0\n")
        host.put("/proc/swaps", "Filename Type Size Used Priority\n")
        programs = (
            "sfdisk", "lsblk", "blkid", "blockdev", "findfs", "wipefs", "mkswap", "mount", "swapon",
        )  # fmt: skip
        for program in programs:
            host.commands.on(program, effect=getattr(self, f"_{program}"))
        for kind in ("ext4", "xfs", "vfat"):
            host.commands.on(f"mkfs.{kind}", effect=self._mkfs)

    def add(self, path: str, block: FakeBlock | None = None) -> FakeBlock:
        """A device appears."""
        self._host.files.special(path)
        self.devices[path] = block or FakeBlock()
        return self.devices[path]

    def partition(self, disk: str, *kinds: str, label: str = "") -> None:
        """Give a disk a table with partitions that hold these file systems; an empty kind: none."""
        self.devices[disk].table = "gpt"
        for number, kind in enumerate(kinds, start=1):
            path = _part(disk, number)
            self.add(path, FakeBlock(kind=kind, label=label))
            self.devices[disk].rows.append(
                {"node": path, "type": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
            )

    def parts(self, disk: str) -> list[str]:
        """The partitions of a disk."""
        pattern = re.compile(rf"{re.escape(disk)}p?[0-9]+")
        return sorted(path for path in self.devices if path != disk and pattern.fullmatch(path))

    def _sfdisk(self, call: Call) -> CommandResult | None:
        path = call.argv[-1]
        block = self.devices.get(path)
        if block is None:
            return _failed(1, f"sfdisk: cannot open {path}: No such file or directory")
        if "--json" in call.argv:
            if not block.table:
                return _failed(1, f"sfdisk: {path}: does not contain a recognized partition table")
            table = {"label": block.table, "device": path, "partitions": block.rows}
            return CommandResult(exit_code=0, output=json.dumps({"partitiontable": table}))
        if self._used(path):
            return _failed(
                1, "This disk is currently in use - repartitioning is probably a bad idea."
            )
        head, *lines = (call.input or b"").decode().splitlines()
        for old in self.parts(path):
            del self.devices[old], self._host.files.nodes[old]
        block.table, block.rows, block.kind = head.partition(": ")[2], [], ""
        for number, line in enumerate(lines, start=1):
            row = {key: value.strip('"') for key, value in re.findall(r"(\w+)=([^,]+)", line)}
            node = _part(path, number)
            block.rows.append({"node": node, **row})
            self.add(node)
        return None

    def _lsblk(self, call: Call) -> CommandResult | None:
        path = call.argv[-1]
        if path not in self.devices:
            return _failed(32, f"lsblk: {path}: not a block device")
        lines = []
        for one in [path, *self.parts(path)]:
            kind = "part" if any(one in self.parts(disk) for disk in self.devices) else "disk"
            lines.append(f'NAME="{one}" TYPE="{kind}" MOUNTPOINT="{self._places().get(one, "")}"\n')
        return CommandResult(exit_code=0, output="".join(lines))

    def _blkid(self, call: Call) -> CommandResult | None:
        block = self.devices.get(call.argv[-1])
        if block is None or not (block.kind or block.table):
            return _failed(2, "")
        label = block.label.replace(" ", "\\ ")
        values = {"DEVNAME": call.argv[-1], "LABEL": label, "TYPE": block.kind}
        values["PTTYPE"] = block.table
        output = "".join(f"{key}={value}\n" for key, value in values.items() if value)
        return CommandResult(exit_code=0, output=output)

    def _blockdev(self, call: Call) -> CommandResult | None:
        return CommandResult(exit_code=0, output=f"{self.devices[call.argv[-1]].size}\n")

    def _findfs(self, call: Call) -> CommandResult | None:
        wanted = call.argv[1].partition("=")[2]
        for path, block in self.devices.items():
            if block.kind and block.label == wanted:
                return CommandResult(exit_code=0, output=f"{path}\n")
        return _failed(1, f"findfs: unable to resolve '{call.argv[1]}'")

    def _wipefs(self, call: Call) -> CommandResult | None:
        path = call.argv[-1]
        if self._used(path):
            return _failed(
                1, f"wipefs: error: {path}: probing initialization failed: Device or resource busy"
            )
        block = self.devices[path]
        block.kind = block.label = block.table = ""
        return None

    def _mkswap(self, call: Call) -> CommandResult | None:
        return self._mkfs(call)

    def _mkfs(self, call: Call) -> CommandResult | None:
        path = call.argv[-1]
        if path not in self.devices:
            return _failed(1, f"The file {path} does not exist and no size was specified.")
        if self._used(path):
            return _failed(1, f"{path} is mounted; will not make a filesystem here!")
        kind = call.argv[0].rpartition(".")[2]
        options = dict(zip(call.argv[1:], call.argv[2:], strict=False))
        block = self.devices[path]
        block.kind = "swap" if kind == "mkswap" else kind
        block.label = options.get("-L") or options.get("-n") or ""
        return None

    def _mount(self, call: Call) -> CommandResult | None:
        if len(call.argv) > 2:
            return None  # not by /etc/fstab: a command of the configuration
        target = call.argv[1]
        for line in (self._host.text("/etc/fstab") or "").splitlines():
            fields = line.split()
            if len(fields) > 2 and fields[1].replace("\\040", " ") == target:
                device = self._device(fields[0])
                if device is None:
                    return _failed(32, f"mount: {target}: can't find {fields[0]}.")
                stat = self._host.files.stat(target)
                if stat is None or stat.kind is not FileKind.DIRECTORY:
                    return _failed(32, f"mount: {target}: mount point does not exist.")
                self._append("/proc/self/mounts", f"{device} {fields[1]} {fields[2]} rw 0 0\n")
                return None
        return _failed(1, f"mount: {target}: can't find in /etc/fstab.")

    def _swapon(self, call: Call) -> CommandResult | None:
        device = self._device(call.argv[1])
        if device is None or self.devices[device].kind != "swap":
            return _failed(255, f"swapon: {call.argv[1]}: read swap header failed")
        self._append("/proc/swaps", f"{device} partition 1 0 -2\n")
        return None

    def _device(self, source: str) -> str | None:
        if "=" in source:
            found = self._findfs(Call(argv=("findfs", source)))
            return found.output.strip() if found is not None and found.exit_code == 0 else None
        link = self._host.files.readlink(source)
        return link or (source if source in self.devices else None)

    def _places(self) -> dict[str, str]:
        """Where devices are mounted."""
        rows = [line.split() for line in (self._host.text("/proc/self/mounts") or "").splitlines()]
        swaps = [line.split() for line in (self._host.text("/proc/swaps") or "").splitlines()[1:]]
        return {**{row[0]: row[1] for row in rows}, **{row[0]: "[SWAP]" for row in swaps}}

    def _used(self, path: str) -> bool:
        return any(one in self._places() for one in (path, *self.parts(path)))

    def _append(self, path: str, line: str) -> None:
        self._host.put(path, (self._host.text(path) or "") + line)


def _part(disk: str, number: int) -> str:
    return f"{disk}p{number}" if disk[-1].isdigit() else f"{disk}{number}"


def _failed(code: int, words: str) -> CommandResult:
    return CommandResult(exit_code=code, output=words + "\n")
