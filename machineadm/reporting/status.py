"""From events to BootstrapStatus. Pure: each event gives the next status."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from machineadm.api.v1alpha1.status import (
    AgentIdentity,
    AttestationReport,
    BootstrapStatus,
    ErrorReport,
    KubeadmReport,
    StepReport,
    WarningReport,
)
from machineadm.errors import KubeadmError, MachineadmError
from machineadm.execution import events
from machineadm.plan.model import Phase
from machineadm.redaction import Redactor

# Of kubeadm's output: its reason is near the end, and a management cluster keeps the report in
# etcd.
LOG_TAIL = 64 * 1024
"""Characters of log that a report carries."""

# The limits of the API type: a longer value would not fit its schema.
MESSAGE, NAME, WORD, WORDS, MOST_WARNINGS = 32768, 512, 4096, 64, 1000

_replace = msgspec.structs.replace
# Phases in which a machine becomes a node; before them it is being prepared.
_BOOTSTRAPPING = (Phase.KUBEADM, Phase.POST_KUBEADM)


def first_status(*, agent: AgentIdentity, time: float) -> BootstrapStatus:
    """The status of a run that has just begun and knows nothing yet."""
    return BootstrapStatus(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
        kind="BootstrapStatus",
        phase="Pending",
        agent=agent,
        started_at=events.rfc3339(time),
    )


def after(status: BootstrapStatus, event: events.Event, redactor: Redactor) -> BootstrapStatus:
    """The status after an event."""
    if isinstance(event, events.ConfigurationWarned):
        return _replace(status, warnings=tuple(_warnings(event, redactor)))
    if isinstance(event, events.PlanReady):
        # All steps at once, so that whoever reads the first report sees how much there is.
        steps = tuple(
            StepReport(name=step.name, phase=step.phase.value, state="Pending")
            for step in event.steps
        )
        return _replace(status, phase="Preparing", steps=steps)
    if isinstance(event, events.StepStarted):
        return _started(status, event)
    if isinstance(event, events.ProgramEnded):
        return _replace(status, kubeadm=_kubeadm(event, redactor))
    if isinstance(event, events.MachineAttested):
        return _replace(status, attestation=_attestation(event))
    return _step_changed(status, event, redactor)


def _warnings(event: events.ConfigurationWarned, redactor: Redactor) -> Iterator[WarningReport]:
    for problem in event.problems[:MOST_WARNINGS]:
        yield WarningReport(
            code=problem.code,
            path=problem.path[:MESSAGE],
            message=redactor.text(problem.message)[:MESSAGE],
            hint=redactor.text(problem.hint)[:MESSAGE],
        )


def failed(
    status: BootstrapStatus, error: MachineadmError, redactor: Redactor, *, time: float
) -> BootstrapStatus:
    """The status after the error that ended the run."""
    report = ErrorReport(
        code=error.code,
        message=_said(_with_step(status, error), redactor),
        hint=_said(error.hint(), redactor),
        # Redacted before it is cut: a secret that the cut splits would not be recognized.
        log_tail=_sound(redactor.text(error.log_tail))[-LOG_TAIL:],
        exit_code=error.exit_code,
    )
    if (
        isinstance(error, KubeadmError)
        and error.process_exit_code is not None
        and not status.kubeadm
    ):
        status = _replace(status, kubeadm=_kubeadm_of(error, redactor))
    return _replace(status, phase="Failed", error=report, finished_at=events.rfc3339(time))


def _started(status: BootstrapStatus, event: events.StepStarted) -> BootstrapStatus:
    # Never back by itself: steps come in the order of their phases.
    phase = "Bootstrapping" if event.phase in _BOOTSTRAPPING else "Preparing"
    changed = _with(status, event.step, state="Running", started_at=events.rfc3339(event.time))
    return _replace(changed, phase=phase)


def _step_changed(
    status: BootstrapStatus, event: events.Event, redactor: Redactor
) -> BootstrapStatus:
    if isinstance(event, events.StepDone):
        left = (f"deferred: {what}" for what in event.deferred)
        message = "; ".join(part for part in (event.message, *left) if part)
        return _with(
            status,
            event.step,
            state="Done",
            change=event.change.value,
            duration=round(event.duration, 3),
            message=_said(message, redactor),
            # The code of a try that failed and was repeated: a step that is done has none.
            code="",
        )
    if isinstance(event, events.StepDeferred):
        return _with(status, event.step, state="Deferred", message=event.message)
    if isinstance(event, events.StepFailed):
        message = _said(event.message, redactor)
        duration = round(event.duration, 3)
        return _with(
            status, event.step, state="Failed", code=event.code, message=message, duration=duration
        )
    if isinstance(event, events.StepRetried):
        message = _said(
            f"attempt {event.attempt} failed, next in {event.delay:g} s: {event.message}", redactor
        )
        return _with(status, event.step, code=event.code, message=message)
    if isinstance(event, events.StepWaiting):
        return _with(status, event.step, message=_said(events.waited_for(event), redactor))
    return status


def _with(status: BootstrapStatus, step: str, **changes: object) -> BootstrapStatus:
    steps = tuple(_replace(one, **changes) if one.name == step else one for one in status.steps)
    return _replace(status, steps=steps)


def _with_step(status: BootstrapStatus, error: MachineadmError) -> str:
    """The message, preceded by the step that it belongs to."""
    names = [step.name for step in status.steps if step.state == "Failed"]
    return (
        # Once: errors of steps often begin with the step's own name.
        f"{names[0]}: {error.message}" if names and names[0] not in error.message else error.message
    )


def _attestation(event: events.MachineAttested) -> AttestationReport:
    from base64 import b64encode

    found = event.attested
    return AttestationReport(
        plugin=found.plugin[:NAME],
        format=found.format[:NAME],
        challenge=b64encode(found.challenge).decode(),
        evidence=b64encode(found.evidence).decode(),
    )


def _kubeadm(event: events.ProgramEnded, redactor: Redactor) -> KubeadmReport:
    run = event.run
    return _kubeadm_report(run.command, run.exit_code, run.phase, redactor)


def _kubeadm_of(error: KubeadmError, redactor: Redactor) -> KubeadmReport:
    return _kubeadm_report(error.command, error.process_exit_code, error.phase, redactor)


def _kubeadm_report(
    command: tuple[str, ...], exit_code: int | None, phase: str, redactor: Redactor
) -> KubeadmReport:
    words = tuple(_said(word, redactor)[:WORD] for word in command[:WORDS])
    return KubeadmReport(command=words, exit_code=exit_code, phase=phase[:NAME])


def _said(text: str, redactor: Redactor) -> str:
    """Text for a report: without secrets, and no longer than the type allows, whatever it quotes."""
    return _sound(redactor.text(text))[:MESSAGE]


def _sound(text: str) -> str:
    """Text that can be encoded as UTF-8: Python decodes odd bytes of a file name to lone surrogates, which cannot."""
    return text.encode(errors="replace").decode()
