"""Modes that compliance profiles ask for, of files that kubeadm and packages write; everything else a profile sets is other steps' work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.compliance import ComplianceProfile
from machineadm.config.hardening import modes_of
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import Outcome, Phase, Step, Work, digest_of


class NarrowModes(msgspec.Struct, frozen=True, kw_only=True):
    """Take bits from the modes of files that are there; content and owner stay. Nothing is owned: the files are others'."""

    modes: tuple[tuple[str, int], ...]
    """Path, and the bits that its mode may have."""
    name: str = "compliance/modes"
    phase: Phase = Phase.POST_KUBEADM
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, *(f"{path} {mode:o}" for path, mode in self.modes))

    def check(self, host: Host) -> Work:
        """See `Step.check`. What kubeadm has yet to write is looked at again when it has."""
        work = self._inner(host).check(host)
        count = len(work.effects)
        there = sum(host.files.stat(path) is not None for path, _ in self.modes)
        counted = "1 file" if there == 1 else f"{there} files"
        summary = f"narrows {count} of {counted}" if count else f"{counted} there, none too open"
        return msgspec.structs.replace(work, summary=summary)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(host).apply(host, work)

    def _inner(self, host: Host) -> WriteFiles:
        files = []
        for path, mode in self.modes:
            stat = host.files.stat(path)
            # A link has no mode, and what it leads to is not looked at: nobody has asked for that
            # path.
            if stat is None or stat.kind is not FileKind.FILE or not stat.mode & ~mode:
                continue
            content = host.files.read(path)
            if content is not None:
                files.append(
                    PlannedFile(path=path, content=content, mode=stat.mode & mode, owner=None)
                )
        return WriteFiles(name=self.name, phase=self.phase, files=tuple(files))


def plan_compliance(profiles: Sequence[ComplianceProfile]) -> tuple[Step, ...]:
    """The step that sees to modes, or none."""
    modes = tuple(modes_of(profiles).items())
    return (NarrowModes(modes=modes),) if modes else ()
