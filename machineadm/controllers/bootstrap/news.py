"""What of a change of status is news to a person: as Events, which `kubectl describe` shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from machineadm.controllers.bootstrap.conditions import STORE_NOT_SYNCED, WAITING
from machineadm.controllers.capi.types import Bootstrap, Condition
from machineadm.controllers.runtime.events import Event

# events.k8s.io/v1 requires an action; one word for each condition keeps `kubectl describe`
# readable.
_ACTIONS = {
    "DataSecretAvailable": "MakeData",
    "CertificatesAvailable": "ReadCertificates",
    "TokenAvailable": "KeepToken",
    "StoreSynced": "Store",
}


def news(before: Bootstrap, after: Iterable[Condition], generation: int) -> Iterator[Event]:
    """Tell what changed from one status to the next.

    Args:
        before: With the status that was there.
        after: The conditions that are there now.
        generation: Of the spec that the status describes now.
    """
    old = {one.type: one for one in before.conditions}
    for one in after:
        if one.type not in _ACTIONS:
            continue  # Ready follows from the others, and who pauses knows it
        was = old.get(one.type)
        # By status and reason: an Event for each new wording of the same state would use up the
        # object's allowance.
        if was is None or (was.status, was.reason) != (one.status, one.reason):
            event = _event(one, first=was is None)
            if event is not None:
                yield event
    # Of its making, the data says itself which generation it is of.
    # A pool's is made again with its next token.
    pool = any(one.kind == "MachinePool" for one in before.owners)
    if before.data_secret_created and before.observed_generation < generation and not pool:
        yield Event(
            type="Warning",
            reason="DataNotMadeAgain",
            action="MakeData",
            note="the spec was changed after the data was made, which is made once; replace the Machine to have it changed",
        )


def _event(one: Condition, *, first: bool) -> Event | None:
    action = _ACTIONS[one.type]
    if one.status == "True":
        if one.type == "DataSecretAvailable":
            note = "the bootstrap data is there"
            return Event(type="Normal", reason="DataSecretAvailable", action=action, note=note)
        if one.reason == "Consumed":
            note = "the machine has joined, and its token is deleted"
            return Event(type="Normal", reason="TokenConsumed", action=action, note=note)
        if one.reason == "Removed":
            note = "the machine has joined, and the store has forgotten its configuration"
            return Event(type="Normal", reason="ConfigurationRemoved", action=action, note=note)
        if first:
            return None  # nothing was wrong before
        note = f"{one.type} is True again"
        return Event(type="Normal", reason=one.type, action=action, note=note)
    if one.reason == STORE_NOT_SYNCED:
        return None  # StoreSynced tells it
    # Warning is for what needs a person: tools alert on the type alone.
    waits = one.reason in WAITING
    return Event(
        type="Normal" if waits else "Warning",
        reason=one.reason,
        action=action,
        note=one.message or f"{one.type} is {one.status}",
    )
