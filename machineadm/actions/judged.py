"""Files that a program of the machine judges before they are written."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.actions.files import WriteFiles
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Owned, Phase, Work


class JudgedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A step that writes `files` once `judge` has passed them; it is not asked where its program is not on the machine."""

    name: str
    phase: Phase = Phase.PREPARE
    once: ClassVar[bool] = False
    program: ClassVar[str]

    @property
    def files(self) -> WriteFiles:
        """What is written."""
        raise NotImplementedError

    # On apply alone, and not in the check: the program may come with a command that has not run
    # when the plan is made.
    def judge(self, host: Host) -> None:
        """Have the program read the new texts, which are not in their place yet.

        Raises:
            StepError: It refuses them.
        """
        raise NotImplementedError

    def digest(self) -> str:
        """See `Step.digest`."""
        return self.files.digest()

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        return self.files.owned()

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        return self.files.check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: The program refuses the texts; the existing files stay.
        """
        # Only what is about to be written: an existing file is the machine's, and a run must not
        # fail for it.
        if work.effects and host.queries is not None and host.queries.find(self.program):
            self.judge(host)
        return self.files.apply(host, work)
