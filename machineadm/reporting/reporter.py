"""The report of one run, from its first second to its end.

While the run goes on, a report that cannot be written does not stop it. At the beginning and at the end it does: a run that cannot
report at all does not begin, and one that cannot report its success has not succeeded.
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from machineadm.api.v1alpha1.status import AgentIdentity, BootstrapStatus, MachineIdentity
from machineadm.errors import HostError, InternalError, MachineadmError
from machineadm.execution.events import (
    Event,
    InstanceDataChanged,
    RebootRequired,
    RunEnded,
    StepDone,
    rfc3339,
)
from machineadm.host.ports import Host
from machineadm.plan.model import Phase
from machineadm.redaction import Redactor
from machineadm.reporting.conditions import (
    FIPS_MODE,
    INSTANCE_DATA_CHANGED,
    REBOOT_REQUIRED,
    REPORTED,
    RESUMABLE,
    Tri,
    with_condition,
    with_conditions,
)
from machineadm.reporting.sinks import Sinks
from machineadm.reporting.status import after, failed, first_status

# By its code: the type of the error is that of many failures.
REBOOTING = "MA6021"
UNWRITABLE = "MA6006"
TRACE = "internal-error.txt"
# A write to tmpfs takes less than a millisecond; whoever holds the lock for longer hangs.
_PATIENCE = 0.3
"""Seconds for a report that is being written while the process is about to be ended."""
INTERNAL_HINT = f"this is a bug in machineadm, please report it with {TRACE} from the run directory"

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.status import ComplianceReport
    from machineadm.reporting.elsewhere import Elsewhere

Announce = Callable[[str], None]
"""Tells a last error to whoever looks at the machine's console. Raises nothing."""


