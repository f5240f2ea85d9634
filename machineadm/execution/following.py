"""Follow-ups: recorded before the work that asks for them, done once for all of it, then cleared or taken back with it.

At least once: after a kill between a restart and its record the next run restarts again. Nothing else does.
"""

from __future__ import annotations

import msgspec

from machineadm.actions.perform import perform, services_of
from machineadm.actions.waits import wait_for
from machineadm.errors import HostError, InterruptedRunError, MachineadmError, StepError
from machineadm.execution.ledger import Ledger, Pending
from machineadm.execution.seen import Eyes, Seen, restoring
from machineadm.host.effects import MakeLink, RemoveDirectory, RemoveFile, WaitFor, WriteFile
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Phase, Step, Work

MOST_REBOOTS = 3
REBOOTING = "MA6021"
_RUN_TIMEOUT = 600.0
_UNTIL = 60.0
"""Seconds until a restarted service must serve."""


class Following:
    """What has yet to follow in a run.

    Args:
        ledger: Keeps it.
        host: The machine.
        may_reboot: The configuration allows a reboot.
        resetting: Nothing is put back where one fails: everything is being taken back, and would never be.

    Attributes:
        failed: What failed in a reset, a line for each.
    """

    def __init__(
        self, ledger: Ledger, host: Host, *, may_reboot: bool, resetting: bool = False
    ) -> None:
        self._ledger = ledger
        self._host = host
        self._may_reboot = may_reboot
        self._resetting = resetting
        self.failed: list[str] = []

    def boot_happened(self) -> None:
        """A reboot that was requested in an earlier boot has happened since, whatever caused it."""
        # The boot id says so, not a record of ours: the machine may be rebooted by others, so it need not be
        # rebooted again.
        for pending in self._ledger.pending:
            if pending.follow.kind == "reboot" and pending.boot_id != self._ledger.boot_id:
                self._ledger.clear_pending(pending.follow.key)

    def ask(self, step: Step, work: Work) -> None:
        """Note what must follow a step's work, with the files as they are, before the first of them is written."""
        if not work.effects:
            return
        for follow in work.follow:
            if self._host.offline and follow.kind != "run":
                continue  # the first boot starts every unit with the files as they are by then
            if follow.kind == "stop":
                # Its definition goes: a restart that an earlier run has left would fail, at every run.
                for kind in ("restart", "reload"):
                    self._ledger.clear_pending(FollowUp(kind=kind, target=follow.target).key)
            known = {p.follow.key: p for p in self._ledger.pending}.get(follow.key)
            if known and known.follow.until and not follow.until:
                follow = known.follow  # who needs it to serve must not lose that to somebody else
            undo = dict(known.undo if known else ())
            gone = [e.path for e in work.effects if isinstance(e, (RemoveFile, RemoveDirectory))]
            for path, seen in self._files(work):
                # The state before the first step that asked: a second one must not make the first
                # one's files the way back.
                undo.setdefault(path, seen)
            self._ledger.put_pending(
                Pending(
                    follow=follow,
                    # Whoever asked first must not get it later because somebody else asks as well.
                    phase=known.phase if known else step.phase.value,
                    steps=tuple(dict.fromkeys([*(known.steps if known else ()), step.name])),
                    undo=tuple(undo.items()),
                    gone=tuple(dict.fromkeys([*(known.gone if known else ()), *gone])),
                    boot_id=self._ledger.boot_id,
                )
            )

    def needed(self, keys: tuple[str, ...]) -> None:
        """Do what a step needs.

        Raises:
            StepError: One failed; the work that asked for it is put back.
        """
        for pending in () if self._host.offline else self._ledger.pending:
            # Only these: what nobody has asked for yet may get more work before its phase ends,
            # and is then done once for all.
            if pending.follow.key in keys:
                self._do(pending)

    def end_of(self, phase: Phase) -> None:
        """Do what is due at the end of a phase, and of the phases before it; a reboot last.

        Raises:
            StepError: One failed; the work that asked for it is put back.
            InterruptedRunError: The machine reboots.
        """
        if self._host.offline:
            return  # the first run on the running system does it
        # By their order and not by name: a follow-up of an earlier phase is overdue in every
        # later one.
        order = [one.value for one in Phase]
        # Earlier phases too: a kill may have left them, and their phase may have passed in this
        # run.
        due = [p for p in self._ledger.pending if order.index(p.phase) <= order.index(phase.value)]
        # A reboot ends the run, so whatever else is due would wait for the next one; sorted() keeps
        # the order of the rest.
        for pending in sorted(due, key=lambda one: one.follow.kind == "reboot"):
            self._do(pending)

    @property
    def reboot_required(self) -> tuple[str, ...]:
        """The steps that asked for a reboot that the agent must not do."""
        return tuple(
            name
            for pending in self._ledger.pending
            if pending.follow.kind == "reboot"
            for name in pending.steps
        )

    @property
    def left(self) -> bool:
        """Whether anything is left that keeps the run from being complete."""
        return any(pending.follow.kind != "reboot" for pending in self._ledger.pending)

    def _do(self, pending: Pending) -> None:
        if pending.follow.kind == "reboot":
            self._reboot(pending)
            return
        if not pending.failed:
            try:
                carry_out(pending.follow, self._host)
            except InterruptedRunError:
                raise
            except MachineadmError as error:
                if self._resetting:
                    self.failed.append(f"{pending.follow.key} failed: {error.message}")
                    self._clear(pending)
                    return
                # On the disk before anything is put back: a run killed meanwhile goes on putting
                # back, instead of trying the restart on a mixture of old and new files.
                pending = msgspec.structs.replace(pending, failed=f"{error.code} {error.message}")
                self._ledger.put_pending(pending)
                self._ledger.save()
            else:
                self._clear(pending)
                return
        if self._resetting:
            # An earlier run was killed while it put files back; the reset takes them back as well.
            self._clear(pending)
            return
        self._take_back(pending)

    def _clear(self, pending: Pending) -> None:
        self._ledger.clear_pending(pending.follow.key)
        self._ledger.save()

    def _take_back(self, pending: Pending) -> None:
        """Put the files back that asked for a follow-up which failed, and bring the unit up as it was.

        Raises:
            MachineadmError: The run was interrupted; the next one goes on here.
            StepError: Always, else.
        """
        put_back, lost, changed = [], [], []
        eyes = Eyes(self._host)
        for path, seen in pending.undo:
            now = eyes.look(path)
            holding = self._ledger.holding("file", path)
            # A file that somebody has changed since our write is theirs: an older state must not
            # overwrite it.
            ours = holding is not None and now in (holding.wrote, *holding.strays)
            ours = ours or (now.kind == "absent" and path in pending.gone)
            if now == seen:
                put_back.append(path)
            elif not ours:
                changed.append(path)
            elif self._ledger.has(seen):
                content = self._ledger.content(seen)
                effects = restoring(path, seen, content, there=now, now=None, hidden=True, note="")
                perform(effects, self._host)
                put_back.append(path)
            else:
                lost.append(path)
        # systemd would start the unit from the definition that it has in memory, which is the one
        # that failed.
        if any(path.startswith("/etc/systemd/") for path in put_back):
            services_of(self._host).reload()
        again = ""
        try:
            carry_out(pending.follow, self._host)
        except MachineadmError as error:
            if isinstance(error, InterruptedRunError):
                raise
            # The first failure stays the one that is reported: it tells what is wrong with the
            # configuration.
            again = f"; it also fails with these: {error.message}"
        self._ledger.clear_pending(pending.follow.key)
        self._ledger.save()
        what = f"restored: {', '.join(put_back)}" if put_back else "nothing could be restored"
        if lost:
            what += f"; not kept, so not restored: {', '.join(lost)}"
        if changed:
            what += f"; changed since, so not restored: {', '.join(changed)}"
        raise StepError(
            "MA3411",
            f"{pending.follow.key} failed after {', '.join(pending.steps)}: {pending.failed}; {what}{again}",
            hint="fix the configuration; journalctl -u UNIT shows the unit's reason",
        )

    def _reboot(self, pending: Pending) -> None:
        """Reboot where that is allowed.

        Raises:
            InterruptedRunError: The machine reboots.
            StepError: It was rebooted too often.
        """
        if not self._may_reboot or self._host.services is None:
            return
        if self._ledger.reboots >= MOST_REBOOTS:
            raise StepError(
                "MA3412",
                f"{', '.join(pending.steps)} asks for a reboot, but the machine was already rebooted {MOST_REBOOTS} times",
                hint="something undoes the configuration's change at every boot; see the step's message",
            )
        # Counted on the disk before the reboot: something that undoes our change at every boot must
        # not reboot the machine for ever.
        self._ledger.count_reboot()
        self._ledger.save()
        self._host.services.reboot()
        # systemctl returns at once. Ending as if interrupted keeps the journal as after a kill, so
        # the run goes on after the boot.
        raise InterruptedRunError(
            REBOOTING,
            f"the machine reboots, as {', '.join(pending.steps)} asked; the run continues at the next boot",
        )

    def _files(self, work: Work) -> list[tuple[str, Seen]]:
        eyes, found = Eyes(self._host), []
        for effect in work.effects:
            if isinstance(effect, (WriteFile, RemoveFile, MakeLink)):
                seen = eyes.look(effect.path)
                # Kept before the write, since a failed restart puts exactly this content back.
                self._ledger.keep(seen, effect.path, self._host)
                found.append((effect.path, seen))
        return found


def carry_out(follow: FollowUp, host: Host) -> None:
    """Do a follow-up once.

    Raises:
        HostError: It failed.
        StepError: It cannot be done here.
    """
    match follow.kind:
        case "daemon-reload":
            services_of(host).reload()
        case "restart":
            services_of(host).restart(follow.target)
            if follow.until:
                wait_for(
                    WaitFor(
                        condition=follow.until,
                        budget=_UNTIL,
                        reason=f"{follow.target} was restarted",
                    ),
                    host,
                )
        case "reload":
            services_of(host).reload_unit(follow.target)
        case "stop":
            services_of(host).stop(follow.target)
        case "run":
            if host.commands is None:
                raise StepError("MA3402", f"{follow.key}: no program can run below another root")
            result = host.commands.run(follow.argv, timeout=_RUN_TIMEOUT)
            if result.exit_code != 0:
                last = result.output.strip().rpartition("\n")[2]
                raise HostError(
                    "MA3410",
                    f"{' '.join(follow.argv)} failed with exit code {result.exit_code}: {last}",
                    hint="run it yourself to see its output",
                )
        case "reboot":
            services_of(host).reboot()
