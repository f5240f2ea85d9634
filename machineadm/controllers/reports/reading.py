"""A machine's report, as far as the management cluster believes it: bounded, and text for people only. Pure.

It gates nothing but `Ready`, names no other object, and is never carried out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from typing import Annotated, Any, Final, Literal

import msgspec

from machineadm.api.v1alpha1.status import Phase
from machineadm.controllers.capi.types import Bootstrap, Condition, time_of
from machineadm.controllers.runtime.resources import MACHINE_BOOTSTRAPS
from machineadm.controllers.stores.port import LARGEST_REPORT

SUCCEEDED: Final = "BootstrapSucceeded"

# Below what the definition takes (512 and 32768): a condition's message has step, text, code and hint
# in one line.
_STEP: Final = 256
_MESSAGE: Final = 1024


class ReportError(Exception):
    """It is not a report; the message says where, and quotes nothing."""


# Bounds for decoding are those of the agent's own type, so that no honest report is refused.
class _Step(msgspec.Struct, frozen=True):
    name: Annotated[str, msgspec.Meta(max_length=512)]
    state: Annotated[str, msgspec.Meta(max_length=32)]


class _Error(msgspec.Struct, frozen=True):
    code: Annotated[str, msgspec.Meta(pattern=r"\A(MA[0-9]{4})?\Z")]
    message: Annotated[str, msgspec.Meta(max_length=32768)]
    hint: Annotated[str, msgspec.Meta(max_length=32768)] = ""


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    """What is read of a BootstrapStatus. What a newer agent has beside it is no reason to refuse it."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    kind: Literal["BootstrapStatus"]
    # A phase that this version does not know is refused: nobody could say what `Ready` is then.
    phase: Phase
    attempt: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 1
    started_at: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    steps: Annotated[tuple[_Step, ...], msgspec.Meta(max_length=10000)] = ()
    error: _Error | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine told."""

    phase: Phase
    step: str
    """The step that runs, or that failed; empty: none."""

    code: str
    message: str
    hint: str
    began: float
    """When that run began by the machine's clock, in seconds since 1970; 0 where it does not say."""

    attempt: int
    over: bool
    """That run has ended."""


_DECODER: Final = msgspec.json.Decoder(_Status)


def read(data: bytes) -> Told:
    """Read a report.

    Args:
        data: JSON, of `LARGEST_REPORT` bytes at most.

    Raises:
        ReportError: It is not one.
    """
    if len(data) > LARGEST_REPORT:
        raise ReportError(f"larger than {LARGEST_REPORT} bytes")
    try:
        status = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        # A value that is none of those allowed is quoted, and may be anything of any size.
        raise ReportError(re.sub(r"(?s) [\"'].*[\"']", "", str(error))) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # A parser's message may quote what it stumbled over.
        raise ReportError("not JSON") from None
    failure = status.error
    return Told(
        phase=status.phase,
        step=_line(_step(status), _STEP),
        code=failure.code if failure else "",
        message=_line(failure.message, _MESSAGE) if failure else "",
        hint=_line(failure.hint, _MESSAGE) if failure else "",
        began=_seconds(status.started_at or ""),
        attempt=status.attempt,
        over=status.phase in ("Succeeded", "Failed", "Prepared"),
    )


def _seconds(text: str) -> float:
    at = time_of(text)
    # Whoever says no zone: UTC, as everything here.
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


def is_older(told: Told, than: Told) -> bool:
    """Whether a report that comes later tells of something earlier.

    Neither the clock nor the count of attempts alone can say so: a clock is set while a machine boots, and a machine that is installed
    anew counts from one.
    """
    if (told.began, told.attempt) == (than.began, than.attempt):
        return than.over and not told.over
    return told.began < than.began and told.attempt < than.attempt


def _step(status: _Status) -> str:
    wanted = "Failed" if status.phase == "Failed" else "Running"
    # The first: steps run one after the other.
    return next((one.name for one in status.steps if one.state == wanted), "")


def _line(text: str, most: int) -> str:
    """The text as one line that moves no terminal's cursor, cut where it is too long."""
    clean = "".join(one if one.isprintable() else " " for one in text).strip()
    return clean if len(clean) <= most else clean[: most - 3] + "..."


def is_news(one: Bootstrap, told: Told) -> bool:
    """Whether a report is worth a write: the first, a new stage, and the end. Steps alone are not.

    Args:
        one: With the report that is there.
        told: The new one.
    """
    # Compared with what is written and not with the last report: a write that failed must be made
    # up for.
    report = one.status.get("report")
    if not report:
        return True
    before = (_stage(report.get("phase", "")), report.get("code", ""), report.get("message", ""))
    # Without the step, which changes all the time: each write costs the API server 7 ms of CPU.
    if before != (_stage(told.phase), told.code, told.message):
        return True
    return _condition(one, told, "") != _there(one)


def _stage(phase: str) -> str:
    # The two are moments apart, and nobody waits for the second.
    return "Preparing" if phase == "Pending" else phase


def status_of(one: Bootstrap, told: Told, now: str) -> dict[str, Any]:
    """The object with the whole of what the intake owns of its status.

    Args:
        one: Whose report it is.
        told: The report.
        now: RFC 3339, UTC. The machine's own clock may be anything.
    """
    report: dict[str, Any] = {"phase": told.phase, "reportedAt": now}
    report |= {
        name: value
        for name, value in (("step", told.step), ("code", told.code), ("message", told.message))
        if value
    }
    condition = msgspec.to_builtins(_condition(one, told, now))
    # observedGeneration is a number to the schema, which null is not.
    condition = {name: value for name, value in condition.items() if value is not None}
    return {
        "apiVersion": MACHINE_BOOTSTRAPS.api_version,
        "kind": MACHINE_BOOTSTRAPS.kind,
        "metadata": {"name": one.name, "namespace": one.namespace},
        "status": {"report": report, "conditions": [condition]},
    }


def _there(one: Bootstrap) -> Condition | None:
    return next((c for c in one.conditions if c.type == SUCCEEDED), None)


def _condition(one: Bootstrap, told: Told, now: str) -> Condition:
    there = _there(one)
    if there is not None and there.status == "True":
        # A node that works must not be replaced because somebody ran the agent once more, and that run failed.
        return there
    status, reason, message = _said(told)
    # Without a new time where only the words are compared, and where the status is what it was.
    since = there.last_transition_time if there and (there.status == status or not now) else now
    return Condition(
        type=SUCCEEDED,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since,
    )


_REASONS: Final[Mapping[str, tuple[Literal["True", "False", "Unknown"], str]]] = {
    "Succeeded": ("True", "Succeeded"),
    "Failed": ("False", "Failed"),
    "Prepared": ("Unknown", "Prepared"),
}


def _said(told: Told) -> tuple[Literal["True", "False", "Unknown"], str, str]:
    status, reason = _REASONS.get(told.phase, ("Unknown", "Running"))
    if status != "False":
        return status, reason, ""
    # Never empty: Cluster API's clusterctl shows a False condition by its message.
    text = told.message or "the machine gave no reason"
    message = f"{told.step}: {text}" if told.step else text
    message += f" ({told.code})" if told.code else ""
    message += f"; {told.hint}" if told.hint else ""
    return status, reason, message
