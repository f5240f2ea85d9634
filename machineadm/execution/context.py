"""What one run works with: the plan's steps with the engine's own, and all that is remembered."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import msgspec

from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Holding, Ledger
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Outcome, Owning, Phase, Plan, Step, Work, digest_of

if TYPE_CHECKING:
    # Loaded where there is a history, and something to put back, to take back, or to follow.
    from machineadm.execution.following import Following
    from machineadm.execution.history import Histories
    from machineadm.execution.noting import Noting
    from machineadm.execution.seen import EyesByHost
    from machineadm.execution.settling import Settling
    from machineadm.execution.taking_back import Restore


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
            is taken back, before anything else. They are there only if there is anything to do.
        resumes: Whether the bootstrap goes on by itself after a reboot. If not, the agent does not reboot.
    """

    def __init__(
        self, plan: Plan, host: Host, journal: Journal, ledger: Ledger, *, mode: str
    ) -> None:
        self.plan = plan
        self.host = msgspec.structs.replace(host, kept=self._is_kept, made=self._is_made)
        self.journal = journal
        self.ledger = ledger
        self.mode = mode
        # Until somebody knows better: whoever arranges that a run goes on sets it, and a run
        # without such an arrangement must not reboot.
        self.resumes = True
        own: list[Step] = []
        # The plan of a later boot has boot commands only: everything else would look as if no longer declared. A reset
        # takes back everything by itself.
        whole = mode not in ("boot", "reset") and self.has_history
        if whole and self.settling.anything_made:
            own.append(self.restore)
        if whole and (stale := stale_holdings(plan, ledger, mode)):
            from machineadm.execution.taking_back import TakeBack

            own.append(TakeBack(stale, ledger, self.histories))
        self.steps = (*own, *plan.steps)

    @property
    def has_history(self) -> bool:
        """Whether anything is owned here. If not, no rule of `history` applies, and it need not be imported."""
        return self.ledger.holds_anything

    @cached_property
    def histories(self) -> Histories:
        """Which commands count."""
        from machineadm.execution.history import Histories

        return Histories(self.plan, self.ledger, self.journal)

    @cached_property
    def settling(self) -> Settling:
        """The rules for what declared files, and what commands made of them, come to."""
        from machineadm.execution.settling import Settling

        return Settling(self.histories, self.ledger, self._eyes)

    @cached_property
    def noting(self) -> Noting:
        """Tells the ledger what the run makes of files."""
        from machineadm.execution.noting import Noting

        return Noting(self.histories, self.ledger, self.journal, self._eyes, self.mode)

    @cached_property
    def _eyes(self) -> EyesByHost:
        from machineadm.execution.seen import EyesByHost

        return EyesByHost()

    @cached_property
    def restore(self) -> Restore:
        """The step that puts back what commands made. A retry may need it even if it is not one of the steps."""
        from machineadm.execution.taking_back import Restore

        return Restore(self.settling)

    @cached_property
    def following(self) -> Following:
        """What has yet to follow."""
        from machineadm.execution.following import Following

        may_reboot = self.plan.reboot and self.resumes
        resetting = self.mode == "reset"
        return Following(self.ledger, self.host, may_reboot=may_reboot, resetting=resetting)

    def _is_kept(self, path: str) -> bool:
        return self.has_history and self.settling.is_kept(path)

    def _is_made(self, path: str) -> bool:
        return self.has_history and self.settling.is_made(path, self.host)

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
                    summary=f"{pending.follow.key}, left by an earlier run of {', '.join(pending.steps)}",
                ),
            )
            for pending in self.ledger.pending
            # A reboot of an earlier boot has happened by now; one that is not allowed will not be
            # done.
            if pending.follow.kind != "reboot"
            or (self.plan.reboot and pending.boot_id == self.ledger.boot_id)
        )


class _Overdue:
    """Represents a follow-up in a plan. The run does it at the end of its phase."""

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


def stale_holdings(plan: Plan, ledger: Ledger, mode: str) -> tuple[Holding, ...]:
    """What a run of the same mode owned and the plan no longer has, the last first.

    Files that commands made are not listed: undoing them is up to their history.
    """
    holdings = ledger.holdings()
    # A first run: neither the plan's digests nor the rules of taking back are needed, and most
    # plans are made for such a machine.
    if not holdings:
        return ()
    owned = {
        (one.kind, one.name)
        for step in plan.steps
        if isinstance(step, Owning)
        for one in step.owned()
    }
    return tuple(
        holding
        # In reverse order of their first write: a unit is disabled before its file goes.
        for holding in reversed(holdings)
        if holding.mode == mode
        and holding.key not in owned
        and (holding.declared or holding.kind != "file")
    )
