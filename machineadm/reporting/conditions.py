"""Conditions of a status: what a controller asks for, each with its reason, in the form that Kubernetes uses."""

from __future__ import annotations

from typing import Literal

import msgspec

from machineadm.api.v1alpha1.status import BootstrapStatus, Condition
from machineadm.plan.model import Phase

# metav1.ConditionStatus.
Tri = Literal["True", "False", "Unknown"]

ACCEPTED = "ConfigurationAccepted"
"""The configuration is valid and fits the machine."""

PREPARED = "MachinePrepared"
"""Everything up to kubeadm is in place."""

SUCCEEDED = "BootstrapSucceeded"
"""The machine is what the configuration says."""

RESUMABLE = "Resumable"
"""The bootstrap goes on by itself after a reboot."""

REBOOT_REQUIRED = "RebootRequired"
"""Something is in force only after a reboot, and the configuration does not let the agent do one."""

INSTANCE_DATA_CHANGED = "InstanceDataChanged"
"""What the machine says of itself is no longer what kubeadm was started with, which is kept."""

FIPS_MODE = "FIPSMode"
"""The kernel is in FIPS mode; only then is it there. False: something is used that is not approved."""

MESSAGE = 32768
"""Characters of a message, as the type has them."""

REPORTED = "Reported"
"""The report has arrived where the configuration wants it beside the machine's own files."""

# An image that is prepared ends here; what follows belongs to the machine made from it.
_BEFORE_KUBEADM = (Phase.BOOT.value, Phase.PREPARE.value, Phase.PRE_KUBEADM.value)


def with_conditions(status: BootstrapStatus, *, time: str) -> BootstrapStatus:
    """The status with the conditions that follow from it.

    Args:
        status: A condition in it that says the same as before keeps its transition time; conditions of other origin stay.
        time: Now (RFC 3339).
    """
    # Derived from the status each time and never kept beside it: the two could come to differ.
    new = (_accepted(status), _prepared(status), _succeeded(status))
    conditions = tuple(_condition(status, *one, time=time) for one in new)
    # The unit is gone once the run has ended well: a controller must not wait for a boot that
    # resumes nothing.
    waits = any(one.type == RESUMABLE and one.status == "True" for one in status.conditions)
    if status.phase in ("Succeeded", "Prepared") and waits:
        said = "nothing left to resume"
        done = _condition(status, RESUMABLE, "False", status.phase, said, time=time)
        conditions = (*conditions, done)
    # What others have noted stays, such as Resumable, which only the unit's writer knows.
    others = tuple(
        one for one in status.conditions if one.type not in {two.type for two in conditions}
    )
    return msgspec.structs.replace(status, conditions=conditions + others)


def with_condition(
    status: BootstrapStatus, type_: str, said: Tri, reason: str, message: str, *, time: str
) -> BootstrapStatus:
    """The status with one more condition, or that one changed."""
    condition = _condition(status, type_, said, reason, message, time=time)
    others = tuple(one for one in status.conditions if one.type != type_)
    return msgspec.structs.replace(status, conditions=(*others, condition))


def _condition(
    status: BootstrapStatus, type_: str, said: Tri, reason: str, message: str = "", *, time: str
) -> Condition:
    before = next((one for one in status.conditions if one.type == type_), None)
    # Kubernetes' rule: the time moves only if the status does, not with reason or message.
    since = before.last_transition_time if before and before.status == said else time
    return Condition(
        type=type_,
        status=said,
        reason=reason,
        # Cut and not refused: a report that cannot be written says nothing at all.
        message=message[:MESSAGE],
        last_transition_time=since,
    )


def _accepted(status: BootstrapStatus) -> tuple[str, Tri, str, str]:
    # A plan exists only of a configuration that was accepted; a run with nothing to do has no steps
    # and is over.
    if status.steps or status.phase in ("Succeeded", "Prepared"):
        return ACCEPTED, "True", "Valid", ""
    if status.error:
        return ACCEPTED, "False", status.error.code, status.error.message
    return ACCEPTED, "Unknown", "Reading", ""


def _prepared(status: BootstrapStatus) -> tuple[str, Tri, str, str]:
    steps = [step for step in status.steps if step.phase in _BEFORE_KUBEADM]
    failed = next((step for step in steps if step.state == "Failed"), None)
    if failed:
        return PREPARED, "False", failed.code, f"{failed.name}: {failed.message}"
    deferred = [step.name for step in steps if step.state == "Deferred"]
    # False and not Unknown: nobody will come back to what is left for the running system while this
    # run lasts.
    if deferred and all(step.state in ("Done", "Deferred") for step in steps):
        return PREPARED, "False", "Deferred", f"left for the running system: {', '.join(deferred)}"
    if status.steps and all(step.state == "Done" for step in steps):
        return PREPARED, "True", "Done", ""
    # A step that never began says nothing of the machine.
    return PREPARED, "Unknown", "Waiting" if status.phase == "Failed" else "Running", ""


def _succeeded(status: BootstrapStatus) -> tuple[str, Tri, str, str]:
    if status.phase == "Succeeded":
        return SUCCEEDED, "True", "Succeeded", ""
    if status.error:
        return SUCCEEDED, "False", status.error.code, status.error.message
    if status.phase == "Prepared":
        return (
            SUCCEEDED,
            "False",
            "Prepared",
            "steps that need kubeadm or the running system remain",
        )
    return SUCCEEDED, "Unknown", "Running", ""
