"""What kubeadm's output says: how far it came, and which of the well-known failures it met.

kubeadm exits with 1 for nearly everything (2 for preflight up to 1.31, 3 for a refused configuration), so only the text
tells. The texts come from kubeadm's source, releases 1.29 to 1.34. A release that words one differently gets the generic code
with its own words.

Two readings, in this order: the list of preflight checks (`[ERROR Name]: text`), which kubeadm prints completely, and the last
error (`error execution phase PHASE: text`). Nothing before the last error is searched: kubeadm logs every refused connection
of a wait that ends well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from machineadm.codes.kubeadm import TABLE
from machineadm.errors import KubeadmError

_MARKER = re.compile(r"^\[([a-z][a-z0-9-]*)\]", re.MULTILINE)
_PHASE_ERROR = re.compile(r"error execution phase ([a-z0-9-]+(?:/[a-z0-9-]+)*): ?")
_PREFLIGHT = re.compile(r"\[ERROR ([^\]]+)\]: (.*)")
_LAST_ERROR = re.compile(r"^(?:error: |error execution phase )", re.MULTILINE)
# etcd's answer to a second promotion. Too early for a first one it says "... learner member which is in sync", hence the `which`.
_REFUSED_PROMOTION = re.compile(r"can only promote a learner member(?! which)")
# The first is printed right after the promotion.
_PROMOTED = re.compile(
    r"^\[etcd\] Waiting for the new etcd member to join|can only promote a learner member(?! which)",
    re.MULTILINE,
)
_CHECKS_FAILED = "preflight checks failed"
# field.Error of apimachinery: the path, then what is wrong with it.
_REFUSED_FIELD = re.compile(r"(?<![\w.])([a-z][\w.\[\]-]*): (?:Invalid|Required) value")
_STACK_HINT = "To see the stack trace of this error"

# Markers that are not the name of a phase of `kubeadm init` or `kubeadm join`, or belong to another phase.
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
    """A known failure. Its message and hint are those of its code, so that they are written once."""

    code: str
    passing: bool = False

    @property
    def message(self) -> str:
        """What happened, in a few words."""
        return TABLE[self.code].title

    @property
    def hint(self) -> str:
        """What to do about it, as the end of a sentence."""
        remedy = TABLE[self.code].remedy
        return remedy[:1].lower() + remedy[1:].removesuffix(".")


class _Rule(NamedTuple):
    pattern: str  # compiled only after a failure: most runs never need any of them
    failure: Failure


GENERIC = Failure("MA4001")
SEVERAL = Failure("MA4002")
PORT = Failure("MA4003")
SWAP = Failure("MA4004")
RUNTIME = Failure("MA4005", passing=True)
SOCKETS = Failure("MA4006")
TOKEN = Failure("MA4007")
CA_HASH = Failure("MA4008")
UNREACHABLE = Failure("MA4009", passing=True)
IMAGE = Failure("MA4010", passing=True)
FORWARDING = Failure("MA4011")
KUBELET = Failure("MA4012")
CONTROL_PLANE = Failure("MA4013")
TLS_BOOTSTRAP = Failure("MA4014", passing=True)
ETCD = Failure("MA4015", passing=True)
CERTS_SECRET = Failure("MA4016")
CERTIFICATE_KEY = Failure("MA4017")
LEFTOVERS = Failure("MA4018")
NODE_EXISTS = Failure("MA4019")
VERSION = Failure("MA4020")
REFUSED = Failure("MA4021")
PROGRAM = Failure("MA4022")
ROOT = Failure("MA4023")
TOO_SMALL = Failure("MA4024")
NOT_READY = Failure("MA4025")
KUBELET_VERSION = Failure("MA4026")
API_CALL = Failure("MA4027", passing=True)
KILLED = Failure("MA4028", passing=True)
ETCD_VERSION = Failure("MA4029", passing=True)
SYSTEM = Failure("MA4030")
NOT_FOUND = Failure("MA4031", passing=True)
CLOCK = Failure("MA4032", passing=True)
EXPIRED = Failure("MA4033")
NO_IMAGE = Failure("MA4034", passing=True)
NO_FILES = Failure("MA4035")

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

# The registry answers that it has no such image. A registry that cannot be reached is another failure, and one that passes.
_IMAGES = (
    _Rule(
        r"(?i)code = NotFound|manifest unknown|name unknown|\b404 Not Found|status(?: code)? 404\b|repository \S+ not found|\S+:\S+: not found",
        NO_IMAGE,
    ),
)

# Go's x509 and kubeadm about the validity of a certificate. Too early means that this machine's clock is behind, which passes as
# soon as NTP has set it; too late does not pass.
_CERTIFICATES = (
    _Rule(r"certificate is not (?:yet valid|valid yet)|current time \S+ is before \S+", CLOCK),
    _Rule(r"current time \S+ is after \S+|the certificate has expired", EXPIRED),
)

_NO_RUNTIME = re.compile(
    r"WARNING: Couldn't create the interface used for talking to the container runtime"
    r"|\[WARNING CRI\]"
)

# By the last error's text. The first match counts, so specific patterns come before general ones.
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
    _Rule(
        r"failed to pull image.*(?:code = NotFound|manifest unknown|name unknown|404 Not Found)",
        NO_IMAGE,
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

# By the phase, if the text matches nothing.
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
    """The phase that kubeadm was in last, by kubeadm's name; empty if the output does not tell."""
    if errors := _PHASE_ERROR.findall(output):
        return str(errors[-1])
    phase = ""
    for marker in _MARKER.findall(output):
        # Messages such as [patches] come from within any phase, and leave it as it was.
        phase = _MARKER_PHASES.get(marker, marker) or phase
    return phase


