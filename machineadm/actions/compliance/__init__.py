"""Catalogues of hardening rules, and which of their controls hold on a machine now. Queries only.

A catalogue is data beside this module, with its edition in its name. Whoever can only be asked in person is told so: no catalogue is ever
said to hold as a whole.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from machineadm.actions.compliance.looking import Machine
from machineadm.actions.compliance.verdicts import Answer, judged
from machineadm.host.ports import Host

EDITIONS: Final = {"cis": "cis-1.12.json"}
"""The file of each catalogue."""

_LACKS: Final = {
    "controlPlane": "API server",
    "etcd": "etcd of its own",
    "node": "configuration of a kubelet",
}

State = Literal["holds", "fails", "manual", "notHere", "excepted"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, and what must be so."""

    of: Literal[
        "files", "apiServer", "controllerManager", "scheduler", "etcd", "kubelet", "encryption", "authorities"
    ]  # fmt: skip
    names: tuple[str, ...]
    """Paths, flags, or fields of the kubelet's configuration with their flag (`FIELD|FLAG`)."""
    must: Literal["mode", "owner", "set", "unset", "is", "isNot", "has", "lacks", "atLeast", "only", "oneOf", "differ"]  # fmt: skip
    value: str = ""
    unset: bool = False
    """Whether it holds where nobody has set it."""


class Control(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One control of a catalogue, in words of ours."""

    id: str
    title: str
    scored: bool
    """The catalogue has a test for it that counts."""
    part: Literal["controlPlane", "etcd", "node", "people"]
    test: Rule | None = None
    """None: only people can say."""
    set_by: str = ""
    """What sets it: a field of ours, or another's work."""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue of controls."""

    profile: str
    edition: str
    kubernetes: str
    """The versions that it is written for."""
    source: str
    controls: tuple[Control, ...]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A control, and how it stands on this machine."""

    control: Control
    state: State
    where: str = ""
    """What was looked at: a path, a flag in a file."""
    found: str = ""
    """The value there now; or why it is an exception."""


def catalogue(profile: str) -> Catalogue:
    """The catalogue of a profile."""
    data = pkgutil.get_data(__package__, EDITIONS[profile]) or b""
    return msgspec.json.decode(data, type=Catalogue)


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
    test = control.test
    if control.part in _LACKS and not machine.has(control.part):
        answer = Answer("notHere", "", f"this machine has no {_LACKS[control.part]}")
    elif test is None:
        answer = Answer("manual", "", "people must say")
    else:
        answer = judged(test.of, test.names, test.must, test.value, machine, unset=test.unset)
    if answer.state == "fails" and control.id in exceptions:
        answer = Answer("excepted", answer.where, exceptions[control.id])
    return Judged(control=control, state=answer.state, where=answer.where, found=answer.found)
