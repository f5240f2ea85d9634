"""How far an unfinished run of kubeadm came, and what is done about it.

kubeadm can die at any instant (children die with the agent), so "joined" is read from the machine, after `evidence.py` has
found that what is there is ours:

- Worker: kubelet.conf is there, and so is the client certificate that it names. The kubelet writes kubelet.conf before its
  certificate has been signed (`LoadClientConfig`), so the file alone proves nothing. After that point kubeadm only
  notes the CRI socket on the Node object (up to 1.33), which nothing needs to run: such a worker is done.
- Further control plane: as for a worker, or etcd's manifest is there. kubeadm writes that file after it has made this machine
  a member of the etcd cluster. A reset would remove the member's data, but it cannot remove the member as long as there is no
  kubelet.conf to take the node's name from. Two voting members, one of them gone, are an etcd without a quorum. So from there on
  kubeadm is resumed. It does not add an existing member again. But it asks (from 1.31) to promote one that votes already, which
  etcd refuses: once kubeadm has printed that it waits for the new member, or etcd that there is none to promote, the phase that
  joins etcd is skipped. The other later phases can be repeated.
- First control plane: the API server answers to the administrator's own certificate. Everything after `wait-control-plane`
  creates or updates objects, so it is resumed from there. Until the API server answers, nobody else can have joined, and a reset
  loses nothing. It gets as much time as kubeadm itself would give it: a machine that was rebooted between kubeadm's
  last output and our record of it comes up slowly as well. Once it has answered, our record says so.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NoReturn

from machineadm.errors import KubeadmError
from machineadm.host.ports import Commands, Host, Queries
from machineadm.steps.kubeadm.decide import Event, Remains
from machineadm.steps.kubeadm.evidence import Evidence, gather_evidence
from machineadm.steps.kubeadm.record import Record
from machineadm.steps.kubeadm.scene import (
    ADMIN_CONF,
    API_SERVER,
    ETCD,
    FLAGS,
    KUBELET_CONF,
    SUPER_ADMIN_CONF,
    Scene,
)

_CLIENT_CERTIFICATE = re.compile(rb"^\s*client-certificate: ?\"?([^\s\"]+)", re.MULTILINE)
_EMBEDDED = re.compile(rb"^\s*client-certificate-data: ?\S", re.MULTILINE)

INIT_DONE = ("preflight", "certs", "kubeconfig", "etcd", "control-plane", "kubelet-start")
# Phases of init up to the one that waits for the API server. If one of them failed, kubeadm has waited already, and a short look
# is enough.
_BEFORE_ANSWER = frozenset(("", *INIT_DONE, "wait-control-plane"))
_PROBE_PAUSE = 2.0
_SHORT_PATIENCE = 10.0
_KUBELET_PATIENCE = 10.0
_PROBE_TIMEOUT = 30.0
_RESET_TIMEOUT = 300.0
_MOST_NAMED = 4

JOIN_DONE = ("preflight", "control-plane-prepare", "check-etcd")
JOIN_KUBELET = ("kubelet-start",)


def event_of(record: Record | None) -> Event:
    """What the record says, in one word."""
    return Event.NONE if record is None else Event(record.event)


def survey(scene: Scene, host: Host, record: Record) -> tuple[Remains, Evidence]:
    """Judge what is left of an unfinished run. May start the kubelet, and wait, to find out whether the API server answers."""
    evidence = gather_evidence(scene, host, record)
    if evidence.foreign:
        return Remains.FOREIGN, evidence
    # Spoils alone are no reason to refuse: nothing of ours is there, so nothing will be reset.
    if not evidence.ours:
        return Remains.NOTHING, evidence
    if _has_come_far(scene, host, record, evidence):
        return Remains.JOINED, evidence
    return (Remains.MIXED if evidence.spoils else Remains.HALF), evidence


def _has_come_far(scene: Scene, host: Host, record: Record, evidence: Evidence) -> bool:
    if scene.role == "Initialize":
        return record.up or _came_up(scene, host, record)
    return has_joined(host) or (scene.role == "JoinControlPlane" and ETCD in evidence.ours)


def has_joined(host: Host) -> bool:
    """Whether the kubelet has its client certificate."""
    kubeconfig = host.files.read(KUBELET_CONF) or b""
    if _EMBEDDED.search(kubeconfig):
        return True
    named = _CLIENT_CERTIFICATE.search(kubeconfig)
    return named is not None and bool(host.files.read(named[1].decode()))


def refuse_lost_node(host: Host, record: Record) -> None:
    """Refuse to call a machine a node after somebody has reset it.

    Raises:
        KubeadmError: It was one, and its kubelet.conf is gone.
    """
    if record.joined and host.files.stat(KUBELET_CONF) is None:
        raise KubeadmError(
            "MA4044",
            f"this machine was a node, but {KUBELET_CONF} is gone",
            hint="to make it a node again, run `machineadm reset`, then run again",
        )


def done_phases(scene: Scene, host: Host) -> tuple[str, ...]:
    """The phases that a resumed run skips.

    `kubelet-start` fails once the node is ready, but without it the kubelet has no configuration. The kubelet
    goes on by itself when kubeadm dies, so it gets a moment to fetch its certificate.
    """
    start_kubelet(host)
    if scene.role == "Initialize":
        return INIT_DONE
    until = host.clock.monotonic() + _KUBELET_PATIENCE
    while not has_joined(host) and host.clock.monotonic() < until:
        host.clock.sleep(_PROBE_PAUSE)
    return JOIN_DONE + (JOIN_KUBELET if has_joined(host) else ())


def start_kubelet(host: Host) -> None:
    """Start the kubelet if it does not run. kubeadm only warns if the unit is not enabled, so after a reboot it may not."""
    # Only where it does not run: a restart of one that is just fetching its certificate would
    # begin the request anew.
    if host.services is not None and not host.services.active("kubelet.service"):
        host.services.restart("kubelet.service")


def why_reset(record: Record, evidence: Evidence) -> str:
    """The reason for a reset, for the log and for a plan."""
    return f"{story(record)} and left {named(evidence.ours)}"


def story(record: Record) -> str:
    """How the recorded run ended."""
    began = f" of {moment(record.windows[-1].start)}" if record.windows else ""
    where = f" in phase {record.phase}" if record.phase else ""
    return f"the kubeadm{began} {'failed' if record.event == 'failed' else 'was cut off'}{where}"


def named(paths: Sequence[str]) -> str:
    """The first few paths, and how many more there are."""
    # Not all: a pki directory has twenty files, and a message is one line.
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(paths[:_MOST_NAMED]) + more


def refuse_foreign(record: Record, evidence: Evidence) -> NoReturn:
    """Refuse what somebody else has made, restored or replaced.

    Raises:
        KubeadmError: Always.
    """
    if record.windows:
        until = moment(record.windows[-1].end)
        reason = f"{story(record)}; since {until} somebody else created or replaced them"
    else:
        reason = "an earlier machineadm started here, and kept no proof that they are its own"
    raise KubeadmError(
        "MA4045",
        f"{named(evidence.foreign)}: {reason}. Nothing was changed",
        hint="if this machine is a node now, it needs no machineadm: disable the unit machineadm-resume; to set it"
        " up again, run `machineadm reset` first",
    )


def refuse_mixed(record: Record, evidence: Evidence) -> NoReturn:
    """Refuse a reset that would take more than what is ours.

    Raises:
        KubeadmError: Always.
    """
    raise KubeadmError(
        "MA4046",
        f"{story(record)}, and a reset would also remove {named(evidence.spoils)}, which machineadm did not make",
        hint="back up what you need, run `machineadm reset`, restore it, and run again",
    )


def reset_command(scene: Scene) -> tuple[str, ...]:
    """The command line that has kubeadm take back what it did."""
    # With more than one socket on the machine kubeadm refuses to choose.
    socket = () if scene.cri_socket is None else (f"--cri-socket={scene.cri_socket}",)
    # --force: there is nobody to answer its question.
    return ("kubeadm", "reset", "--force", f"--cert-dir={scene.certificates}", *socket)


def reset(scene: Scene, host: Host, reason: str) -> None:
    """Have kubeadm take back what it did, and log the reason first.

    It empties /etc/kubernetes/manifests, the certificates' directory and /var/lib/kubelet, removes the kubeconfigs below
    /etc/kubernetes, etcd's data, and the containers. Earlier steps write their files again.

    Raises:
        KubeadmError: It failed.
    """
    argv = reset_command(scene)
    result = commands_of(host).run(
        argv, timeout=_RESET_TIMEOUT, note=f"running kubeadm reset: {reason}"
    )
    if result.exit_code != 0:
        from machineadm.steps.kubeadm.failures import diagnose

        failure = diagnose(result.output, command=argv, exit_code=result.exit_code)
        raise KubeadmError(
            "MA4042",
            f"the unfinished kubeadm run could not be reset: {failure.message}",
            hint=failure.hint() or "run `kubeadm reset` yourself",
            log_tail=result.output,
            command=argv,
            process_exit_code=result.exit_code,
        )


def commands_of(host: Host) -> Commands:
    """The commands port. A live step never sees a host without one.

    Raises:
        KubeadmError: The host has none after all.
    """
    if host.commands is None:
        raise KubeadmError("MA4101", "kubeadm cannot run here: this is not a running machine")
    return host.commands


def queries_of(host: Host) -> Queries:
    """The queries port. A live step never sees a host without one.

    Raises:
        KubeadmError: The host has none after all.
    """
    if host.queries is None:
        raise KubeadmError("MA4101", "kubeadm cannot be asked here: this is not a running machine")
    return host.queries


def _came_up(scene: Scene, host: Host, record: Record) -> bool:
    needed = (API_SERVER, ADMIN_CONF, KUBELET_CONF, FLAGS)
    # Without all of these no API server can have been started, so there is none to wait for.
    if not all(host.files.read(path) for path in needed):
        return False
    start_kubelet(host)
    waited = record.event == "failed" and record.phase in _BEFORE_ANSWER
    return _answers(host, min(scene.patience, _SHORT_PATIENCE) if waited else scene.patience)


def _answers(host: Host, patience: float) -> bool:
    """Whether the API server lists the bootstrap tokens for the administrator. Needs no kubectl, which may not be installed."""
    # From 1.29 on admin.conf gets its rights by a binding that kubeadm creates only after the API
    # server is up.
    best = SUPER_ADMIN_CONF if host.files.stat(SUPER_ADMIN_CONF) is not None else ADMIN_CONF
    argv = ("kubeadm", "token", "list", f"--kubeconfig={best}")
    until = host.clock.monotonic() + patience
    while True:
        result = queries_of(host).ask(argv, timeout=_PROBE_TIMEOUT)
        if result.exit_code == 0:
            return True
        if host.clock.monotonic() >= until:
            return False
        host.clock.sleep(_PROBE_PAUSE)


def moment(seconds: float) -> str:
    """An instant, for a message."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
