"""A kubeadm that behaves, on a FakeHost: phases in their order, files as they come and go, a cluster behind it.

It can die at any instant, as by the agent's death; the kubelet that it started lives on. The phases are those of kubeadm
1.34; with `local_mode=False` those of releases up to 1.31, where the kubelet has its certificate before etcd is joined.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from machineadm.host.ports import CommandResult
from tests.fakes.host import Call, FakeHost

KUBERNETES = "/etc/kubernetes"
MANIFESTS = f"{KUBERNETES}/manifests"
PKI = f"{KUBERNETES}/pki"
KUBELET = "kubelet.service"
CLIENT_CERTIFICATE = "/var/lib/kubelet/pki/kubelet-client-current.pem"
KUBELET_CONF = f"{KUBERNETES}/kubelet.conf"
BOOTSTRAP_CONF = f"{KUBERNETES}/bootstrap-kubelet.conf"
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
ETCD_DATA = "/var/lib/etcd/member"
NAME = "machine"


class Killed(BaseException):
    """The agent, and kubeadm with it, died by SIGKILL."""


class KubeadmFailedError(Exception):
    """kubeadm ends with an error."""


class Cluster:
    """What is not on the machine.

    Attributes:
        objects: What the last phases have created, in the order of their first creation.
        members: etcd's members, and whether they vote.
        data: Members whose data is there.
        lost_quorum: A voting member's data was destroyed.
        token_expires: When the bootstrap token with a lifetime in seconds does.
    """

    def __init__(self, *members: str) -> None:
        self.objects: list[str] = []
        self.members = dict.fromkeys(members, True)
        self.data = set(members)
        self.ready: set[str] = set()
        self.lost_quorum = False
        self.token_expires = 0.0

    def create(self, name: str) -> None:
        if name not in self.objects:
            self.objects.append(name)

    def wipe(self, member: str) -> None:
        self.data.discard(member)
        if self.members.get(member) and len(self.members) > 1:
            self.lost_quorum = True


class FakeKubeadm:
    """Answers `kubeadm ...` on the host.

    Attributes:
        die_at: Number of the instant (from 1) at which it dies; None: never.
        instants: How many instants have passed since the last start.
        fail_at: Phase that fails, with the text of the error.
        version: What it says it is.
        contents: Of files that it writes, where they matter.
        runs: Verbs in their order.
        joins_meanwhile: The kubelet gets its certificate just when kubeadm starts.
        patience: Seconds for which it asks etcd for what etcd refuses.
        stays_down: This machine's API server does not answer before kubeadm was reset.
        ignores_all: No preflight check is heeded.
        running: It runs, or has died while it did.
    """

    def __init__(self, host: FakeHost, cluster: Cluster, *, local_mode: bool = True) -> None:
        self.host = host
        self.cluster = cluster
        self.local_mode = local_mode
        self.die_at: int | None = None
        self.instants = 0
        self.fail_at: dict[str, str] = {}
        self.version = "v1.34.4"
        self.contents: dict[str, str] = {}
        self.runs: list[str] = []
        self.joins_meanwhile = False
        self.stays_down = False
        self.patience = 120
        self.running = False
        self.ignores_all = False
        self._found_key = False
        self._attend: Callable[[str], None] | None = None
        self._output: list[str] = []
        self._told = 0
        host.commands.on("kubeadm", effect=self._answer)

    # What a test asks.

    def time_passes(self) -> None:
        """The kubelet, if it runs, goes on by itself: it gets its certificate and starts the static pods."""
        bootstraps = self._runs_kubelet() and self._has(BOOTSTRAP_CONF)
        joins_control_plane = self._has(f"{MANIFESTS}/kube-apiserver.yaml")
        waits_for_etcd = (
            self.local_mode and joins_control_plane and not self._has(f"{MANIFESTS}/etcd.yaml")
        )
        if bootstraps and not waits_for_etcd:
            self._bootstrap_kubelet()

    def reboot(self) -> None:
        self.host.state.reboot()
        self.host.services.active_units.clear()

    # Verbs.

    def _answer(self, call: Call) -> CommandResult:
        verb = call.argv[1]
        if verb == "version":
            return CommandResult(exit_code=0, output=f"{self.version}\n")
        if call.argv[1:4] == ("config", "images", "list"):
            names = (f"kube-proxy:{self.version}", "pause:3.10.1")
            lines = [f"registry.k8s.io/{name}\n" for name in names]
            return CommandResult(exit_code=0, output="".join(lines))
        if verb == "token":
            return CommandResult(exit_code=0 if self._api_answers() else 1, output="")
        if call.argv[1:4] == ("init", "phase", "bootstrap-token"):
            self._make_token()
            return CommandResult(exit_code=0, output="")
        self.runs.append(verb)
        self._attend = call.attend
        self._output = []
        self._told = 0
        self.instants = 0
        if self.joins_meanwhile:
            self.time_passes()
        skipped = next(
            (a.partition("=")[2] for a in call.argv if a.startswith("--skip-phases")), ""
        )
        self.running = True
        try:
            if verb == "reset":
                self._reset()
            else:
                self._phases(verb, set(filter(None, skipped.split(","))))
        except KubeadmFailedError as error:
            self._output.append(str(error))
            if self._attend is not None:
                self._attend("\n".join(self._output[self._told :]))
            self.running = False
            return CommandResult(exit_code=1, output="\n".join(self._output))
        self.running = False
        return CommandResult(exit_code=0, output="\n".join(self._output))

    def _phases(self, verb: str, skipped: set[str]) -> None:
        phases = self._init() if verb == "init" else self._join()
        for name, actions in phases:
            top = name.partition("/")[0]
            if name in skipped or top in skipped:
                continue
            self._output.append(f"[{top}] ...")
            if name in self.fail_at:
                raise KubeadmFailedError(f"error execution phase {name}: {self.fail_at[name]}")
            for action in actions:
                self._instant()
                action()
        self._instant()

    def _instant(self) -> None:
        self.instants += 1
        self.host.clock.elapsed += 1.0
        if self.instants == self.die_at:  # before anybody has heard its last words
            raise Killed
        if self._attend is not None:
            self._attend("\n".join(self._output[self._told :]))
            self._told = len(self._output)

    def _init(self) -> list[tuple[str, list[Callable[[], None]]]]:
        conf = ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
        components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        return [
            ("preflight", [self._preflight]),
            (
                "certs",
                [
                    self._writes(f"{PKI}/ca.key", keep=True),
                    self._authority,
                    self._writes(f"{PKI}/apiserver.crt"),
                ],
            ),
            ("kubeconfig", [self._writes(f"{KUBERNETES}/{name}.conf") for name in conf]),
            ("etcd", [self._writes(f"{MANIFESTS}/etcd.yaml"), self._etcd_data]),
            ("control-plane", [self._writes(f"{MANIFESTS}/{name}.yaml") for name in components]),
            ("kubelet-start", [self._writes(FLAGS), self._start_kubelet]),
            ("wait-control-plane", [self._wait]),
            ("upload-config", [lambda: self.cluster.create("kubeadm-config")]),
            ("mark-control-plane", [lambda: self.cluster.create("labels")]),
            (
                "bootstrap-token",
                [lambda: self.cluster.create("cluster-info"), self._make_token],
            ),
            ("kubelet-finalize", []),
            ("addon/coredns", [lambda: self.cluster.create("coredns")]),
            ("addon/kube-proxy", [lambda: self.cluster.create("kube-proxy")]),
        ]

    def _join(self) -> list[tuple[str, list[Callable[[], None]]]]:
        control_plane = "controlPlane:" in (self._config() or "")
        start = [self._refuse_ready_node, self._writes(BOOTSTRAP_CONF)]
        start += [
            self._writes(f"{PKI}/ca.crt", keep=True),
            self._writes(FLAGS),
            self._start_kubelet,
        ]
        wait: list[Callable[[], None]] = [self._wait_bootstrap, self._drop_bootstrap]
        if not control_plane:
            return [("preflight", [self._preflight]), ("kubelet-start", [*start, *wait])]
        conf = ("admin", "controller-manager", "scheduler")
        components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        prepare = [self._writes(f"{PKI}/apiserver.crt")]
        prepare += [self._writes(f"{KUBERNETES}/{name}.conf") for name in conf]
        prepare += [self._writes(f"{MANIFESTS}/{name}.yaml") for name in components]
        etcd = [
            self._add_member,
            self._writes(f"{MANIFESTS}/etcd.yaml"),
            self._etcd_data,
            self._promote,
        ]
        mark: list[Callable[[], None]] = [lambda: self.cluster.create(f"labels of {NAME}")]
        before = [
            ("preflight", [self._preflight]),
            ("control-plane-prepare", prepare),
            ("check-etcd", []),
        ]
        if self.local_mode:
            return [
                *before,
                ("kubelet-start", start),
                ("etcd-join", etcd),
                ("kubelet-wait-bootstrap", wait),
                ("control-plane-join/mark-control-plane", mark),
                ("wait-control-plane", [self._wait]),
            ]
        return [
            *before,
            ("kubelet-start", [*start, *wait]),
            ("control-plane-join/etcd", etcd),
            ("control-plane-join/mark-control-plane", mark),
        ]

    def _reset(self) -> None:
        if (
            self._has(KUBELET_CONF)
            and self._has(f"{KUBERNETES}/admin.conf")
            and self._api_answers()
        ):
            self.cluster.members.pop(NAME, None)
        self._instant()
        self.stays_down = False
        self.host.services.active_units.discard(KUBELET)
        self.cluster.wipe(NAME)
        if not self.cluster.members.keys() - {NAME}:
            self.cluster.objects.clear()
        self._instant()
        # In kubeadm's own order: a kill on the way leaves the certificates and no manifest.
        for emptied in (ETCD_DATA, f"{MANIFESTS}/", "/var/lib/kubelet/", f"{PKI}/"):
            for path in [p for p in self.host.files.nodes if p.startswith(emptied)]:
                self._instant()
                self.host.files.nodes.pop(path, None)
        for path in [p for p in self.host.files.nodes if _is_kubeconfig(p)]:
            self._instant()
            self.host.files.nodes.pop(path, None)

    # Actions.

    def _preflight(self) -> None:
        """kubeadm wants none of its own files there."""
        self._found_key = self._has(f"{PKI}/ca.key") and not self._has(f"{PKI}/ca.crt")
        if self.ignores_all:
            return
        for path in (
            KUBELET_CONF if "JoinConfiguration" in (self._config() or "") else "",
            f"{MANIFESTS}/kube-apiserver.yaml",
            f"{MANIFESTS}/etcd.yaml",
        ):
            if path and self._has(path):
                name = path.replace("/", "-")
                self._refuse(f"FileAvailable-{name}", f"{path} already exists")
        if self._has(ETCD_DATA) and not self._joins_as_worker():
            self._refuse("DirAvailable--var-lib-etcd", "/var/lib/etcd is not empty")

    def _joins_as_worker(self) -> bool:
        config = self._config() or ""
        return "JoinConfiguration" in config and "controlPlane:" not in config

    def _refuse(self, check: str, text: str) -> None:
        raise KubeadmFailedError(
            "[preflight] Some fatal errors occurred:\n"
            f"\t[ERROR {check}]: {text}\nerror: error execution phase preflight: preflight checks failed"
        )

    def _writes(self, path: str, *, keep: bool = False) -> Callable[[], None]:
        def write() -> None:
            if not (keep and self._has(path)):
                self.host.files.put(path, self.contents.get(path, f"{path} by kubeadm"))

        return write

    def _authority(self) -> None:
        """kubeadm writes the key first; a key that it finds alone is one that it refuses."""
        if self._found_key:
            raise KubeadmFailedError(
                "error execution phase certs/ca: failure loading ca certificate: couldn't load the certificate file"
                f" {PKI}/ca.crt"
            )
        self._writes(f"{PKI}/ca.crt", keep=True)()

    def _start_kubelet(self) -> None:
        self.host.services.active_units.add(KUBELET)

    def _wait(self) -> None:
        if not self._runs_kubelet():
            raise KubeadmFailedError(
                "error execution phase wait-control-plane: failed while waiting for the kubelet to start"
            )

    def _refuse_ready_node(self) -> None:
        if NAME in self.cluster.ready:
            raise KubeadmFailedError(
                "error execution phase kubelet-start: a Node with name machine and status Ready already exists in the"
                " cluster."
            )

    def _wait_bootstrap(self) -> None:
        if not self._runs_kubelet():
            raise KubeadmFailedError(
                "error execution phase kubelet-start: failed while waiting for the kubelet to start"
            )
        self.host.files.put(KUBELET_CONF, f"    client-certificate: {CLIENT_CERTIFICATE}\n")
        self._instant()
        self._bootstrap_kubelet()

    def _bootstrap_kubelet(self) -> None:
        self.host.files.put(KUBELET_CONF, f"    client-certificate: {CLIENT_CERTIFICATE}\n")
        self.host.files.put(CLIENT_CERTIFICATE, "certificate and key")
        self.cluster.ready.add(NAME)

    def _drop_bootstrap(self) -> None:
        self.host.files.nodes.pop(BOOTSTRAP_CONF, None)

    def _add_member(self) -> None:
        self.cluster.members.setdefault(NAME, False)

    def _etcd_data(self) -> None:
        self.cluster.members.setdefault(NAME, "JoinConfiguration" not in (self._config() or ""))
        self.cluster.data.add(NAME)
        if not self._has(ETCD_DATA):
            self.host.files.put(f"{ETCD_DATA}/snap/db", "etcd's")

    def _promote(self) -> None:
        """Newer releases ask for the promotion also where it was done: etcd refuses that, for ever."""
        if self.local_mode and self.cluster.members.get(NAME):
            for _ in range(self.patience):
                self._output.append('{"level":"warn","error":"can only promote a learner member"}')
                self._instant()
            raise KubeadmFailedError(
                "error execution phase etcd-join: error creating local etcd static pod manifest file:"
                " etcdserver: can only promote a learner member"
            )
        self.cluster.members[NAME] = True
        self._output.append("[etcd] Waiting for the new etcd member to join the cluster. ...")

    def _make_token(self) -> None:
        """A lifetime counts from when kubeadm makes the token."""
        lifetime = re.search(r"ttl\"?: \"?(\d+)s", self._config() or "")
        if lifetime is not None:
            self.cluster.token_expires = self.host.clock.now() + int(lifetime[1])

    # Queries.

    def _config(self) -> str | None:
        content = self.host.state.run_files.get("kubeadm/config.yaml")
        return None if content is None else content.decode()

    def _has(self, path: str) -> bool:
        return path in self.host.files.nodes

    def _runs_kubelet(self) -> bool:
        return self.host.services.active(KUBELET) and self._has(FLAGS)

    def _api_answers(self) -> bool:
        elsewhere = bool(self.cluster.members.keys() - {NAME})
        here = self._runs_kubelet() and self._has(f"{MANIFESTS}/kube-apiserver.yaml")
        here = here and not self.stays_down
        return not self.cluster.lost_quorum and (elsewhere or here)


def _is_kubeconfig(path: str) -> bool:
    return path.startswith(f"{KUBERNETES}/") and path.endswith(".conf")


class Operator:
    """A person with their own kubeadm, or a backup, on the machine. What they made is theirs for good."""

    def __init__(self, host: FakeHost, cluster: Cluster) -> None:
        self.host = host
        self.cluster = cluster
        self.made: dict[str, bytes] = {}

    def nothing(self) -> None:
        """They look, and go."""

    def resets(self) -> None:
        """`kubeadm reset --force`, and the node goes from the cluster: nothing of anybody is left."""
        self.cluster.ready.discard(NAME)
        self.cluster.members.pop(NAME, None)
        self.cluster.data.discard(NAME)
        self.host.services.active_units.discard(KUBELET)
        emptied = (f"{MANIFESTS}/", f"{PKI}/", "/var/lib/kubelet/", ETCD_DATA)
        for path in list(self.host.files.nodes):
            if path.startswith(emptied) or path.endswith(".conf"):
                del self.host.files.nodes[path]

    def initialises(self) -> None:
        """`kubeadm init`, over whatever is there."""
        conf = ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
        components = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
        self._make(
            FLAGS,
            *(f"{PKI}/{name}" for name in ("ca.crt", "ca.key", "apiserver.crt")),
            *(f"{KUBERNETES}/{name}.conf" for name in conf),
            *(f"{MANIFESTS}/{name}.yaml" for name in components),
            f"{ETCD_DATA}/snap/db",
        )
        self._becomes_node()

    def joins(self) -> None:
        """`kubeadm join`, over whatever is there."""
        self._make(FLAGS, f"{PKI}/ca.crt")
        self._becomes_node()

    def restores(self) -> None:
        """The keys and etcd's data, out of a backup."""
        self.host.files.nodes.pop(ETCD_DATA, None)
        self._make(f"{PKI}/ca.crt", f"{PKI}/ca.key", f"{PKI}/sa.key", f"{ETCD_DATA}/snap/db")

    def _becomes_node(self) -> None:
        self._make(CLIENT_CERTIFICATE)
        self.host.put(KUBELET_CONF, f"    client-certificate: {CLIENT_CERTIFICATE}\n# by hand\n")
        self.made[KUBELET_CONF] = self.host.files.nodes[KUBELET_CONF].content
        self.host.services.active_units.add(KUBELET)

    def _make(self, *paths: str) -> None:
        for path in paths:
            self.host.put(path, f"{path} by hand")
            self.made[path] = self.host.files.nodes[path].content
