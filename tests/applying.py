"""One step at a time, as the engine would have it, and whole plans on a fake host."""

from __future__ import annotations

from collections.abc import Callable

from machineadm.execution.context import Context
from machineadm.execution.events import Event
from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.execution.looking import Ending, look
from machineadm.execution.runner import execute
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Plan, Step


def apply(step: Step, host: Host) -> Outcome:
    """Do what the step says now."""
    return step.apply(host, step.check(host))


def context_of(
    plan: Plan,
    host: Host,
    *,
    machine_id: str = "m1",
    boot_id: str = "b1",
    mode: str = "provisioning",
) -> Context:
    """A run over a plan, with what the host's state remembers."""
    journal = Journal(host.state, host.clock, machine_id=machine_id, boot_id=boot_id)
    ledger = Ledger(host.state, machine_id=machine_id, boot_id=boot_id)
    return Context(plan, host, journal, ledger, mode=mode)


def carry_out(
    plan: Plan,
    host: Host,
    observe: Callable[[Event], None] = lambda _: None,
    *,
    machine_id: str = "m1",
    boot_id: str = "b1",
    mode: str = "provisioning",
) -> Ending:
    """Look, then act, as a bootstrap does."""
    context = context_of(plan, host, machine_id=machine_id, boot_id=boot_id, mode=mode)
    return execute(context, look(context), observe)
