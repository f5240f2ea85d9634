"""Mounts: their lines in /etc/fstab, one by one, and what is mounted now."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.storage import Mount
from machineadm.config.machine_paths import FSTAB
from machineadm.errors import StepError
from machineadm.host.effects import Effect, MakeDirectory, RunProgram
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Work, digest_of
from machineadm.steps.storage import devices

MARK: Final = "x-machineadm"
"""An option that programs pass over; mount(8): "all options that begin with x- are comments". By it our lines are known."""

_MOUNTS: Final = "/proc/self/mounts"
_SWAPS: Final = "/proc/swaps"
_NOWHERE: Final = ("none", "swap")
_FIELDS: Final = 2


class WriteFstab(msgspec.Struct, frozen=True, kw_only=True):
    """Have each mount's line in /etc/fstab; all other lines stay."""

    mounts: tuple[Mount, ...]
    name: str = "storage/fstab"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, *map(line_of, self.mounts))

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: each line by itself."""
        return tuple(
            Owned(kind="line", name=f"{FSTAB} {line}", declared=digest_of(line))
            for line in map(line_of, self.mounts)
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Somebody else's line mounts something else there.
        """
        return self._inner(host).check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(host).apply(host, work)

    def _inner(self, host: Host) -> WriteFiles:
        there = (host.files.read(FSTAB) or b"").decode(errors="surrogateescape")
        # Lines and no fields: blanks and comments of other people's lines must come back as they
        # were.
        lines = there.splitlines()
        for mount in self.mounts:
            lines = _with_line(lines, mount)
        text = "".join(f"{line}\n" for line in lines)
        file = PlannedFile(
            path=FSTAB,
            # A last line without a line break is no difference.
            content=(there if lines == there.splitlines() else text).encode(
                errors="surrogateescape"
            ),
            # As it is: an image may keep its fstab from other users, since options of CIFS mounts
            # hold passwords.
            mode=None,
            owner=None,
        )
        # systemd makes a unit of each line, when it is told to look.
        follow = (FollowUp(kind="daemon-reload"),)
        return WriteFiles(name=self.name, phase=self.phase, files=(file,), follow=follow)


class EnsureMounted(msgspec.Struct, frozen=True, kw_only=True):
    """Mount one of them now; mount(8), swapon(8)."""

    mount: Mount
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, line_of(self.mount))

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Something else is mounted there, or the mount point is not a directory.
        """
        mount, source = self.mount, devices.source_of(self.mount.source)
        # As cloud-init does with `ephemeral0`: one configuration serves machines with such a disk
        # and without.
        if devices.is_optional(mount.source) and devices.real(source, host) is None:
            return Work(summary=f"this machine has no {mount.source}")
        if mount.type == "swap":
            return self._swap_work(source, host)
        there = _mounted(host).get(mount.target)
        # By what the kernel has mounted and not by fstab: a line says what was meant at some
        # boot.
        if there is not None and _is_same(mount, source, there, host):
            return Work(summary=f"{mount.target} is mounted")
        if there is not None:
            raise StepError(
                "MA3567",
                f"{self.name}: {mount.target} is in use: {there} is mounted there, and stays",
                hint=f"unmount it (`findmnt {mount.target}` shows it), or choose another target",
            )
        effects: list[Effect] = []
        stat = host.files.stat(mount.target)
        if stat is None:
            effects.append(MakeDirectory(path=mount.target))
        elif stat.kind is not FileKind.DIRECTORY:
            raise StepError(
                "MA3567",
                f"{self.name}: {mount.target} is not a directory",
                hint="nothing can be mounted there: remove it, or choose another target",
            )
        # Said in the plan, since nobody would look for lost files below a mount point.
        hidden = len(host.files.list(mount.target)) if stat is not None else 0
        # After its line is in fstab, from which mount(8) takes device and type.
        effects.append(RunProgram(title="mount", argv=("mount", mount.target)))
        hides = f", and hides the {hidden} entries of the directory" if hidden else ""
        return Work(
            effects=tuple(effects), summary=f"mounts {mount.source} on {mount.target}{hides}"
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: It does not come up.
        """
        mount, source = self.mount, devices.source_of(self.mount.source)
        if not work.effects:
            return Outcome(change=work.change)
        if source.startswith("/dev/"):
            devices.await_device(source, host, self.name)
        if mount.type == "swap":
            devices.run(("swapon", source), host, self.name)
            return Outcome(change=work.change, message=work.summary)
        if host.files.stat(mount.target) is None:
            host.files.make_directory(mount.target)
        # By its target alone: then mount(8) takes options from fstab, and what is mounted now is
        # what a boot mounts.
        devices.run(("mount", mount.target), host, self.name)
        return Outcome(change=work.change, message=work.summary)

    def _swap_work(self, source: str, host: Host) -> Work:
        """proc(5): the first column of /proc/swaps, below the header line."""
        text = (host.files.read(_SWAPS) or b"").decode(errors="replace")
        on = {devices.real(line.split()[0], host) for line in text.splitlines()[1:] if line.strip()}
        device = devices.device_of(source, host)
        if device is not None and device in on:
            return Work(summary=f"{self.mount.source} is on")
        effect = RunProgram(title="swapon", argv=("swapon", source))
        return Work(effects=(effect,), summary=f"turns on {self.mount.source}")


