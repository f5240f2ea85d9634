"""Catalogues of hardening rules, and which of their controls hold on a machine now. Queries only.

The catalogues are in `config.catalogues`. Whoever can only be asked in person is told so: no catalogue is ever
said to hold as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from machineadm.actions.compliance.looking import Machine
from machineadm.actions.compliance.verdicts import Answer, judged
from machineadm.config.catalogues import Catalogue, Control, catalogue
from machineadm.errors import HostError
from machineadm.host.ports import Host

__all__ = ["Catalogue", "Control", "Judged", "audit", "catalogue"]

_LACKS: Final = {
    "controlPlane": "API server",
    "etcd": "etcd of its own",
    "node": "configuration of a kubelet",
    "worker": "kubelet without a control plane",
}

State = Literal["holds", "fails", "manual", "notHere", "excepted", "unknown"]
"""`unknown`: what would show it cannot be read."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A control, and how it stands on this machine."""

    control: Control
    state: State
    where: str = ""
    """What was looked at: a path, a flag in a file."""
    found: str = ""
    """The value there now; or why it is an exception."""


def audit(found: Catalogue, host: Host, exceptions: Mapping[str, str]) -> tuple[Judged, ...]:
    """Judge every control of a catalogue.

    Args:
        found: The catalogue.
        host: Only queried; a tree is judged by its files.
        exceptions: Why a control need not hold, by its id.
    """
    machine = Machine(host)
    return tuple(_one(control, machine, exceptions) for control in found.controls)


def _one(control: Control, machine: Machine, exceptions: Mapping[str, str]) -> Judged:
    try:
        answer = _answer(control, machine)
    except HostError as error:
        # Of this control alone: the others may have other files, and an audit that ends at the
        # first one would hide what they show.
        answer = Answer("unknown", "", f"{error.code} {error.message}")
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # A file of another form than its program takes, or a path that is none.
        answer = Answer(
            "unknown", "", f"the file that it judges cannot be read ({type(error).__name__})"
        )
    if answer.state in ("fails", "unknown") and control.id in exceptions:
        answer = Answer("excepted", answer.where, exceptions[control.id])
    return Judged(control=control, state=answer.state, where=answer.where, found=answer.found)


def _answer(control: Control, machine: Machine) -> Answer:
    test = control.test
    if control.part in _LACKS and not machine.has(control.part):
        return Answer("notHere", "", f"this machine has no {_LACKS[control.part]}")
    if test is None:
        return Answer("manual", "", "people must say")
    return judged(test.of, test.names, test.must, test.value, machine, unset=test.unset)
