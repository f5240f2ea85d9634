"""The step that runs `kubeadm init` or `kubeadm join`: what it is, and what a plan shows of it.

What a run does is in `attempt.py`, which is imported only if there is something to do, or if an earlier run left something.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Work
from machineadm.steps.kubeadm.order import Order
from machineadm.steps.kubeadm.record import read_record

if TYPE_CHECKING:
    from machineadm.steps.kubeadm.attempt import Attempt

# A failure that may pass is tried again for 15 minutes, half of a run's default deadline, so that the last attempt can still finish.
_BUDGET = 900.0
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0


class RunKubeadm(Order, frozen=True, kw_only=True):
    """Run kubeadm once, to its end."""

    phase: Phase = Phase.KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = True

    def check(self, host: Host) -> Work:
        """See `Step.check`. Waits for nothing, so whether an API server answers is left open.

        Raises:
            KubeadmError: The machine is a node already, and not by this configuration.
        """
        if read_record(host, self.machine) is None and not self.is_node(host):
            # Without importing what judges remains: a first plan, which is what most plans are,
            # does not pay for it.
            return self.work()  # nothing is there to be judged
        return self._attempt(host).check()

    def apply(self, host: Host, _work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            KubeadmError: kubeadm failed, does not fit, or must not run on this machine.
        """
        return self._attempt(host).apply()

    def recover(self, host: Host) -> bool:
        """See `Recoverable.recover`."""
        return read_record(host, self.machine) is not None and self._attempt(host).recover()

    def clean(self, host: Host) -> None:
        """See `Recoverable.clean`."""
        if read_record(host, self.machine) is not None:
            self._attempt(host).clean()

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """See `Recoverable.retry_delay`."""
        # The exponent is bounded: an integer of a thousand bits does not fit into a float.
        pause = min(_FIRST_PAUSE * 2 ** min(attempt - 1, 10), _LONGEST_PAUSE)
        return pause if elapsed + pause <= _BUDGET else None

    def _attempt(self, host: Host) -> Attempt:
        from machineadm.steps.kubeadm.attempt import Attempt

        return Attempt(self, host)
