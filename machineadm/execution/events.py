"""What the runner reports while it works: one event for everything that a report or a progress line needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from machineadm.documents.model import Problem
from machineadm.errors import MachineadmError
from machineadm.host.ports import Waiting
from machineadm.plan.model import Attested, Change, Phase, ProgramRun, Step


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", rename="camel"):
    """Something that happened, at an instant."""

    time: float
    """Seconds since 1970-01-01T00:00:00Z."""


class ConfigurationRefused(Event, frozen=True, kw_only=True, tag="configurationRefused"):
    """The configuration has problems; nothing is touched."""

    problems: tuple[Problem, ...]
    """All of them, at least one, in the order of the inputs."""


class ConfigurationWarned(Event, frozen=True, kw_only=True, tag="configurationWarned"):
    """The configuration is carried out, but something in it is likely a mistake."""

    problems: tuple[Problem, ...]
    """At least one, in the order of the inputs."""


class ResolvedValue(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a reference in the configuration on this machine."""

    path: str
    """Of the reference."""

    value: str
    """As it is shown: masked where its field is a secret, and never a whole file."""

    origin: str
    """Who said so."""


class ReferencesResolved(Event, frozen=True, kw_only=True, tag="referencesResolved"):
    """The values that the configuration refers to are known and filled in. Nothing is touched yet."""

    values: tuple[ResolvedValue, ...]
    """At least one, in the order of the configuration."""


class ProfilesApplied(Event, frozen=True, kw_only=True, tag="profilesApplied"):
    """Compliance profiles have set values that the configuration leaves out. Nothing is touched yet."""

    values: tuple[ResolvedValue, ...]
    """At least one, in the order of the catalogues."""


class InstanceDataChanged(Event, frozen=True, kw_only=True, tag="instanceDataChanged"):
    """Instance data has changed since kubeadm was started. The values from then are used."""

    changes: tuple[tuple[str, str], ...]
    """Name and present value."""


class PlannedStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step that waits for its turn."""

    name: str
    phase: Phase


class PlanReady(Event, frozen=True, kw_only=True, tag="planReady"):
    """The steps are known; none has run."""

    steps: tuple[PlannedStep, ...]
    """In order."""


class StepStarted(Event, frozen=True, kw_only=True, tag="stepStarted"):
    """A step begins with its check."""

    step: str
    phase: Phase


class StepDone(Event, frozen=True, kw_only=True, tag="stepDone"):
    """A step is in place."""

    step: str
    change: Change
    duration: float
    """Seconds."""

    message: str = ""
    deferred: tuple[str, ...] = ()
    """What of it is left for a run that may do it (an owner, when not root)."""


class StepDeferred(Event, frozen=True, kw_only=True, tag="stepDeferred"):
    """A step needs the running system, and this is not one: it was not run."""

    step: str
    message: str


class StepFailed(Event, frozen=True, kw_only=True, tag="stepFailed"):
    """A step failed, and the run with it."""

    step: str
    duration: float
    code: str
    message: str


class StepRetried(Event, frozen=True, kw_only=True, tag="stepRetried"):
    """A step failed in a way that may pass; it is tried again."""

    step: str
    attempt: int
    """The attempt that failed, from 1."""

    delay: float
    """Seconds until the next."""

    code: str
    message: str


class StepWaiting(Event, frozen=True, kw_only=True, tag="stepWaiting"):
    """A step waits for something. Sent when the wait begins and every ten seconds until it ends."""

    step: str
    condition: str
    """What it waits for: `socket /run/containerd/containerd.sock`, `unit x.service`, `mount /data`, `clock`."""

    reason: str
    elapsed: float
    """Seconds that it has waited."""

    budget: float
    """Seconds until it fails."""


class ProgramEnded(Event, frozen=True, kw_only=True, tag="programEnded"):
    """A program that is reported by itself (kubeadm) has ended, well or not."""

    run: ProgramRun


class MachineAttested(Event, frozen=True, kw_only=True, tag="machineAttested"):
    """A plugin gave evidence of what the machine is."""

    attested: Attested


class RebootRequired(Event, frozen=True, kw_only=True, tag="rebootRequired"):
    """Steps ask for a reboot that the configuration does not allow the agent to do."""

    steps: tuple[str, ...]


class ResetEnded(Event, frozen=True, kw_only=True, tag="resetEnded"):
    """The last event of a reset that did not fail."""

    done: bool
    """There was anything to take back, or to forget."""

    complete: bool
    """Nothing is left for a later one."""

    left: tuple[str, ...]
    """What stays on the machine, a line for each."""


class RunEnded(Event, frozen=True, kw_only=True, tag="runEnded"):
    """The last event of a run."""

    phase: str
    """The phase of the report: Prepared, Succeeded or Failed."""

    exit_code: int
    code: str = ""
    message: str = ""
    hint: str = ""


Observer = Callable[[Event], None]
"""Takes events. It raises nothing: a report that cannot be written never harms the run that it reports."""


def retried(
    step: Step, error: MachineadmError, attempt: int, delay: float, *, time: float
) -> Event:
    """The event for an attempt that failed."""
    return StepRetried(
        time=time,
        step=step.name,
        attempt=attempt,
        delay=delay,
        code=error.code,
        message=error.message,
    )


def waiting(step: Step, wait: Waiting, *, time: float) -> Event:
    """The event for a wait of a step."""
    return StepWaiting(
        time=time,
        step=step.name,
        condition=wait.condition,
        reason=wait.reason,
        # Milliseconds: the rest is noise, which would make two logs of the same run differ in
        # every line.
        elapsed=round(wait.elapsed, 3),
        budget=wait.budget,
    )


def waited_for(event: StepWaiting) -> str:
    """What a step waits for, and how much time it has, in words."""
    return (
        f"waits for {event.condition}, {event.elapsed:.0f} s of {event.budget:g} s: {event.reason}"
    )


def plan_ready(time: float, steps: Iterable[tuple[str, Phase]]) -> PlanReady:
    """The event for steps given by name and phase."""
    planned = tuple(PlannedStep(name=name, phase=phase) for name, phase in steps)
    return PlanReady(time=time, steps=planned)


def rfc3339(seconds: float) -> str:
    """An instant as Kubernetes writes it: `2026-11-21T10:00:00.123Z`."""
    # Imported here: a cold start that prints no time does without it.
    from datetime import datetime, timezone

    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
