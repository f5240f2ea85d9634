"""The state of each step of a plan before a run, by the checks alone."""

from __future__ import annotations

import enum

import msgspec

from machineadm.plan.model import Step, Work


class Standing(str, enum.Enum):
    """What a run would do about a step."""

    TO_DO = "ToDo"
    IN_PLACE = "InPlace"
    DEFERRED = "Deferred"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One step, and what was seen of it."""

    step: Step
    standing: Standing
    work: Work


def anything_to_do(looks: tuple[Look, ...]) -> bool:
    """Whether a run would change anything. Deferred steps do not count."""
    # Otherwise a tree whose live steps are left to the first boot would never be done, and each
    # run would write to it.
    return any(look.standing is Standing.TO_DO for look in looks)
