"""Our own record of what kubeadm was asked to do on this machine, in the state directory.

The journal keys a step by its digest; this record outlives a mended configuration. It tells work of ours from a node that
somebody else made, and a control plane that was up once from one that never was.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from machineadm.host.ports import Host

NAME = "kubeadm.json"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing known of kubeadm on this machine."""

    machine: str
    """machine-id: a golden image does not hand its record on."""

    digest: str
    """Digest of the step."""

    event: Literal["started", "failed", "done"]

    phase: str = ""
    """kubeadm's phase, when it failed."""

    up: bool = False
    """The control plane has answered once: from here on kubeadm is resumed, never reset."""

    joined: bool = False
    """kubelet.conf was there when kubeadm was done (skipPhases may leave it to others)."""


def read_record(host: Host, machine: str) -> Record | None:
    """The record of this machine; None when there is none, or it is another machine's."""
    content = host.state.read(NAME, durable=True)
    if content is None:
        return None
    try:
        record = msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError:
        return None
    return record if record.machine == machine else None


def write_record(host: Host, record: Record) -> None:
    """Replace the record, on the disk before this returns."""
    host.state.write(NAME, msgspec.json.encode(record), durable=True)


def forget(host: Host) -> None:
    """Remove the record: nothing of kubeadm is left on this machine."""
    host.state.remove(NAME, durable=True)
