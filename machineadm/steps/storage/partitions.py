"""Partition tables, by sfdisk."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import msgspec

from machineadm.api.v1alpha1.storage import Disk, Partition
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Work, digest_of
from machineadm.steps.storage import devices

_TABLES: Final = {"gpt": "gpt", "mbr": "dos"}
_GPT_TYPES: Final = {
    "Linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "LinuxSwap": "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
    "LinuxRAID": "A19D880F-05FC-4D3B-A006-743F0F84911E",
    "LVM": "E6D6D379-F507-44C2-A23C-238F2A3DF928",
    "Fat32": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    "NTFS": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
}
"""UEFI specification, and the Discoverable Partitions Specification of the UAPI Group."""

_MBR_TYPES: Final = {
    "Linux": "83", "LinuxSwap": "82", "LinuxRAID": "fd", "LVM": "8e", "Fat32": "c", "NTFS": "7", "LinuxExtended": "85",
}  # fmt: skip
_EDGES: Final = 2
"""Mebibytes for the table at the beginning and, with GPT, its copy at the end."""

_ALL: Final = 100


class MakePartitions(msgspec.Struct, frozen=True, kw_only=True):
    """Give a disk its partitions, where it has these not yet and carries nothing else."""

    disk: Disk
    partitions: tuple[Partition, ...]
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, str(self.disk), *map(str, self.partitions))

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: The disk carries something else, or is in use.
        """
        path = devices.path_of(self.disk.device)
        found = devices.real(path, host)
        if found is None and devices.is_optional(self.disk.device):
            return Work(summary=f"this machine has no {self.disk.device}")
        if found is None:
            return Work(effects=(self._effect(path, 0),), summary=f"waits for {path}")
        # Before anything is refused: the second run must find its own work in place, in use by
        # then.
        if self._is_there(found, host):
            return Work(summary=f"{found} has these partitions")
        self._refuse_data(found, host)
        size = devices.mebibytes(found, host)
        number = len(self.partitions)
        word = "partition" if number == 1 else "partitions"
        return Work(
            effects=(self._effect(found, size),), summary=f"makes {number} {word} on {found}"
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: As `check`; or sfdisk fails, or the kernel does not show the partitions.
        """
        if not work.effects:
            return Outcome(change=work.change)
        path = devices.await_device(devices.path_of(self.disk.device), host, self.name)
        # Again: the disk may have come only now, and nothing is written to one that nobody has looked at.
        if not self._is_there(path, host):
            self._refuse_data(path, host)
            size = devices.mebibytes(path, host)
            devices.run(self._argv(path), host, self.name, text=self._script(size))
            devices.settle(host)
            # sfdisk has asked the kernel to read the table. One that cannot, as on some virtual machines, must be told.
            if devices.real(devices.partition(path, 1), host) is None:
                devices.run(("partx", "--update", path), host, self.name)
        for number in range(1, len(self.partitions) + 1):
            devices.await_device(devices.partition(path, number), host, self.name)
        return Outcome(change=work.change, message=work.summary)

    def _is_there(self, path: str, host: Host) -> bool:
        """Whether the kind of table, the number, the types and the labels agree. Sizes do not count: a cloud may have grown the disk."""
        table = _table(path, host)
        # Another kind of table is never converted in place: its partitions would change their
        # numbers under whoever uses them.
        if table is None or table.get("label") != _TABLES[self.disk.table_type]:
            return False
        there = table.get("partitions", [])
        return len(there) == len(self.partitions) and all(
            str(one.get("type", "")).upper() == self._type(wanted).upper()
            and (wanted.label is None or one.get("name") == wanted.label)
            for one, wanted in zip(there, self.partitions, strict=True)
        )

    def _refuse_data(self, path: str, host: Host) -> None:
        """Stop before anything is wiped that was not asked to be.

        Raises:
            StepError: The disk is in use; or it carries something, and `overwrite` is false.
        """
        devices.refuse_in_use(path, host, self.name)
        there = devices.content(path, host)
        if (there.kind or there.table) and not self.disk.overwrite:
            raise StepError(
                "MA3562",
                f"{self.name}: {path} already has {there}, and was left as it is",
                hint="name another disk; or, if nobody needs what is on it, set overwrite: true, or run wipefs",
            )

    def _effect(self, path: str, size: int) -> RunProgram:
        return RunProgram(title="sfdisk", argv=self._argv(path), script=self._script(size))

    def _argv(self, path: str) -> tuple[str, ...]:
        # Without overwrite nothing is wiped: what the old table still hid would be somebody's data.
        wipe = "always" if self.disk.overwrite else "never"
        return ("sfdisk", "--quiet", "--wipe", wipe, "--wipe-partitions", wipe, path)

    def _script(self, size: int) -> str:
        """What sfdisk reads; sfdisk(8). Without a known size shares are left in per cent, for a plan."""
        lines = [f"label: {_TABLES[self.disk.table_type]}"]
        total = sum(one.percentage for one in self.partitions)
        for number, one in enumerate(self.partitions, start=1):
            share = f"{one.percentage}%"
            if size:
                # In whole mebibytes, to which sfdisk aligns: a share in sectors would be rounded,
                # and the last one may no longer fit.
                share = f"{max(1, (size - _EDGES) * one.percentage // _ALL)}MiB"
            fields = [f"type={self._type(one)}"]
            # Left out, it takes all that is left, which rounding would leave unused.
            if number < len(self.partitions) or total < _ALL:
                fields.insert(0, f"size={share}")
            if one.label is not None:
                # sfdisk reads \xHH within quotes; a plain quote would end the name.
                quoted = one.label.replace("\\", "\\x5c").replace('"', "\\x22")
                fields.append(f'name="{quoted}"')
            lines.append(", ".join(fields))
        return "".join(f"{line}\n" for line in lines)

    def _type(self, one: Partition) -> str:
        types = _GPT_TYPES if self.disk.table_type == "gpt" else _MBR_TYPES
        return types.get(one.type, one.type)


def _table(path: str, host: Host) -> dict[str, Any] | None:
    """The partition table, as `sfdisk --json` tells it; None where there is none."""
    answer = devices.ask(("sfdisk", "--json", path), host)
    if answer is None:
        return None
    # A warning may come before the object.
    try:
        decoded = msgspec.json.decode(answer[answer.find("{") :])
    except (ValueError, RecursionError):
        return None
    table = decoded.get("partitiontable") if isinstance(decoded, dict) else None
    return table if isinstance(table, dict) else None