def phases_of(output: str) -> Iterator[str]:
    """Each phase that the output begins, in order, by kubeadm's names; one that goes on comes again."""
    for marker in _MARKER.findall(output):
        if phase := _MARKER_PHASES.get(marker, marker):
            yield phase


def is_promoted(output: str) -> bool:
    """Whether kubeadm has printed that etcd made this machine a voting member, now or earlier."""
    return _PROMOTED.search(output) is not None


def is_refused_promotion(output: str) -> bool:
    """Whether etcd has refused to promote a member that already votes. kubeadm would keep asking for two minutes."""
    return _REFUSED_PROMOTION.search(output) is not None


def diagnose(
    output: str, *, command: tuple[str, ...], exit_code: int, clock: str = ""
) -> KubeadmError:
    """The error for a run of kubeadm that failed.

    Args:
        output: The end of what kubeadm printed, redacted.
        command: The command line.
        exit_code: As `CommandResult.exit_code`.
        clock: What this machine's clock says, for an error about a certificate's time.

    Returns:
        An error with a code MA40xx, kubeadm's own words, and whether trying again makes sense.
    """
    phase = phase_of(output)
    failed = _PREFLIGHT.findall(output[_start_of_last_list(output) :])
    if failed:
        failure, words, hint = _of_checks(failed)
    else:
        words = _last_error(output)
        failure = _of_error(words, output, phase, exit_code)
        hint = (_hint_of_refusal(words, command) if failure is REFUSED else "") or failure.hint
    where = f" in phase {phase}" if phase else ""
    message = f"{failure.message}{where}: {words}" if words else f"{failure.message}{where}"
    # Both times in one line: whoever reads it sees which of the two clocks is wrong.
    if failure in (CLOCK, EXPIRED) and clock:
        message = f"{message[: LONGEST_MESSAGE - 100]}; this machine's clock says {clock}"
    return KubeadmError(
        failure.code,
        message[:LONGEST_MESSAGE],
        hint=hint,
        # All of it, though the message quotes a part: who knows kubeadm reads the lines before
        # the error first.
        log_tail=output,
        passing=failure.passing,
        command=command,
        process_exit_code=exit_code,
        phase=phase,
    )


