"""File systems, by the mkfs of each kind."""

from __future__ import annotations

from typing import Final

import msgspec

from machineadm.api.v1alpha1.storage import Filesystem
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Step, Work, digest_of
from machineadm.steps.storage import devices

_LABEL_OPTIONS: Final = {"vfat": "-n", "msdos": "-n", "fat": "-n", "exfat": "-n", "f2fs": "-l"}
"""Of the others it is -L."""


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file system is, or will be."""

    path: str
    in_place: bool = False
    wipes: str = ""
    """What is there and goes, in words."""


class MakeFilesystem(msgspec.Struct, frozen=True, kw_only=True):
    """Make a file system where there is none, or where the configuration gives up the one that is there."""

    filesystem: Filesystem
    disk: Step | None = None
    """The step that makes the partitions of its disk."""
    name: str
    once: bool = False
    """With `overwrite`: what it makes looks like what it is to replace, so only the journal knows."""
    phase: Phase = Phase.PREPARE
    live: bool = True

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, str(self.filesystem))

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Another file system is there, or it is in use.
        """
        wanted = self.filesystem
        path = self._named(host)
        # Asked of the disk's own step: in a plan the partition is not there yet, and what its
        # bytes say now is about to go.
        is_new = self.disk is not None and bool(self.disk.check(host).effects)
        found = None if is_new else devices.real(path, host)
        if found is None and not is_new and devices.is_optional(wanted.device):
            return Work(summary=f"this machine has no {wanted.device}")
        if found is None:
            return self._work(path, "")
        place = self._place(found, host)
        if place.in_place:
            return Work(summary=f"{place.path} holds {wanted.filesystem}")
        return self._work(place.path, place.wipes)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: As `check`; or a program fails, or the device does not come.
        """
        if not work.effects:
            return Outcome(change=work.change)
        # Again, as in `MakePartitions.apply`.
        place = self._place(devices.await_device(self._named(host), host, self.name), host)
        if place.in_place:
            return Outcome(change=work.change, message=f"{place.path} holds it")
        # By wipefs and not by mkfs --force: some mkfs leave the signature of another kind in its
        # place, and blkid then sees two.
        if place.wipes:
            devices.run(("wipefs", "--all", place.path), host, self.name)
        devices.run(self._argv(place.path), host, self.name)
        return Outcome(change=work.change, message=self._work(place.path, place.wipes).summary)

    def _named(self, host: Host) -> str:
        """The device as the configuration names it, with the partition that it numbers: by the kernel's name where the disk is there."""
        wanted, path = self.filesystem, devices.path_of(self.filesystem.device)
        # A number names a partition, and the words `any`, `auto` and `none` a way to look for
        # one.
        number = wanted.partition or ""
        if not number.isdecimal():
            return path
        return devices.partition(devices.real(path, host) or path, int(number))

    def _work(self, path: str, wipes: str) -> Work:
        summary = f"makes {self.filesystem.filesystem} on {path}"
        effects: tuple[RunProgram, ...] = ()
        if wipes:
            summary += f", which wipes {wipes}"
            effects = (RunProgram(title="wipefs", argv=("wipefs", "--all", path)),)
        argv = self._argv(path)
        return Work(effects=(*effects, RunProgram(title=argv[0], argv=argv)), summary=summary)

    def _argv(self, path: str) -> tuple[str, ...]:
        wanted = self.filesystem
        kind = wanted.filesystem
        # Not `mkfs -t`, which is deprecated (mkfs(8)) and hides which program is missing.
        program = "mkswap" if kind == "swap" else f"mkfs.{kind}"
        label = (_LABEL_OPTIONS.get(kind, "-L"), wanted.label) if wanted.label else ()
        return (program, *label, *wanted.extra_options, path)

    def _place(self, path: str, host: Host) -> _Place:
        """Where it is, or will be.

        Raises:
            StepError: Another one is there, or it is in use.
        """
        if self.filesystem.partition in (None, "any", "auto"):
            return self._search(path, host)
        return self._judged(path, host)

    def _judged(self, path: str, host: Host) -> _Place:
        """A place that the configuration names."""
        wanted, there = self.filesystem, devices.content(path, host)
        if not (there.kind or there.table):
            devices.refuse_in_use(path, host, self.name)
            return _Place(path=path)
        same = there.kind == wanted.filesystem and there.label == (wanted.label or "")
        if same and not wanted.overwrite:
            return _Place(path=path, in_place=True)
        if not wanted.overwrite and there.kind != wanted.replace_fs:
            raise self._another(path, there)
        devices.refuse_in_use(path, host, self.name)
        return _Place(path=path, wipes=str(there))

    def _search(self, path: str, host: Host) -> _Place:
        """Of a device and its partitions: the one that holds it, else the one that may be replaced, else the first free one.

        As cloud-init's cc_disk_setup searches (find_device_node), but that nothing is taken which carries anything.
        """
        wanted = self.filesystem
        nodes = [one.path for one in devices.blocks(path, host) if one.kind == "part"]
        nodes = [path, *(one for one in nodes if one != path)]
        there = {node: devices.content(node, host) for node in nodes}
        for node, one in there.items():
            labelled = wanted.partition != "auto" or one.label == (wanted.label or "")
            if one.kind == wanted.filesystem and labelled:
                return _Place(path=node, in_place=True)
        for node, one in there.items():
            if one.kind and one.kind == wanted.replace_fs:
                devices.refuse_in_use(node, host, self.name)
                return _Place(path=node, wipes=str(one))
        # A disk whose partitions are all taken is not free itself, whatever its first bytes are.
        free = [node for node, one in there.items() if not (one.kind or one.table)]
        free = [node for node in free if node != path or len(nodes) == 1]
        if not free:
            raise self._another(path, there[path], nodes[1:])
        devices.refuse_in_use(free[0], host, self.name)
        return _Place(path=free[0])

    def _another(
        self, path: str, there: devices.Content, parts: list[str] | None = None
    ) -> StepError:
        what = f"{path} already holds {there}, and was left as it is"
        if parts:
            what = f"{path} has no free partition: {', '.join(parts)} hold something else, and stay as they are"
        return StepError(
            "MA3565",
            f"{self.name}: {what}",
            hint="name another device; or, if nobody needs it, set replaceFS to its kind, or overwrite: true with a number or none",
        )
