"""The report of one run, from its first second to its end.

While the run goes on a report that cannot be written is no reason to stop. At its ends it is: a run that cannot report at
all does not begin, and one that cannot report its success has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from machineadm.api.v1alpha1.status import AgentIdentity, BootstrapStatus, MachineIdentity
from machineadm.errors import HostError, InternalError, MachineadmError
from machineadm.execution.events import Event, RebootRequired, RunEnded, StepDone, rfc3339
from machineadm.host.ports import Host
from machineadm.plan.model import Phase
from machineadm.redaction import Redactor
from machineadm.reporting.conditions import (
    REBOOT_REQUIRED,
    RESUMABLE,
    Tri,
    with_condition,
    with_conditions,
)
from machineadm.reporting.sinks import Sinks
from machineadm.reporting.status import after, failed, first_status

UNWRITABLE = "MA6006"
TRACE = "internal-error.txt"
INTERNAL_HINT = f"a fault of machineadm itself, please report it with {TRACE} of the run directory"

Announce = Callable[[str], None]
"""Tells a last error to whoever looks at the machine's console. Raises nothing."""


class Reporter:
    """Keeps the status and writes it wherever it belongs.

    Args:
        host: The machine; its clock, state and files are used.
        agent: Which agent reports.
        redactor: Learns the configuration's secrets in time.
        announce: For the last error.
        listen: Told of every event, for progress on the command line.
    """

    def __init__(
        self,
        host: Host,
        *,
        agent: AgentIdentity,
        redactor: Redactor,
        announce: Announce = lambda _: None,
        listen: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self._clock = host.clock
        self._state = host.state
        self._sinks = Sinks(host.state, host.files)
        self._announce = announce
        self._listen = listen
        self._redactor = redactor
        self._durable = False
        self._early = False
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
            yield
        except MachineadmError as error:
            self.fail(error)
            raise
        except Exception as error:
            ours = InternalError("MA9001", f"unexpected {type(error).__name__}", hint=INTERNAL_HINT)
            self._keep_trace(error)
            self.fail(ours)
            raise ours from error

    def about(self, machine: MachineIdentity) -> None:
        """Say which machine it is."""
        self._status = msgspec.structs.replace(self._status, machine=machine)

    def reported_by(self, agent: AgentIdentity) -> None:
        """Say more of the agent than its version."""
        self._status = msgspec.structs.replace(self._status, agent=agent)

    def begin(self) -> None:
        """Write the first status; remove what an earlier run announced.

        Raises:
            HostError: It cannot be written.
        """
        with _must_be_written():
            self._sinks.remove_sentinels()
            self._write(self._status)

    def configured(self, digest: str, *, attempt: int, provider_id: str = "") -> None:
        """Say which configuration it is, and how often it was begun."""
        machine = msgspec.structs.replace(self._status.machine, provider_id=provider_id)
        self._status = msgspec.structs.replace(
            self._status, config_digest=digest, machine=machine, attempt=attempt
        )

    def keep(self) -> None:
        """The run has something to do, so from now on the report is kept over a reboot, too."""
        self._durable = True

    def succeed_early(self) -> None:
        """Announce success when kubeadm is through, not only when the last command is."""
        self._early = True

    def resumable(self, said: Tri, reason: str, message: str = "") -> None:
        """Say whether the bootstrap goes on by itself after a reboot."""
        self._status = with_condition(
            self._status, RESUMABLE, said, reason, message, time=self._now()
        )

    def observe(self, event: Event) -> None:
        """Take an event: next status, written as far as that works."""
        phase = self._status.phase
        self._status = after(self._status, event, self._redactor)
        if isinstance(event, RebootRequired):
            message = f"asked for by {', '.join(event.steps)}"
            self._status = with_condition(
                self._status, REBOOT_REQUIRED, "True", "NotAllowed", message, time=self._now()
            )
        # The durable copy costs a flush, so it follows the phases only.
        self._quietly(lambda: self._write(self._status, durable=phase != self._status.phase))
        if self._early and isinstance(event, StepDone) and self._kubeadm_is_through():
            self._early = False
            self._quietly(self._sinks.announce_success)
        self._listen(event)

    def prepared(self) -> None:
        """End a run that did all it could, but not all.

        Raises:
            HostError: It cannot be reported.
        """
        with _must_be_written():
            self._end("Prepared")

    def succeeded(self) -> None:
        """End a run that made the machine what it shall be.

        The sentinel comes before the status: whoever waits for the status may rely on both.

        Raises:
            HostError: It cannot be reported, so it is no success.
        """
        with _must_be_written():
            self._sinks.announce_success()
            self._end("Succeeded")

    def fail(self, error: MachineadmError) -> None:
        """End a run that failed, and tell everybody. Raises nothing: the error itself is what counts."""
        self._status = failed(self._status, error, self._redactor, time=self._clock.now())
        self._quietly(lambda: self._withdraw(error))
        self._quietly(lambda: self._write(self._status))
        self._quietly(lambda: self._sinks.announce_failure(self._status))
        report = self._status.error
        if report is not None:
            self._announce(f"machineadm: {report.code} {report.message}")
            self._listen(
                RunEnded(
                    time=self._clock.now(),
                    phase="Failed",
                    exit_code=error.exit_code,
                    code=report.code,
                    message=report.message,
                    hint=report.hint,
                )
            )

    def _kubeadm_is_through(self) -> bool:
        states = {one.phase: one.state for one in self._status.steps}
        until = [one for one in self._status.steps if one.phase != Phase.POST_KUBEADM.value]
        return Phase.KUBEADM.value in states and all(one.state == "Done" for one in until)

    def _keep_trace(self, error: Exception) -> None:
        import traceback

        text = self._redactor.text("".join(traceback.format_exception(error)))
        self._quietly(lambda: self._state.write(TRACE, text.encode(), durable=False))

    def _withdraw(self, error: MachineadmError) -> None:
        """Whoever waits for success must not see the sentinel of a run that could not report it."""
        if error.code == UNWRITABLE:
            self._sinks.withdraw_success()

    def _end(self, phase: str) -> None:
        ended = msgspec.structs.replace(
            self._status, phase=phase, finished_at=self._now(), error=None
        )
        # A run that has nothing to do may still be the first that can say so.
        self._durable = self._durable or not self._sinks.lasts(ended)
        self._write(ended)
        self._listen(RunEnded(time=self._clock.now(), phase=phase, exit_code=0))

    def _write(self, status: BootstrapStatus, *, durable: bool = True) -> None:
        self._status = with_conditions(status, time=self._now())
        self._sinks.write(self._status, durable=durable and self._durable)

    def _quietly(self, action: Callable[[], None]) -> None:
        try:
            action()
        except HostError as error:
            self._announce(f"machineadm: {UNWRITABLE} {error.message}")

    def _now(self) -> str:
        return rfc3339(self._clock.now())


@contextmanager
def _must_be_written() -> Iterator[None]:
    try:
        yield
    except HostError as error:
        message = f"the report cannot be written: {error.message}"
        raise HostError(UNWRITABLE, message, hint=error.hint()) from error
