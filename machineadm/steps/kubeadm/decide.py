"""What becomes of an earlier run of kubeadm: a table, and nothing else.

`evidence.py` and `remains.py` look at the machine and say what is there in one word; this says what to do about it.
"""

from __future__ import annotations

import enum

from machineadm.steps.kubeadm.scene import Role


class Event(enum.Enum):
    """The last thing that our record knows of kubeadm on this machine."""

    NONE = "none"
    """There is no record, or it is of a run that changed nothing."""

    STARTED = "started"
    """It was started; the run was cut off."""

    FAILED = "failed"
    """It ended with an error."""

    DONE = "done"
    """It ended well."""


class Remains(enum.Enum):
    """What is there."""

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
        role: What kubeadm is to make of it.
        edited: The configuration is not the one that the record is of.
    """
    if event is Event.DONE:
        return Action.REFUSE_CHANGED if edited else Action.LEAVE
    if event is Event.NONE:
        return Action.RUN if remains is Remains.NOTHING else Action.REFUSE_NODE
    if remains is Remains.JOINED:
        if edited:
            return Action.REFUSE_CHANGED
        return Action.CONCLUDE if role == "JoinWorker" else Action.RESUME
    return _UNFINISHED[remains]


_UNFINISHED = {
    Remains.NOTHING: Action.RUN,
    Remains.HALF: Action.RESET,
    Remains.MIXED: Action.REFUSE_MIXED,
    Remains.FOREIGN: Action.REFUSE_FOREIGN,
}
