"""Whether a machine is still what its configuration says: what a run would change, how the last one ended, whether the node lives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from machineadm.actions.node_health import ailments
from machineadm.actions.suitability import Flaw
from machineadm.agent.preflight import identity_of
from machineadm.agent.preparing import Ready, prepare
from machineadm.agent.providing import holds_unknown
from machineadm.agent.request import Request
from machineadm.agent.wiring import Machine
from machineadm.execution.events import Event
from machineadm.execution.looking import look
from machineadm.host.ports import State
from machineadm.plan.look import Look, Standing
from machineadm.plan.model import Phase
from machineadm.plan.render import describe

_KUBELET_CONF: Final = "/etc/kubernetes/kubelet.conf"


def departures(
    request: Request, machine: Machine, listen: Callable[[Event], None] = lambda _: None
) -> tuple[Flaw, ...]:
    """Everything that is not as it should be, without secrets.

    Args:
        request: What the machine should be.
        machine: Only queried.
        listen: Told of warnings about the configuration.

    Raises:
        MachineadmError: The configuration is refused, or is of another node.
    """
    # As a plan: nothing is changed and no provider executed.
    ready = prepare(request, machine, listen=listen, ahead=True)
    # Of another node everything would differ, and a list of it would help nobody.
    ready.journal.guard(identity_of(ready.configuration.kubernetes))
    looks = look(ready.context(machine.host, request.mode))
    redactor = machine.redactor
    # What limits the look comes first, then how the last run ended, then what differs.
    found = [*_of_user(machine), *_of_last_run(machine.host.state), *_of_looks(looks)]
    found += _of_node(ready, machine)
    return tuple(
        msgspec.structs.replace(
            one,
            message=redactor.text(one.message),
            changes=tuple(redactor.text(line) for line in one.changes),
        )
        for one in found
    )


def _of_user(machine: Machine) -> Iterator[Flaw]:
    if not machine.is_root:
        yield Flaw(
            code="MA4607",
            severity="warning",
            message="an ordinary user cannot see everything: files of root's and the container runtime were not looked at",
            hint="run it as root",
        )


def _of_last_run(state: State) -> Iterator[Flaw]:
    from machineadm.reporting.sinks import read_status

    try:
        status = read_status(state)
    except ValueError:  # damaged, or bytes that are not text
        status = None
    if status is None:
        yield Flaw(
            code="MA4602",
            severity="error",
            message="no bootstrap has run here",
            hint="`machineadm bootstrap` makes the machine what the configuration says",
        )
    elif status.phase == "Failed" and status.error is not None:
        yield Flaw(
            code="MA4602",
            severity="error",
            message=f"the last run failed: {status.error.code} {status.error.message}",
            hint="`machineadm status` shows its report; fix the cause, and run bootstrap again",
        )


def _of_looks(looks: tuple[Look, ...]) -> Iterator[Flaw]:
    for one in looks:
        # What is deferred or in place is as it should be.
        if one.standing is not Standing.TO_DO:
            continue
        if holds_unknown(one.step):
            # It differs by its placeholder alone, on every machine.
            yield Flaw(
                code="MA4608",
                severity="warning",
                message=f"{one.step.name}: was not compared, because a value comes from a plugin, which a check does not ask",
                hint="`machineadm bootstrap` asks it, and puts right what differs",
            )
        else:
            yield Flaw(
                code="MA4601",
                severity="error",
                message=f"{one.step.name}: {one.work.summary or 'differs'}",
                changes=tuple(line for effect in one.work.effects for line in describe(effect)),
            )


def _of_node(ready: Ready, machine: Machine) -> Iterator[Flaw]:
    kubernetes, host = ready.configuration.kubernetes, machine.host
    # A machine that is only prepared has no node to be well.
    joins = any(step.phase is Phase.KUBEADM for step in ready.plan.steps)
    if kubernetes is None or not joins or host.offline:
        return
    # Before kubeadm has run, its step says that this is not a node.
    if host.files.stat(_KUBELET_CONF) is not None:
        yield from ailments(kubernetes, ready.configuration.machine, host, is_root=machine.is_root)
