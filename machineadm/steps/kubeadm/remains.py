"""What an unfinished run of kubeadm has left on the machine, and whether that may be reset.

The rule is cli.md's: kubeadm is reset only if our own record says that it was started and not finished, and the node has
not joined. kubeadm can die at any instant (children die with the agent), so "joined" is read from the machine:

- Worker: kubelet.conf is there and so is the client certificate that it names. The kubelet writes kubelet.conf before its
  certificate has been signed (`LoadClientConfig`), so the file alone proves nothing. What kubeadm does after that point is
  to note the CRI socket on the Node object (up to 1.33), which nothing needs to run: such a worker is done.
- Further control plane: as for a worker, or etcd's manifest is there. kubeadm writes that one after it has made this machine
  a member of the etcd cluster; a reset would remove the member's data but not, as long as there is no kubelet.conf to tell the
  node's name from, the member: two voting members of which one is gone are an etcd without a quorum. From there on kubeadm
  is resumed: every later phase may be repeated (an existing member is not added again, a promoted one not promoted).
- First control plane: the API server answers to the administrator's own certificate. All that comes after
  `wait-control-plane` creates or updates objects, so it is resumed from there. Until the API server answers, nobody else
  can have joined, and a reset loses nothing. It is given the time that kubeadm itself would give it, for a machine that
  was rebooted after kubeadm's last word and before our record of it comes up slowly, too. Once it has answered, our record
  keeps that.
"""

from __future__ import annotations

import enum
import re

import msgspec

from machineadm.errors import KubeadmError
from machineadm.host.ports import Commands, Host, Queries
from machineadm.steps.kubeadm.record import Record

KUBERNETES = "/etc/kubernetes"
KUBELET_CONF = f"{KUBERNETES}/kubelet.conf"
BOOTSTRAP_CONF = f"{KUBERNETES}/bootstrap-kubelet.conf"
MANIFESTS = f"{KUBERNETES}/manifests"
_ETCD = f"{MANIFESTS}/etcd.yaml"
_API_SERVER = f"{MANIFESTS}/kube-apiserver.yaml"
_FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
_SUPER_ADMIN_CONF = f"{KUBERNETES}/super-admin.conf"
_ADMIN_CONF = f"{KUBERNETES}/admin.conf"
# What kubeadm writes and no step of ours does.
_TRACES = (
    _FLAGS,
    KUBELET_CONF,
    _ADMIN_CONF,
    _SUPER_ADMIN_CONF,
    BOOTSTRAP_CONF,
    f"{KUBERNETES}/controller-manager.conf",
    f"{KUBERNETES}/scheduler.conf",
    _API_SERVER,
    f"{MANIFESTS}/kube-controller-manager.yaml",
    f"{MANIFESTS}/kube-scheduler.yaml",
    _ETCD,
)
_CLIENT_CERTIFICATE = re.compile(rb"^\s*client-certificate: ?\"?([^\s\"]+)", re.MULTILINE)
_EMBEDDED = re.compile(rb"^\s*client-certificate-data: ?\S", re.MULTILINE)

INIT_DONE = ("preflight", "certs", "kubeconfig", "etcd", "control-plane", "kubelet-start")
# Phases of init up to the one that sees the API server answer: if one of them failed, it never did.
_BEFORE_ANSWER = frozenset(("", *INIT_DONE, "wait-control-plane"))
_PROBE_PAUSE = 2.0
_KUBELET_PATIENCE = 10.0
_PROBE_TIMEOUT = 30.0
_RESET_TIMEOUT = 300.0

JOIN_DONE = ("preflight", "control-plane-prepare", "check-etcd")
JOIN_KUBELET = ("kubelet-start",)


class Remains(enum.Enum):
    """What is there."""

    NOTHING = "nothing"
    HALF = "half"
    """Less than a node: to be reset."""

    JOINED = "joined"
    """A node, or about to be one: never to be reset."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known of a kubeadm step to judge its remains."""

    role: str
    """`Initialize`, `JoinControlPlane` or `JoinWorker`."""

    certificates: str
    """Folder of the certificates."""

    cri_socket: str | None
    patience: float
    """Seconds that the API server is given to answer."""


def survey(scene: Scene, host: Host, record: Record | None) -> Remains:
    """Judge what is left. May wait, and start the kubelet, to hear whether the API server answers."""
    traces = [path for path in _traces(scene) if host.files.stat(path) is not None]
    if not traces:
        return Remains.NOTHING
    if scene.role == "Initialize":
        up = record is not None and record.up
        return Remains.JOINED if up or _came_up(scene, host, record) else Remains.HALF
    if has_joined(host) or (scene.role == "JoinControlPlane" and _ETCD in traces):
        return Remains.JOINED
    return Remains.HALF


