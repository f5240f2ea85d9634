"""The whole status of a MachineBootstrap, from what was decided and what came of it. Pure.

It is always the whole of what this controller owns: an apply that leaves a field out removes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import msgspec

from machineadm.controllers.capi.types import Bootstrap, Condition

Status = Literal["True", "False", "Unknown"]

# The order is the one in which people read them, and the one in which an apply sends them: compared
# as a list, another order would be a change.
OWNED: Final = (
    "Paused",
    "DataSecretAvailable",
    "CertificatesAvailable",
    "TokenAvailable",
    "StoreSynced",
    "Ready",
)
"""The conditions that this controller writes, in their order. `BootstrapSucceeded` is written by whoever takes reports in."""

WAITING: Final = frozenset(
    {
        "WaitingForOwner",
        "WaitingForClusterInfrastructure",
        "WaitingForControlPlaneInitialized",
        "WaitingForInitLock",
        "WaitingForControlPlaneEndpoint",
        "WorkloadClusterUnreachable",
        "StoreNotReady",
        "WaitingForLocation",
        "WriteFailed",
    }
)
"""Reasons that pass by themselves. While one holds, `Ready` is Unknown, so that a MachineHealthCheck can tell waiting from
failed."""


STORE_NOT_SYNCED: Final = "StoreNotSynced"
"""Reason of `DataSecretAvailable` where `StoreSynced` says why."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of one condition."""

    status: Status
    reason: str
    message: str = ""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """Size of the data, in bytes."""

    raw: int
    compressed: int | None = None
    limit: int | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a decision."""

    # Beside the rest and not a reason among it: while it is paused nothing else may change, so
    # nothing else is said.
    paused: bool = False
    data_secret: str | None = None
    """Name of the data Secret once it is there."""

    said: Mapping[str, Said] = {}
    """By type; what is not in it stays as it was."""

    size: Size | None = None
    """None: as it was."""


def whole_status(bootstrap: Bootstrap, outcome: Outcome, now: str) -> dict[str, Any]:
    """Make the status that should be there.

    Args:
        bootstrap: With the status that is there.
        outcome: What came of the last decision.
        now: RFC 3339, UTC; for conditions that change their status.
    """
    there = {one.type: one for one in bootstrap.conditions}
    said = dict(outcome.said)
    said["Paused"] = (
        Said(status="True", reason="Paused", message="the Cluster or this object is paused")
        if outcome.paused
        else Said(status="False", reason="NotPaused")
    )
    if not outcome.paused:
        said["Ready"] = _ready(said, there)
    conditions = [
        condition
        for type_ in OWNED
        if (condition := _condition(type_, said, there, bootstrap.generation, now)) is not None
    ]
    # Never back to false: the contract's `initialization` fields are written once, and a Machine
    # has acted on it.
    created = bootstrap.data_secret_created or outcome.data_secret is not None
    name = outcome.data_secret or bootstrap.data_secret
    # Others' conditions that are taken over may have no generation, and null is not one.
    listed = [
        {name: value for name, value in one.items() if value is not None}
        for one in msgspec.to_builtins(conditions)
    ]
    status: dict[str, Any] = {"conditions": listed}
    # Paused, it describes the generation that was looked at last, which is the truth: this one was
    # not.
    if not outcome.paused:
        status["observedGeneration"] = bootstrap.generation
    elif bootstrap.observed_generation:
        status["observedGeneration"] = bootstrap.observed_generation
    if created:
        status["initialization"] = {"dataSecretCreated": True}
    if name:
        status["dataSecretName"] = name
    size = _size(outcome, bootstrap)
    if size:
        status["dataSize"] = size
    return status


def owned_part(bootstrap: Bootstrap) -> dict[str, Any]:
    """The part of the status that is there that this controller owns, in the form of `whole_status`."""
    status = {
        name: value
        for name, value in bootstrap.status.items()
        if name in ("observedGeneration", "initialization", "dataSecretName", "dataSize")
    }
    conditions = bootstrap.status.get("conditions") or ()
    by_type = {one["type"]: one for one in conditions}
    status["conditions"] = [by_type[type_] for type_ in OWNED if type_ in by_type]
    return status


def _ready(said: Mapping[str, Said], there: Mapping[str, Condition]) -> Said:
    """The first condition that is not True, in the order in which they depend on each other."""
    data = _now("DataSecretAvailable", said, there)
    # There may be no data for another reason by now than what a store once refused.
    unstored = data is not None and data.reason == STORE_NOT_SYNCED
    order = ("StoreSynced",) if unstored else ()
    for type_ in (*order, "DataSecretAvailable", "CertificatesAvailable", "BootstrapSucceeded"):
        one = _now(type_, said, there)
        if one is None or one.status == "True":
            continue
        # Last in the order, and only False counts: a MachineHealthCheck on BootstrapConfigReady
        # must not replace machines that are merely slow to report.
        if type_ == "BootstrapSucceeded":
            if one.status == "False":
                return Said(status="False", reason="BootstrapFailed", message=one.message)
            continue  # the data is there; what the machine makes of it is not ours to wait for
        # Unknown is ours: Cluster API's own provider says False while it waits, and a
        # MachineHealthCheck then cannot tell that from a failure.
        waits = one.reason in WAITING or one.status == "Unknown"
        return Said(status="Unknown" if waits else "False", reason=one.reason, message=one.message)
    return Said(status="True", reason="Ready")


def _now(type_: str, said: Mapping[str, Said], there: Mapping[str, Condition]) -> Said | None:
    if type_ in said:
        return said[type_]
    old = there.get(type_)
    return None if old is None else Said(status=old.status, reason=old.reason, message=old.message)


def _condition(
    type_: str,
    said: Mapping[str, Said],
    there: Mapping[str, Condition],
    generation: int,
    now: str,
) -> Condition | None:
    old = there.get(type_)
    # Whole, with its old observedGeneration: it has not been looked at again.
    if type_ not in said:
        return old
    new = said[type_]
    return Condition(
        type=type_,
        status=new.status,
        reason=new.reason,
        message=new.message,
        # Kubernetes' rule: the time of the last change of the status, not of reason or message.
        last_transition_time=old.last_transition_time
        if old is not None and old.status == new.status
        else now,
        observed_generation=generation,
    )


def _size(outcome: Outcome, bootstrap: Bootstrap) -> dict[str, int]:
    if outcome.size is None:
        there: dict[str, int] = bootstrap.status.get("dataSize") or {}
        return there
    return {
        name: value
        for name in ("raw", "compressed", "limit")
        if (value := getattr(outcome.size, name)) is not None
    }


def summary(findings: Iterable[tuple[str, str, str]], most: int = 5) -> str:
    """Put problems into a condition's message.

    Args:
        findings: Code, field path and text of each.
        most: How many are spelled out.
    """
    lines = [
        (f"{path}: " if path else "") + text + (f" ({code})" if code else "")
        for code, path, text in findings
    ]
    # A condition's message is limited to 32768 characters by its schema; five problems are also
    # what a person fixes at once.
    rest = len(lines) - most
    return "; ".join(lines[:most]) + (f"; and {rest} more" if rest > 0 else "")
