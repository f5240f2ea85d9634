"""What one run works with: the plan's steps with the engine's own, and all that is remembered."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.execution.following import Following
from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.execution.settling import Settling
from machineadm.execution.taking_back import Restore, TakeBack
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Outcome, Phase, Plan, Step, Work, digest_of


class Context:
    """One run over one plan.

    Args:
        plan: The steps.
        host: The machine, or the tree that will be one.
        journal: This machine's journal.
        ledger: This machine's ledger.
        mode: `provisioning` or `preparation`.

    Attributes:
        steps: In order, the engine's own before the plan's: what commands made is put back, and what is no longer declared
            is taken back, before anything else. They are there only if there is anything.
        restore: The first of these, also where it is not among the steps: a command of this run may make something.
    """

    def __init__(
        self, plan: Plan, host: Host, journal: Journal, ledger: Ledger, *, mode: str
    ) -> None:
        self.plan = plan
        self.host = msgspec.structs.replace(host, kept=self._is_kept)
        self.journal = journal
        self.ledger = ledger
        self.mode = mode
        self.settling = Settling(plan, ledger, journal)
        self.following = Following(ledger, self.host, may_reboot=plan.reboot)
        self.take_back = TakeBack(plan, ledger, self.settling, mode)
        self.settling.notice_cut_off(self.host)
        self.restore = Restore(self.settling)
        own: list[Step] = []
        if self.settling.anything_made:
            own.append(self.restore)
        if self.take_back.stale:
            own.append(self.take_back)
        self.steps = (*own, *plan.steps)

    def _is_kept(self, path: str) -> bool:
        return self.settling.is_kept(path)

    def overdue(self) -> tuple[Look, ...]:
        """What an earlier run left to follow, as lines of a plan."""
        if self.host.offline:
            return ()
        return tuple(
            Look(
                step=_Overdue(pending.follow.key),
                standing=Standing.TO_DO,
                work=Work(
                    effects=(RunProgram(title=pending.follow.key),),
                    summary=f"{pending.follow.key}, which an earlier run of {', '.join(pending.steps)} left",
                ),
            )
            for pending in self.ledger.pending
            if pending.follow.kind != "reboot"
            or (self.plan.reboot and pending.boot_id == self.ledger.boot_id)
        )


class _Overdue:
    """Stands in a plan for a follow-up; the run does it at the end of its phase."""

    phase: ClassVar[Phase] = Phase.BOOT
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def __init__(self, key: str) -> None:
        self.name = f"followUp/{key.partition(' ')[0]}"
        self._key = key

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self._key)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        del host
        return Work()

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        del host
        return Outcome(change=work.change)