def has_joined(host: Host) -> bool:
    """Whether the kubelet has its client certificate."""
    kubeconfig = host.files.read(KUBELET_CONF) or b""
    if _EMBEDDED.search(kubeconfig):
        return True
    named = _CLIENT_CERTIFICATE.search(kubeconfig)
    return named is not None and bool(host.files.read(named[1].decode()))


def refuse_lost_node(host: Host, record: Record) -> None:
    """Refuse to call a machine a node that somebody has reset since.

    Raises:
        KubeadmError: It was one, and its kubelet.conf is gone.
    """
    if record.joined and host.files.stat(KUBELET_CONF) is None:
        raise KubeadmError(
            "MA4044",
            f"this machine was a node, but {KUBELET_CONF} is gone",
            hint=f"to make it a node again, run `kubeadm reset` and remove {host.state.state_directory}",
        )


def done_phases(scene: Scene, host: Host) -> tuple[str, ...]:
    """The phases that a resumed run leaves out.

    `kubelet-start` refuses to go on once the node is ready, and without it the kubelet has no configuration. The kubelet
    goes on by itself when kubeadm dies, so it is given a moment to get its certificate.
    """
    if scene.role == "Initialize":
        return INIT_DONE
    start_kubelet(host)
    until = host.clock.monotonic() + _KUBELET_PATIENCE
    while not has_joined(host) and host.clock.monotonic() < until:
        host.clock.sleep(_PROBE_PAUSE)
    return JOIN_DONE + (JOIN_KUBELET if has_joined(host) else ())


def start_kubelet(host: Host) -> None:
    """Have the kubelet run, which is not sure after a reboot: kubeadm starts it, and only warns when it is not enabled."""
    if host.services is not None and not host.services.active("kubelet.service"):
        host.services.restart("kubelet.service")


def reset(scene: Scene, host: Host) -> None:
    """Have kubeadm take back what it did.

    It empties /etc/kubernetes/manifests, the certificates' folder and /var/lib/kubelet, removes the kubeconfigs below
    /etc/kubernetes, etcd's data, and the containers; the steps before write their files again.

    Raises:
        KubeadmError: It failed.
    """
    argv = ["kubeadm", "reset", "--force", f"--cert-dir={scene.certificates}"]
    if scene.cri_socket is not None:
        argv.append(f"--cri-socket={scene.cri_socket}")
    result = commands_of(host).run(argv, timeout=_RESET_TIMEOUT)
    if result.exit_code != 0:
        from machineadm.steps.kubeadm.failures import diagnose

        failure = diagnose(result.output, command=tuple(argv), exit_code=result.exit_code)
        raise KubeadmError(
            "MA4042",
            f"what an unfinished kubeadm left could not be removed: {failure.message}",
            hint=failure.hint() or "run `kubeadm reset` by hand",
            log_tail=result.output,
            command=tuple(argv),
            process_exit_code=result.exit_code,
        )


def commands_of(host: Host) -> Commands:
    """The commands port; a live step never meets a host without one.

    Raises:
        KubeadmError: It does.
    """
    if host.commands is None:
        raise KubeadmError("MA4101", "kubeadm cannot run here: this is not a running machine")
    return host.commands


def queries_of(host: Host) -> Queries:
    """The queries port; a live step never meets a host without one.

    Raises:
        KubeadmError: It does.
    """
    if host.queries is None:
        raise KubeadmError("MA4101", "kubeadm cannot be asked here: this is not a running machine")
    return host.queries


def _traces(scene: Scene) -> tuple[str, ...]:
    authority = f"{scene.certificates}/ca.crt" if scene.role == "JoinWorker" else None
    return (*_TRACES, f"{scene.certificates}/apiserver.crt", *([authority] if authority else ()))


def _came_up(scene: Scene, host: Host, record: Record | None) -> bool:
    if record is not None and record.event == "failed" and record.phase in _BEFORE_ANSWER:
        return False
    needed = (_API_SERVER, _ADMIN_CONF, KUBELET_CONF, _FLAGS)
    if not all(host.files.read(path) for path in needed):
        return False
    start_kubelet(host)
    return _answers(host, scene.patience)


def _answers(host: Host, patience: float) -> bool:
    """Whether the API server lists the bootstrap tokens for the administrator: kubeadm alone is needed to ask."""
    best = _SUPER_ADMIN_CONF if host.files.stat(_SUPER_ADMIN_CONF) is not None else _ADMIN_CONF
    argv = ("kubeadm", "token", "list", f"--kubeconfig={best}")
    until = host.clock.monotonic() + patience
    while True:
        result = queries_of(host).ask(argv, timeout=_PROBE_TIMEOUT)
        if result.exit_code == 0:
            return True
        if host.clock.monotonic() >= until:
            return False
        host.clock.sleep(_PROBE_PAUSE)
