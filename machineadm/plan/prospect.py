"""What a plan would do, step by step: the answer of the checks alone."""

from __future__ import annotations

import enum

import msgspec

from machineadm.plan.model import Outlook, Phase


class Standing(str, enum.Enum):
    """How a step stands before a run."""

    TO_DO = "ToDo"
    IN_PLACE = "InPlace"
    DEFERRED = "Deferred"


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """One step and what its check found."""

    step: str
    phase: Phase
    standing: Standing
    outlook: Outlook


def anything_to_do(prospects: tuple[Prospect, ...]) -> bool:
    """Whether a run would change anything; what is deferred does not count."""
    return any(prospect.standing is Standing.TO_DO for prospect in prospects)
