"""A placeholder in a plan for steps whose values only the running machine knows."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.errors import InternalError
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Work, digest_of


class AwaitValues(msgspec.Struct, frozen=True, kw_only=True):
    """Steps below another root that refer to instance data not known yet: the machine itself will do them."""

    name: str
    phase: Phase
    # The paths and no values: the plan of a tree says what the machine itself will have to find
    # out.
    references: tuple[str, ...]
    """Paths of what is not known."""
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.references)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            InternalError: It is asked for on a machine that runs, where every value is known or refused.
        """
        del host
        raise InternalError("MA9001", f"{self.name}: values were not resolved before the plan")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        del host
        return Outcome(change=work.change)