class Reporter:
    """Keeps the status and writes it to every place it belongs.

    Args:
        host: The machine; its clock, state and files are used.
        agent: Which agent reports.
        redactor: Knows the configuration's secrets by the time they can be printed.
        announce: For the last error.
        listen: Told of every event, for progress on the command line.
        settle: Called when the run's end is decided: what follows must not be interrupted.
    """

    def __init__(
        self,
        host: Host,
        *,
        agent: AgentIdentity,
        redactor: Redactor,
        announce: Announce = lambda _: None,
        listen: Callable[[Event], None] = lambda _: None,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = host.clock
        self._state = host.state
        self._sinks = Sinks(host.state, host.files)
        self._announce = announce
        self._listen = listen
        self._settle = settle
        self._exit_code: int | None = None
        """Known as soon as the end is."""

        # _thread and not threading, which every start would have to import.
        self._writing = _thread.allocate_lock()
        self._redactor = redactor
        self._elsewhere: Elsewhere | None = None
        # A run that changes nothing writes nothing to the disk.
        self._durable = False
        self._early = False
        self._announced = False
        # Before anything is known: a run that fails at its first line has a report, too.
        self._status = first_status(agent=agent, time=host.clock.now())

    @property
    def status(self) -> BootstrapStatus:
        """The status as it is now."""
        return self._status

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Report from the first second to the end, whatever happens within.

        Raises:
            MachineadmError: What happened; a foreign exception becomes an InternalError.
        """
        self.begin()
        try:
            try:
                yield
            finally:
                # Within the outer `try`, so that an interruption at this very line is still reported below.
                self._settle()
        except MachineadmError as error:
            self.fail(error)
            raise
        except Exception as error:
            ours = InternalError("MA9001", f"unexpected {type(error).__name__}", hint=INTERNAL_HINT)
            # Before the report, which names the file.
            self._keep_trace(error)
            self.fail(ours)
            raise ours from error

    def about(self, machine: MachineIdentity) -> None:
        """Note which machine this is."""
        self._status = msgspec.structs.replace(self._status, machine=machine)

    def reported_by(self, agent: AgentIdentity) -> None:
        """Note more about the agent than its version."""
        self._status = msgspec.structs.replace(self._status, agent=agent)

    def begin(self) -> None:
        """Write the first status; remove what an earlier run announced.

        Raises:
            HostError: It cannot be written.
        """
        with _must_be_written():
            # Before the first status: an old sentinel beside a new report would announce an end
            # that has not come.
            self._sinks.remove_sentinels()
            self._write()

    def configured(self, digest: str, *, attempt: int, provider_id: str = "") -> None:
        """Note which configuration it is, and which attempt this is."""
        machine = msgspec.structs.replace(self._status.machine, provider_id=provider_id)
        self._status = msgspec.structs.replace(
            self._status, config_digest=digest, machine=machine, attempt=attempt
        )

    def also(self, elsewhere: Elsewhere) -> None:
        """From now on report to somebody else as well."""
        self._elsewhere = elsewhere
        elsewhere.tell(self._status)

    def keep(self) -> None:
        """The run has something to do, so from now on the report is also kept across reboots."""
        self._durable = True

    def succeed_early(self) -> None:
        """Announce success as soon as kubeadm is done, not after the last command."""
        self._early = True

    def resumable(self, said: Tri, reason: str, message: str = "") -> None:
        """Note whether the bootstrap goes on by itself after a reboot."""
        self._status = with_condition(
            self._status, RESUMABLE, said, reason, message, time=self._now()
        )

    def in_fips_mode(self, approved: bool, message: str) -> None:
        """Note that the kernel is in FIPS mode, and what that means for this run."""
        said: Tri = "True" if approved else "False"
        reason = "ApprovedAlgorithms" if approved else "NotApproved"
        self._status = with_condition(
            self._status, FIPS_MODE, said, reason, message, time=self._now()
        )

    def judged(self, reports: tuple[ComplianceReport, ...]) -> None:
        """Note what the controls of compliance profiles found."""
        self._status = msgspec.structs.replace(self._status, compliance=reports)

    def observe(self, event: Event) -> None:
        """Take an event: compute the next status, and write it if possible."""
        phase = self._status.phase
        # All that follows sees the new status, the listener as well.
        self._status = after(self._status, event, self._redactor)
        if isinstance(event, RebootRequired):
            message = f"asked for by {', '.join(event.steps)}"
            self._status = with_condition(
                self._status, REBOOT_REQUIRED, "True", "NotAllowed", message, time=self._now()
            )
        if isinstance(event, InstanceDataChanged):
            told = (f"{name} is {value!r} now" for name, value in event.changes)
            message = self._redactor.text(f"{'; '.join(told)}; the previous value is kept")
            self._status = with_condition(
                self._status, INSTANCE_DATA_CHANGED, "True", "Kept", message, time=self._now()
            )
        self._quietly(self._write)
        # The durable copy costs a flush to the disk, so it is written only when the phase changes.
        if phase != self._status.phase:
            self._quietly(self._keep)
        # Once: a later failure of a command must not announce again.
        if self._early and isinstance(event, StepDone) and self._kubeadm_is_through():
            self._early = False
            self._quietly(self._sinks.announce_success)
        self._listen(event)

    def prepared(self) -> None:
        """End a run that did all it could, but not everything.

        Raises:
            HostError: It cannot be reported.
        """
        # From here on a signal is too late: the end is decided, and half of its report would be
        # worse than waiting for it.
        self._settle()
        with _must_be_written():
            self._end("Prepared")

    def succeeded(self) -> None:
        """End a run that made the machine what it should be.

        The sentinel is written before the status, so that whoever waits for the status can rely on both.

        Raises:
            HostError: It cannot be reported, so it has not succeeded.
        """
        self._settle()
        # Before the sentinel is written: a write that fails half-way must be withdrawn as well.
        self._announced = True
        with _must_be_written():
            self._sinks.announce_success()
            self._end("Succeeded")

    def fail(self, error: MachineadmError) -> None:
        """End a run that failed, and report it everywhere. Raises nothing: the error itself is what counts."""
        # Never released: any report written after this one would be an older one.
        self._writing.acquire(timeout=_PATIENCE)
        self._fail(error)

    def overdue(self, error: MachineadmError) -> int:
        """End a run that does not end by itself, from another thread, and return the process's exit code.

        Args:
            error: Why it must end.
        """
        # The run may hang in the writing of a report, and then holds this lock: hence the timeout. Not released, so that from
        # now on only this report is written.
        self._writing.acquire(timeout=_PATIENCE)
        if self._exit_code is None:
            self._fail(error)
        return error.exit_code if self._exit_code is None else self._exit_code

    def _fail(self, error: MachineadmError) -> None:
        self._exit_code = error.exit_code
        now = self._clock.now()
        status = failed(self._status, error, self._redactor, time=now)
        self._status = status = with_conditions(status, time=rfc3339(now))
        # Before the failure is shown: whoever sees it must not find a success beside it.
        self._quietly(lambda: self._withdraw(error))
        # The run directory (tmpfs) first: the disk of the state directory may be full, or hang.
        if not self._quietly(lambda: self._sinks.show(status)):
            self._quietly(lambda: self._sinks.show_instead(status))
        # A reboot is not the end: whoever waits for a failure must wait for the run that resumes.
        if error.code != REBOOTING:
            self._quietly(lambda: self._sinks.announce_failure(status))
        report = status.error
        if report is not None:
            self._announce(f"machineadm: {report.code} {report.message}")
        self._quietly(self._keep)
        if report is not None:
            self._listen(
                RunEnded(
                    time=now,
                    phase="Failed",
                    exit_code=error.exit_code,
                    code=report.code,
                    message=report.message,
                    hint=report.hint,
                )
            )
        if self._elsewhere is not None:
            self._finish_elsewhere()
            self._quietly(lambda: self._sinks.show(self._status))
            self._quietly(self._keep)

    def _kubeadm_is_through(self) -> bool:
        states = {one.phase: one.state for one in self._status.steps}
        # Everything up to kubeadm must be done, too: a step that was deferred is a machine that is
        # not in place.
        until = [one for one in self._status.steps if one.phase != Phase.POST_KUBEADM.value]
        return Phase.KUBEADM.value in states and all(one.state == "Done" for one in until)

    def _keep_trace(self, error: Exception) -> None:
        import traceback

        # Masked, for values of the configuration stand in messages of exceptions.
        text = self._redactor.text("".join(traceback.format_exception(error)))
        self._quietly(lambda: self._state.write(TRACE, text.encode(), durable=False))

    def _withdraw(self, error: MachineadmError) -> None:
        """Remove the success sentinel of a run that could not report its success: somebody may be waiting for it."""
        if self._announced or error.code == UNWRITABLE:
            self._sinks.withdraw_success()

    def _end(self, phase: str) -> None:
        self._status = msgspec.structs.replace(
            self._status, phase=phase, finished_at=self._now(), error=None
        )
        self._status = with_conditions(self._status, time=self._now())
        # A run with nothing to do may be the first that can report success on the disk, after one that could not. And a
        # success is shown only after it is on the disk: below, `_keep` comes before `_write`.
        self._durable = self._durable or not self._sinks.lasts(self._status)
        self._keep()
        with self._writing:
            self._sinks.show(self._status)
        # From here on the run has ended well, whatever comes: a receiver that does not answer, or a process
        # that is ended meanwhile, must not turn it into a failure. Nor may somebody else be told of a success
        # that our own disk did not take.
        self._exit_code = 0
        if self._elsewhere is not None:
            self._finish_elsewhere()
            self._quietly(lambda: self._sinks.show(self._status))
            self._quietly(self._keep)
        self._listen(RunEnded(time=self._clock.now(), phase=phase, exit_code=0))

    def _write(self) -> None:
        with self._writing:
            self._status = with_conditions(self._status, time=self._now())
            self._sinks.show(self._status)
        if self._elsewhere is not None:
            self._elsewhere.tell(self._status)

    def _finish_elsewhere(self) -> None:
        """Send the last status elsewhere, and note in our own report whether it has arrived."""
        if self._elsewhere is None:
            return
        status = with_condition(self._status, REPORTED, "True", "Arrived", "", time=self._now())
        # Taken away first: nothing may be told to it any more after the last.
        elsewhere, self._elsewhere = self._elsewhere, None
        if error := elsewhere.finish(status):
            message = self._redactor.text(f"{error.code} {error.message}")
            self._announce(f"machineadm: {message}")
            status = with_condition(
                self._status, REPORTED, "False", error.code, message, time=self._now()
            )
        self._status = status

    def _keep(self) -> None:
        if self._durable:
            self._sinks.keep(self._status)

    def _quietly(self, action: Callable[[], None]) -> bool:
        """Do it, and say on the console if it fails.

        Returns:
            Whether it worked.
        """
        try:
            action()
        # Of the machine's files only. Anything else is a bug and belongs to reported().
        except HostError as error:
            self._announce(f"machineadm: {UNWRITABLE} {error.message}")
            return False
        return True

    def _now(self) -> str:
        return rfc3339(self._clock.now())


@contextmanager
def _must_be_written() -> Iterator[None]:
    try:
        yield
    except HostError as error:
        message = f"the report cannot be written: {error.message}"
        raise HostError(UNWRITABLE, message, hint=error.hint()) from error
