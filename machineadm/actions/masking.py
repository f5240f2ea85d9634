"""The step that masks a systemd unit: nothing starts it, now or at any boot."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from machineadm.actions.perform import perform
from machineadm.host.effects import Effect, MakeLink, RemoveFile
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Work, digest_of

NOWHERE: Final = "/dev/null"


class MaskUnit(msgspec.Struct, frozen=True, kw_only=True):
    """Mask or unmask a unit, as `systemctl mask` does.

    By the link itself and not by systemctl, which needs a running systemd: this works below another root as well.
    """

    path: str
    """/etc/systemd/system/NAME."""
    name: str
    masked: bool = True
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.path, str(self.masked))

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: the link, which may take the place of a file."""
        link = Owned(kind="file", name=self.path, declared=digest_of(NOWHERE))
        return (link,) if self.masked else ()

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        unit = self.path.rpartition("/")[2]
        is_masked = host.files.readlink(self.path) == NOWHERE
        if is_masked == self.masked:
            return Work(summary=f"{unit} is {'' if is_masked else 'not '}masked")
        effect: Effect = (
            MakeLink(path=self.path, target=NOWHERE) if self.masked else RemoveFile(path=self.path)
        )
        return Work(
            effects=(effect,),
            summary=f"{'masks' if self.masked else 'unmasks'} {unit}",
            # systemd keeps units in memory: until it reloads, a start would still use the old
            # definition.
            follow=(FollowUp(kind="daemon-reload"),),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)