def _hint_of_refusal(words: str, command: tuple[str, ...]) -> str:
    """What to do about a refused field by its name in our types; empty where it is not known."""
    found = _REFUSED_FIELD.search(words)
    if found is None:
        return ""
    # Loaded here: a table of every field of kubeadm's, for one failure that should not happen.
    from machineadm.documents.kubeadm_fields import ALL, Ours

    theirs = found[1]
    path = re.sub(r"\[[^\]]*\]", "[]", theirs)
    # init and join have fields of the same name, and ours differ.
    own = ("join",) if "join" in command else ("cluster", "init")
    for key, home in ALL.items():
        kind, _, name = key.partition(".")
        below = name[len(path) :]
        is_it = name == path or (name.startswith(path) and below.startswith(("[", ".")))
        if not isinstance(home, Ours) or not is_it or not kind.lower().startswith(own):
            continue
        field = re.sub(r"\([A-Za-z]+\)", "", home.path)
        if field.endswith(below):
            return (
                f"fix spec.{field.removesuffix(below).removesuffix('[]')}, which kubeadm calls {theirs}, "
                "and please report it: `machineadm validate` should have found it"
            )
    return ""


def _start_of_last_list(output: str) -> int:
    return max(0, output.rfind("Some fatal errors occurred"))


def _of_checks(failed: list[tuple[str, str]]) -> tuple[Failure, str, str]:
    """One failure for a list of checks, with words and hint: the one they share, or all of them under one code."""
    # A dict and no set: hints come in the order in which kubeadm names the checks, and not in
    # another one at each run.
    found = dict.fromkeys(_of_check(name, text) for name, text in failed)
    words = "; ".join(f"{name}: {text.strip()}" for name, text in failed)
    if len(found) == 1:
        (failure,) = found
        return failure, words, failure.hint
    hints = "; ".join(failure.hint for failure in found if failure is not SEVERAL)
    # One check that will not pass makes trying again pointless.
    passing = all(failure.passing for failure in found)
    return SEVERAL._replace(passing=passing), words, hints or SEVERAL.hint


def _of_check(name: str, text: str) -> Failure:
    # Certificates first, as below: what is behind a registry that cannot be pulled from may be this machine's clock.
    failure = _first(_CERTIFICATES, text) or _first(_CHECKS, name) or SEVERAL
    if failure is IMAGE:
        return _first(_IMAGES, text) or failure
    return failure


def _of_error(words: str, output: str, phase: str, exit_code: int) -> Failure:
    # Certificates first: kubeadm wraps their errors into its words for a server that cannot be
    # reached.
    failure = _first(_CERTIFICATES, words) or _first(_ERRORS, words)
    # Negative: ended by a signal, such as the OOM killer's. The output stops anywhere, and its
    # phase would be blamed.
    if failure is None and exit_code < 0:
        return KILLED
    failure = failure or _first(_PHASES, phase) or GENERIC
    if failure in (KUBELET, TLS_BOOTSTRAP, CONTROL_PLANE) and _NO_RUNTIME.search(output):
        # `kubeadm join` only warns about a runtime that does not answer, then waits for a kubelet that cannot start.
        return RUNTIME
    # The same with swap: kubeadm warns, and the kubelet exits.
    if failure is KUBELET and "[WARNING Swap]" in output:
        return SWAP
    return failure


def _first(rules: tuple[_Rule, ...], text: str) -> Failure | None:
    return next((rule.failure for rule in rules if re.search(rule.pattern, text)), None)


def _last_error(output: str) -> str:
    """The last error that kubeadm reported, in one line; the last line of output if none is marked as an error."""
    # kubeadm prints the hint behind the error, where it would be taken for the last line.
    said = output.rsplit(_STACK_HINT, 1)[0].rstrip()
    starts = [match.start() for match in _LAST_ERROR.finditer(said)]
    text = said[starts[-1] :] if starts else said.rpartition("\n")[2]
    words = " ".join(_PHASE_ERROR.sub("", text.removeprefix("error: "), count=1).split())
    if words == _CHECKS_FAILED:
        # A runtime that does not answer: its text is where the list of checks would be, but without the name of a check.
        listed = (
            said[_start_of_last_list(said) :]
            .partition("\n")[2]
            .partition("[preflight] If you know")[0]
        )
        words = " ".join(listed.split()) or words
    return words