def line_of(mount: Mount) -> str:
    """Its line of /etc/fstab, with our mark; fstab(5)."""
    fields = (
        devices.source_of(mount.source),
        mount.target,
        mount.type,
        ",".join((*mount.options, MARK)),
        str(mount.dump),
        str(mount.fsck_pass),
    )
    return " ".join(map(_escaped, fields))


def _with_line(lines: list[str], mount: Mount) -> list[str]:
    """The lines with the mount's own, in the place of an older one of ours.

    Raises:
        StepError: A line of somebody else's is about the same place, and says something else.
    """
    wanted = line_of(mount)
    # Swap has no mount point: its line is known by its device.
    place = mount.target if mount.target not in _NOWHERE else devices.source_of(mount.source)
    found: list[int] = []
    for index, line in enumerate(lines):
        fields = [_unescaped(field) for field in line.split()]
        if len(fields) < _FIELDS or line.lstrip().startswith("#"):
            continue
        at = fields[1] if fields[1] not in _NOWHERE else fields[0]
        if at != place:
            continue
        is_ours = len(fields) > 3 and MARK in fields[3].split(",")
        if not is_ours and fields[0] == devices.source_of(mount.source):
            # The image mounts the same: its line stays, with its own options.
            return lines
        if not is_ours:
            raise StepError(
                "MA3566",
                f"storage/fstab: {FSTAB} mounts {fields[0]} on {place} already, and that line stays",
                hint="remove the line, or choose another target",
            )
        found.append(index)
    if not found:
        return [*lines, wanted]
    kept = [wanted if index == found[0] else line for index, line in enumerate(lines)]
    # More than one is left by somebody who has copied a line of ours, mark and all.
    return [line for index, line in enumerate(kept) if index not in found[1:]]


def _mounted(host: Host) -> dict[str, str]:
    """What is mounted, by place; the last one of a place is the one that is seen."""
    text = (host.files.read(_MOUNTS) or b"").decode(errors="surrogateescape")
    rows = [line.split() for line in text.splitlines()]
    # Blanks of paths are octal escapes in /proc/mounts and fstab alike (getmntent(3)).
    return {_unescaped(row[1]): _unescaped(row[0]) for row in rows if len(row) >= _FIELDS}


def _is_same(mount: Mount, source: str, there: str, host: Host) -> bool:
    if any("bind" in option.split(",") or "rbind" in option.split(",") for option in mount.options):
        # The kernel shows the device below a bind mount, and not what was bound.
        return True
    device = devices.device_of(source, host)
    return source == there or (device is not None and device == devices.real(there, host))


def _escaped(field: str) -> str:
    for character in "\\ \t":
        field = field.replace(character, f"\\{ord(character):03o}")
    return field


def _unescaped(field: str) -> str:
    for character in " \t\n\\":
        field = field.replace(f"\\{ord(character):03o}", character)
    return field
