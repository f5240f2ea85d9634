"""Every row of the table that says what becomes of an earlier run of kubeadm."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from machineadm.steps.kubeadm.decide import Action, Event, Remains, decide
from machineadm.steps.kubeadm.scene import Role

ROLES: tuple[Role, ...] = get_args(Role)
N, H, M, J, F = Remains.NOTHING, Remains.HALF, Remains.MIXED, Remains.JOINED, Remains.FOREIGN
# (event, edited) by what is there, in the order N, H, M, J, F. `on` stands for what the role makes of a node of ours.
_UNFINISHED = (Action.RUN, Action.RESET, Action.REFUSE_MIXED, "on", Action.REFUSE_FOREIGN)
_EDITED = (*_UNFINISHED[:3], Action.REFUSE_CHANGED, Action.REFUSE_FOREIGN)
_NO_RECORD = (Action.RUN, *4 * (Action.REFUSE_NODE,))
ROWS = {
    (Event.NONE, False): _NO_RECORD,
    (Event.NONE, True): _NO_RECORD,
    (Event.STARTED, False): _UNFINISHED,
    (Event.STARTED, True): _EDITED,
    (Event.FAILED, False): _UNFINISHED,
    (Event.FAILED, True): _EDITED,
    (Event.DONE, False): 5 * (Action.LEAVE,),
    (Event.DONE, True): 5 * (Action.REFUSE_CHANGED,),
}
ON: dict[Role, Action] = {
    "Initialize": Action.RESUME,
    "JoinControlPlane": Action.RESUME,
    "JoinWorker": Action.CONCLUDE,
}
ALL = list(itertools.product(Event, (N, H, M, J, F), ROLES, (False, True)))


@pytest.mark.parametrize(("event", "remains", "role", "edited"), ALL)
def test_a_row(event: Event, remains: Remains, role: Role, edited: bool) -> None:
    wanted = ROWS[event, edited][(N, H, M, J, F).index(remains)]

    assert decide(event, remains, role, edited=edited) is (ON[role] if wanted == "on" else wanted)


def test_only_half_a_node_that_is_all_ours_is_ever_reset() -> None:
    resets = {
        (event, remains)
        for event, remains, role, edited in ALL
        if decide(event, remains, role, edited=edited) is Action.RESET
    }

    assert resets == {(Event.STARTED, H), (Event.FAILED, H)}


def test_what_somebody_else_made_is_never_called_done_and_never_run_upon() -> None:
    for event, role, edited in itertools.product((Event.STARTED, Event.FAILED), ROLES, (0, 1)):
        assert decide(event, F, role, edited=bool(edited)) is Action.REFUSE_FOREIGN
