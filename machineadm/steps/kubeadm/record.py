"""Our own record of what kubeadm was asked to do on this machine, in the state directory.

The journal keys a step by its digest; this record survives a fix of the configuration. It tells our work from what somebody
else made (`evidence.py`), and a control plane that was up once from one that never was.

A record of a build that kept no windows proves nothing, so what is there must not be reset.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from machineadm.host.ports import Host

NAME = "kubeadm.json"


class Window(msgspec.Struct, frozen=True, array_like=True):
    """A time in which a kubeadm of ours can have written, in seconds since 1970."""

    start: float
    end: float


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The last thing known of kubeadm on this machine."""

    machine: str
    """machine-id: a golden image does not hand its record on."""

    digest: str
    """Digest of the step."""

    event: Literal["started", "failed", "done"]

    phase: str = ""
    """kubeadm's phase, when it failed or was last heard of."""

    up: bool = False
    """The control plane has answered once: from here on kubeadm is resumed, never reset."""

    joined: bool = False
    """kubelet.conf was there when kubeadm was done (skipPhases may leave it to others)."""

    promoted: bool = False
    """etcd has made this machine a voting member: kubeadm must not ask for that again, for etcd refuses it, for ever."""

    role: str = ""
    """What kubeadm was to make of the machine; empty in a record of an earlier build, as the next three are."""

    certificates: str = ""
    """Directory of the certificates."""

    etcd_data: str = ""
    """Directory of etcd's data."""

    cri_socket: str | None = None

    windows: tuple[Window, ...] = ()
    """When it ran: at most one for each attempt whose work is still there."""

    older: tuple[str, ...] = ()
    """Paths that a reset would take, but that were there before kubeadm was first started."""

    given: tuple[str, ...] = ()
    """As `older`; but the configuration had written them."""


def read_record(host: Host, machine: str) -> Record | None:
    """The record of this machine; None when there is none, or it is another machine's."""
    # In the state directory: it must outlive the reboot that cut kubeadm off.
    content = host.state.read(NAME, durable=True)
    if content is None:
        return None
    try:
        record = msgspec.json.decode(content, type=Record)
    except (ValueError, RecursionError):
        # As without a record: nothing is proved, so nothing will be reset, and a node is refused as foreign.
        return None
    return record if record.machine == machine else None


def write_record(host: Host, record: Record) -> None:
    """Replace the record, on the disk before this returns."""
    # Flushed each time, every two seconds while kubeadm runs: what is not on the disk proves
    # nothing after a power cut.
    host.state.write(NAME, msgspec.json.encode(record), durable=True)


def forget(host: Host) -> None:
    """Remove the record: nothing of kubeadm is left on this machine."""
    host.state.remove(NAME, durable=True)
