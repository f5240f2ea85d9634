"""What kubeadm's output says: where it was, and which of the well-known failures it met.

kubeadm exits with 1 for nearly everything (2 for preflight up to 1.31, 3 for a refused configuration), so the text is all
there is. The texts were read in kubeadm's source, releases 1.29 to 1.34; a release that words one differently gets the
generic code and its own words.

Two readings, in this order: the list of preflight checks (`[ERROR Name]: text`), which kubeadm prints whole, and the last
error (`error execution phase PHASE: text`). What comes before the last error is not searched: kubeadm logs every refused
connection of a wait that ends well.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from machineadm.errors import KubeadmError

_MARKER = re.compile(r"^\[([a-z][a-z0-9-]*)\]", re.MULTILINE)
_PHASE_ERROR = re.compile(r"error execution phase ([a-z0-9-]+(?:/[a-z0-9-]+)*): ?")
_PREFLIGHT = re.compile(r"\[ERROR ([^\]]+)\]: (.*)")
_LAST_ERROR = re.compile(r"^(?:error: |error execution phase )", re.MULTILINE)
# Said right after the promotion; and what etcd answers to a second one, which is not what it says to one that comes too early.
_PROMOTED = re.compile(
    r"^\[etcd\] Waiting for the new etcd member to join|can only promote a learner member(?! which)",
    re.MULTILINE,
)
_STACK_HINT = "To see the stack trace of this error"

# Markers that name no phase of `kubeadm init` or `kubeadm join`, or another one than they say.
_MARKER_PHASES = {
    "addons": "addon",
    "api-check": "wait-control-plane",
    "apiclient": "wait-control-plane",
    "control-plane-check": "wait-control-plane",
    "download-certs": "control-plane-prepare/download-certs",
    "kubelet": "upload-config/kubelet",
    "kubelet-wait": "kubelet-wait-bootstrap",
    "discovery": "preflight",
    "dryrun": "",
    "init": "",
    "kubelet-check": "",
    "patches": "",
    "reset": "",
    "upgrade": "",
}

LONGEST_MESSAGE = 2000


class Failure(NamedTuple):
    """A known failure."""

    code: str
    message: str
    hint: str
    passing: bool = False


class _Rule(NamedTuple):
    pattern: str  # compiled when a run has failed, which most never do
    failure: Failure


GENERIC = Failure("MA4001", "kubeadm failed", "read kubeadm's own words in the report's log tail")
SEVERAL = Failure(
    "MA4002", "kubeadm's preflight checks failed", "mend every line of the list, then run again"
)
PORT = Failure(
    "MA4003",
    "a port that Kubernetes needs is in use",
    "find the process with `ss -ltnp` and stop it; a machine that was a node before needs `kubeadm reset`",
)
SWAP = Failure(
    "MA4004",
    "swap is on and the kubelet does not accept it",
    "turn swap off (`swapoff -a` and out of /etc/fstab), or allow it with node.kubelet.config failSwapOn: false",
)
RUNTIME = Failure(
    "MA4005",
    "the container runtime does not answer on its CRI socket",
    "see that the runtime is installed and runs (`systemctl status containerd`), has its CRI plugin enabled, and that"
    " node.criSocket is its socket",
    passing=True,
)
SOCKETS = Failure(
    "MA4006", "there are several container runtimes", "say which one with node.criSocket"
)
TOKEN = Failure(
    "MA4007",
    "the cluster does not accept the bootstrap token",
    "the token is wrong or has expired: make a new one (`kubeadm token create` on a control plane) and put it into"
    " discovery.token",
)
CA_HASH = Failure(
    "MA4008",
    "the certificate authority of the API server is not the one that the configuration pins",
    "compare discovery.caCertHashes (or the certificate authority of the discovery file) with the cluster's"
    " /etc/kubernetes/pki/ca.crt; if that is right, something else answers at this endpoint",
)
UNREACHABLE = Failure(
    "MA4009",
    "the API server cannot be reached",
    "see that discovery.endpoint is right, resolves on this machine, and that no firewall or proxy is in the way",
    passing=True,
)
IMAGE = Failure(
    "MA4010",
    "an image cannot be pulled",
    "see that the registry can be reached from here (proxy, mirror, credentials) and that cluster.imageRepository and"
    " version name an image that exists",
    passing=True,
)
FORWARDING = Failure(
    "MA4011",
    "IP forwarding is off",
    'add "net.ipv4.ip_forward": "1" (or net.ipv6.conf.default.forwarding) to machine.linuxConfiguration.sysctls',
)
KUBELET = Failure(
    "MA4012",
    "the kubelet does not become healthy",
    "read `journalctl -u kubelet`: often a cgroup driver other than the runtime's, swap, or a setting that it refuses",
)
CONTROL_PLANE = Failure(
    "MA4013",
    "the control plane does not come up",
    "read the logs of the static pods below /var/log/pods/kube-system_*: often an argument, a mounted file or etcd",
)
TLS_BOOTSTRAP = Failure(
    "MA4014",
    "the kubelet did not get its client certificate from the cluster",
    "see `kubectl get csr` in the cluster: the request must be approved, by kube-controller-manager as a rule",
    passing=True,
)
ETCD = Failure(
    "MA4015",
    "the etcd cluster does not take this member in",
    "see that every member of the cluster is healthy, that none is left of a machine that is gone, and that ports 2379"
    " and 2380 are open between the control planes",
    passing=True,
)
CERTS_SECRET = Failure(
    "MA4016",
    "the Secret kubeadm-certs is not in the cluster",
    "it expires after two hours: run `kubeadm init phase upload-certs --upload-certs` on a control plane and put the key"
    " into role.certificateKey",
)
CERTIFICATE_KEY = Failure(
    "MA4017",
    "role.certificateKey does not open the Secret kubeadm-certs",
    "take the key of the last `kubeadm init phase upload-certs --upload-certs`",
)
LEFTOVERS = Failure(
    "MA4018",
    "files of an earlier kubeadm run, or of another configuration, are in the way",
    "if the machine is meant to be made anew, run `kubeadm reset`; if the configuration writes these files, it must not",
)
NODE_EXISTS = Failure(
    "MA4019",
    "a node of the same name is ready in the cluster",
    "give this machine another name (node.name), or delete the old node: `kubectl delete node NAME`",
)
VERSION = Failure(
    "MA4020",
    "this kubeadm does not deploy the wanted Kubernetes version",
    "install the kubeadm of the same minor version as `version` says",
)
REFUSED = Failure(
    "MA4021",
    "kubeadm refuses its configuration",
    "mend the field that kubeadm names",
)
PROGRAM = Failure(
    "MA4022",
    "a program that Kubernetes needs is missing",
    "install the package that brings it (conntrack, util-linux, mount, coreutils)",
)
ROOT = Failure("MA4023", "kubeadm must run as root", "run machineadm as root")
TOO_SMALL = Failure(
    "MA4024",
    "the machine is too small for a control plane",
    "give it 2 CPUs and 1700 MB at least, or list the check in node.ignorePreflightErrors",
)
NOT_READY = Failure(
    "MA4025",
    "the cluster cannot take another control plane",
    "it needs a stable cluster.controlPlaneEndpoint, and this machine the shared certificates: role.certificateKey or"
    " controlPlane.certificates",
)
KUBELET_VERSION = Failure(
    "MA4026",
    "the kubelet's version does not fit the cluster",
    "install a kubelet that is not newer than the control plane and at most three minor versions older",
)
API_CALL = Failure(
    "MA4027",
    "a call to the API server failed in the last phases",
    "see that the API server stays up: `kubectl get --raw /readyz?verbose`",
    passing=True,
)
KILLED = Failure(
    "MA4028",
    "kubeadm was killed",
    "see the kernel's log for the out-of-memory killer; otherwise somebody sent it a signal",
    passing=True,
)
ETCD_VERSION = Failure(
    "MA4029",
    "the external etcd cluster cannot be used",
    "see that cluster.etcd.external.endpoints answer with these certificates and run a version that kubeadm supports",
    passing=True,
)
SYSTEM = Failure(
    "MA4030",
    "the operating system lacks what Kubernetes needs",
    "kubeadm prints what it misses above this error: kernel options and cgroup controllers",
)

NOT_FOUND = Failure(
    "MA4031",
    "the cluster was not found in time",
    "either nothing answers at discovery.endpoint, or the cluster does not know the token: up to 1.31 kubeadm cannot tell"
    " when its time is up; `verbosity: 1` makes it tell each attempt",
    passing=True,
)

# By the names of kubeadm's preflight checks; the first that matches the name counts.
_CHECKS = (
    _Rule(r"^Port-", PORT),
    _Rule(r"^Swap$", SWAP),
    _Rule(r"^CRI$", RUNTIME),
    _Rule(r"^ImagePull$", IMAGE),
    _Rule(r"^FileContent--proc-sys-net-", FORWARDING),
    _Rule(r"^(?:FileAvailable|DirAvailable)-", LEFTOVERS),
    _Rule(r"^FileExisting-[^-]", PROGRAM),
    _Rule(r"^KubernetesVersion$", VERSION),
    _Rule(r"^KubeletVersion$", KUBELET_VERSION),
    _Rule(r"^IsPrivilegedUser$", ROOT),
    _Rule(r"^(?:NumCPU|Mem)$", TOO_SMALL),
    _Rule(r"^ExternalEtcd", ETCD_VERSION),
    _Rule(r"^SystemVerification$", SYSTEM),
)

# By the last error's text; the first that matches counts, so the particular stands before the general.
_ERRORS = (
    _Rule(r"found multiple CRI endpoints", SOCKETS),
    _Rule(
        (
            r"token id \S+ is invalid for this cluster or it has expired"
            r"|could not find a JWS signature in the cluster-info ConfigMap"
            r"|failed to verify JWS signature"
            r"|could not construct token string"
        ),
        TOKEN,
    ),
    _Rule(
        (
            r"none of the public keys .* are pinned"
            r"|cluster CA found in \S+ ConfigMap is invalid"
            r"|certificate signed by unknown authority"
            r"|certificate is (?:not )?valid for|certificate is not trusted"
        ),
        CA_HASH,
    ),
    _Rule(r"a Node with name .* already exists in the cluster", NODE_EXISTS),
    _Rule(r'Secret "kubeadm-certs" was not found', CERTS_SECRET),
    _Rule(
        r"error (?:decoding secret data|decoding certificate key)|message authentication failed",
        CERTIFICATE_KEY,
    ),
    _Rule(
        r"conditions for hosting a new control plane instance is not satisfied",
        NOT_READY,
    ),
    _Rule(
        r"only supports deploying clusters with the control plane version|version .* is not supported",
        VERSION,
    ),
    _Rule(
        (
            r"Invalid value|Required value|strict decoding error|unable to decode config|no kind \"|invalid configuration"
            r"|mutually exclusive|can not mix '--config'|invalid phase name|couldn't parse"
            r"|could not apply the following patch"
        ),
        REFUSED,
    ),
    _Rule(
        (
            r"container runtime is not running|failed to create new CRI (?:runtime|image) service|validate CRI v1"
            r"|could not connect to the container runtime|containerd\.sock|crio\.sock"
        ),
        RUNTIME,
    ),
    _Rule(r"failed to pull image", IMAGE),
    _Rule(
        (
            r"[Ee]tcd cluster is not healthy|etcd static pod manifest file|error syncing endpoints with etcd"
            r"|etcd member|etcdserver:|etcd cluster to be available|etcdclient|could not retrieve the list of etcd"
        ),
        ETCD,
    ),
    _Rule(r"waiting for TLS bootstrap", TLS_BOOTSTRAP),
    _Rule(r"waiting for the kubelet to start|:10248/healthz", KUBELET),
    _Rule(
        r"waiting for the control plane to start|couldn't initialize a Kubernetes cluster",
        CONTROL_PLANE,
    ),
    _Rule(r"\bUnauthorized\b|\bforbidden\b", TOKEN),
    _Rule(r"client rate limiter Wait returned an error", NOT_FOUND),
    _Rule(
        (
            r"connection refused|no route to host|i/o timeout|no such host|network is unreachable|TLS handshake timeout"
            r"|connection reset|context deadline exceeded|Client\.Timeout|server misbehaving|\bEOF\b"
            r"|failed to request the cluster-info ConfigMap|Abort reading the cluster-info ConfigMap"
            r"|connection timed out|unable to fetch the kubeadm-config ConfigMap"
        ),
        UNREACHABLE,
    ),
)

# By the phase, where the text says nothing that is known.
_PHASES = (
    _Rule(r"^wait-control-plane", CONTROL_PLANE),
    _Rule(r"^kubelet-wait-bootstrap|^kubelet-start", TLS_BOOTSTRAP),
    _Rule(r"^check-etcd|^etcd-join|/etcd$", ETCD),
    _Rule(
        r"^upload-|^mark-control-plane|^bootstrap-token|^addon|^control-plane-join|^kubelet-finalize",
        API_CALL,
    ),
)


def phase_of(output: str) -> str:
    """The phase in which kubeadm was last, as kubeadm names it; empty when the output tells nothing."""
    if errors := _PHASE_ERROR.findall(output):
        return str(errors[-1])
    phase = ""
    for marker in _MARKER.findall(output):
        phase = _MARKER_PHASES.get(marker, marker) or phase
    return phase


def is_promoted(output: str) -> bool:
    """Whether kubeadm has said that etcd made this machine a voting member, now or before."""
    return _PROMOTED.search(output) is not None


def diagnose(output: str, *, command: tuple[str, ...], exit_code: int) -> KubeadmError:
    """The error for a run of kubeadm that failed.

    Args:
        output: The end of what kubeadm printed, redacted.
        command: The command line.
        exit_code: As `CommandResult.exit_code`.

    Returns:
        An error with a code of MA40xx, kubeadm's own words, and whether trying again makes sense.
    """
    phase = phase_of(output)
    failed = _PREFLIGHT.findall(output[_start_of_last_list(output) :])
    if failed:
        failure, words = _of_checks(failed)
    else:
        words = _last_error(output)
        failure = _of_error(words, output, phase, exit_code)
    where = f" in phase {phase}" if phase else ""
    message = f"{failure.message}{where}: {words}" if words else f"{failure.message}{where}"
    return KubeadmError(
        failure.code,
        message[:LONGEST_MESSAGE],
        hint=failure.hint,
        log_tail=output,
        passing=failure.passing,
        command=command,
        process_exit_code=exit_code,
        kubeadm_phase=phase,
    )


def _start_of_last_list(output: str) -> int:
    return max(0, output.rfind("Some fatal errors occurred"))


def _of_checks(failed: list[tuple[str, str]]) -> tuple[Failure, str]:
    """One failure for a list of checks: their common one, or all of them under one code."""
    found = dict.fromkeys(_first(_CHECKS, name) or SEVERAL for name, _ in failed)
    words = "; ".join(f"{name}: {text.strip()}" for name, text in failed)
    if len(found) == 1:
        return next(iter(found)), words
    hints = "; ".join(failure.hint for failure in found if failure is not SEVERAL)
    passing = all(failure.passing for failure in found)
    return SEVERAL._replace(hint=hints, passing=passing), words


def _of_error(words: str, output: str, phase: str, exit_code: int) -> Failure:
    failure = _first(_ERRORS, words)
    if failure is KUBELET and "[WARNING Swap]" in output:
        return SWAP
    if failure is None and exit_code < 0:
        return KILLED
    return failure or _first(_PHASES, phase) or GENERIC


def _first(rules: tuple[_Rule, ...], text: str) -> Failure | None:
    return next((rule.failure for rule in rules if re.search(rule.pattern, text)), None)


def _last_error(output: str) -> str:
    """The last error that kubeadm reported, in one line; its last line of output where none is marked as an error."""
    said = output.rsplit(_STACK_HINT, 1)[0].rstrip()
    starts = [match.start() for match in _LAST_ERROR.finditer(said)]
    text = said[starts[-1] :] if starts else said.rpartition("\n")[2]
    return " ".join(_PHASE_ERROR.sub("", text.removeprefix("error: "), count=1).split())
