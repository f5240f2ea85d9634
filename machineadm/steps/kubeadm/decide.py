"""What to do about an earlier run of kubeadm: a table, and nothing else.

`evidence.py` and `remains.py` look at the machine and sum up in one word what is there. This says what to do about it.
"""

from __future__ import annotations

import enum

from machineadm.steps.kubeadm.scene import Role


class Event(enum.Enum):
    """The last thing that our record says about kubeadm on this machine."""

    NONE = "none"
    """There is no record, or it is of a run that changed nothing."""

    STARTED = "started"
    """It was started; the run was cut off."""

    FAILED = "failed"
    """It ended with an error."""

    DONE = "done"
    """It ended well."""


class Remains(enum.Enum):
    """What is on the machine."""

    NOTHING = "nothing"
    """Nothing that kubeadm makes, or only what was there before it was started."""

    HALF = "half"
    """Less than a node, and all that a reset would take was made by our kubeadm, or by this configuration."""

    MIXED = "mixed"
    """Less than a node; but a reset would also take what our kubeadm did not make."""

    JOINED = "joined"
    """A node by our kubeadm, or about to be one."""

    FOREIGN = "foreign"
    """What kubeadm makes, but not made by the kubeadm that we started."""


class Action(enum.Enum):
    """What to do."""

    RUN = "run kubeadm from the start"
    RESET = "reset, then run kubeadm from the start"
    RESUME = "run kubeadm, skipping the phases that are done"
    CONCLUDE = "the node has joined: record it"
    LEAVE = "done before"
    REFUSE_NODE = "refuse: somebody else made this node"
    REFUSE_FOREIGN = "refuse: somebody else changed this machine since"
    REFUSE_MIXED = "refuse: a reset would remove more than ours"
    REFUSE_CHANGED = "refuse: a node of another configuration"


def decide(event: Event, remains: Remains, role: Role, *, edited: bool) -> Action:
    """What to do before kubeadm is run, again or for the first time.

    Args:
        event: What our record says.
        remains: What the machine says.
        role: What kubeadm makes of the machine.
        edited: The record belongs to another configuration.
    """
    # kubeadm is never run twice. Whether the node is still there, the step before has asked
    # (`refuse_lost_node`).
    if event is Event.DONE:
        return Action.REFUSE_CHANGED if edited else Action.LEAVE
    # Without a record nothing here can be proved ours, so nothing may be reset.
    if event is Event.NONE:
        return Action.RUN if remains is Remains.NOTHING else Action.REFUSE_NODE
    if remains is Remains.JOINED:
        # Resuming with other values would make a node of two configurations, and a reset would take
        # a working one.
        if edited:
            return Action.REFUSE_CHANGED
        # What a worker's kubeadm does after joining, nothing needs (see remains.py); a control
        # plane needs its later phases.
        return Action.CONCLUDE if role == "JoinWorker" else Action.RESUME
    # A table without a default: a new word for what is there must be decided, or the tests over
    # all rows fail.
    return _UNFINISHED[remains]


# Whether the configuration was edited does not matter here: fixing it is why people run again.
_UNFINISHED = {
    Remains.NOTHING: Action.RUN,
    Remains.HALF: Action.RESET,
    Remains.MIXED: Action.REFUSE_MIXED,
    Remains.FOREIGN: Action.REFUSE_FOREIGN,
}
