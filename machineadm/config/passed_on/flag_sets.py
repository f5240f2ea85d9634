"""Arguments of a program that do not go together, or not without another (the options packages of k8s.io/kubernetes).

They are judged as the program gets them: what kubeadm gives it by itself, then what is given here. What a field of ours adds is named by `others`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import pairwise
from typing import Final

from machineadm.config.passed_on.flags import BOOLEANS, integer, port_range
from machineadm.config.passed_on.values import amount
from machineadm.config.upstream.gates import is_on
from machineadm.config.upstream.walk import duration_seconds

# The two that OIDC cannot do without (oidc.Options.Validate).
_OIDC: Final = (
    "oidc-issuer-url",
    "oidc-client-id",
)
_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
# The API server refuses these flags while their gate is off.
_NEED_GATES: Final = {
    "peer-ca-file": "UnknownVersionInteroperabilityProxy",
    "peer-advertise-ip": "UnknownVersionInteroperabilityProxy",
    "peer-advertise-port": "UnknownVersionInteroperabilityProxy",
    "requestheader-uid-headers": "RemoteRequestHeaderUID",
}
# Of the front proxy: an empty name in such a list is refused by RequestHeaderAuthenticationOptions.
_HEADERS: Final = (
    "requestheader-username-headers",
    "requestheader-group-headers",
    "requestheader-extra-headers-prefix",
    "requestheader-allowed-names",
    "requestheader-uid-headers",
)
# Certificates of the controller manager's CSR signing: one pair for all, or one for each of these.
_SIGNERS: Final = ("kubelet-serving", "kubelet-client", "kube-apiserver-client", "legacy-unknown")
_SIGNING: Final = "cluster-signing"


def problems(
    program: str, given: Mapping[str, str], minor: int, others: Container[str] = ()
) -> Iterator[tuple[str, str]]:
    """Name the arguments that their program refuses beside the others, each with what is wrong.

    Args:
        program: `kube-apiserver`.
        given: Values by name, `-` in it; the last one of a name.
        minor: The minor version of Kubernetes 1.
        others: Names of arguments that are given elsewhere.
    """
    if program == "etcd":
        from machineadm.config.passed_on import etcd_flags

        yield from etcd_flags.problems(given, minor)
        return
    yield from _headers(given)
    yield from _logging(program, given, minor)
    yield from _gated(program, given, minor)
    if program == "kube-apiserver":
        yield from _oidc(given, others)
        yield from _authorization(given, others)
        yield from _coordinated(given)
        yield from _cloud(given, minor)
        yield from _audit(given)
        yield from _ports(given)
        yield from _fairness(given)
        # Deprecated, and kubeadm always gives the newer one.
        if "admission-control" in given:
            yield (
                "admission-control",
                "not together with enable-admission-plugins, which kubeadm gives",
            )
        reload = "encryption-provider-config-automatic-reload"
        if given.get(reload) in _TRUE and not _there("encryption-provider-config", given, others):
            yield reload, "needs encryption-provider-config"
    if program == "kube-controller-manager":
        yield from _signing(given, others)


def _there(name: str, given: Mapping[str, str], others: Container[str]) -> bool:
    # An argument that is given as empty counts as taken away.
    return bool(given[name]) if name in given else name in others


def _headers(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _HEADERS:
        value = given.get(name, "")
        if value and not all(part.strip() for part in value.split(",")):
            yield name, "has an empty name"
    uid = given.get("requestheader-uid-headers", "")
    if uid and "x-remote-uid" not in uid.lower().split(","):
        yield "requestheader-uid-headers", "must have X-Remote-Uid among them"


_OUTPUT: Final = tuple(
    f"log-{form}-{what}"
    for form in ("text", "json")
    for what in ("split-stream", "info-buffer-size")
)


def _logging(program: str, given: Mapping[str, str], minor: int) -> Iterator[tuple[str, str]]:
    gate = "LoggingAlphaOptions"
    gates = gates_of(given.get("feature-gates", ""))
    for name in _OUTPUT:
        value = given.get(name, "")
        # 0 and false are the defaults, which need no gate.
        set_ = value in _TRUE if name.endswith("split-stream") else amount(value)
        if set_ and not is_on(gate, program, minor, gates):
            yield name, f"needs the feature gate {gate}"


def _ports(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    name, ports = "kubernetes-service-node-port", "service-node-port-range"
    port = integer(given.get(name, "0")) or 0
    # The API server's default; kubeadm gives none.
    bounds = port_range(given.get(ports, "")) or (30000, 32767)
    if port > 0 and not bounds[0] <= port <= bounds[1]:
        yield name, f"must be within {ports} ({bounds[0]}-{bounds[1]})"


_FAIRNESS: Final = ("flowcontrol.apiserver.k8s.io/v1", "api/ga", "api/all")
"""What decides whether the API that it needs is served, the first one that is named."""


def _fairness(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    apis = dict.fromkeys(each.strip() for each in given.get("runtime-config", "").split(","))
    # On by default, and then its API must be served: the filter reads its own configuration from
    # there.
    if given.get("enable-priority-and-fairness", "true") not in _TRUE:
        return
    for name in _FAIRNESS:
        if f"{name}=false" in apis:
            yield "runtime-config", f"{name}=false needs enable-priority-and-fairness=false"
        if f"{name}=false" in apis or f"{name}=true" in apis:
            return


def _gated(program: str, given: Mapping[str, str], minor: int) -> Iterator[tuple[str, str]]:
    gates = gates_of(given.get("feature-gates", ""))
    for name, gate in _NEED_GATES.items():
        if given.get(name) and not is_on(gate, program, minor, gates):
            yield name, f"needs the feature gate {gate}"


_BACKENDS: Final = {"log": "audit-log-path", "webhook": "audit-webhook-config-file"}
"""What turns an audit backend on, without which its arguments are not looked at."""

# Of truncate.Config: 10 MiB of events, of which each has 100 KiB.
_BATCH_BYTES, _EVENT_BYTES = 10 << 20, 100 << 10


def _audit(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # A field of ours that turns one on takes no arguments beside it.
    for backend, target in _BACKENDS.items():
        if given.get(target):
            yield from _batches(f"audit-{backend}", given)
            yield from _truncated(f"audit-{backend}-truncate-max", given)


def _batches(prefix: str, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # A log is written event by event, and a webhook gets batches, where nothing is said.
    log = prefix == "audit-log"
    if given.get(f"{prefix}-mode", "blocking" if log else "batch") != "batch":
        return
    throttle = f"{prefix}-batch-throttle"
    throttled = given.get(f"{throttle}-enable", "false" if log else "true") in _TRUE
    rates = (f"{throttle}-qps", f"{throttle}-burst") if throttled else ()
    for name in (f"{prefix}-batch-buffer-size", f"{prefix}-batch-max-size", *rates):
        if name in given:
            number = integer(given[name])
            if (float(given[name]) if number is None else number) <= 0:
                yield name, "must be more than 0"
        # Only those of a log have no usual rate.
        elif log and name in rates:
            yield f"{throttle}-enable", f"needs {name}"


def _truncated(prefix: str, given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    events, batches = f"{prefix}-event-size", f"{prefix}-batch-size"
    least = integer(given.get(events, str(_EVENT_BYTES)))
    most = integer(given.get(batches, str(_BATCH_BYTES)))
    if least is None or most is None:
        return
    if least <= 0:
        yield (events if events in given else batches), f"{events} must be more than 0"
    elif most < least:
        here = batches if batches in given else events
        yield here, f"{batches} ({most}) must not be less than {events} ({least})"


_IN_TREE: Final[Mapping[int, Container[str]]] = {29: ("azure", "gce", "vsphere"), 30: ("gce",)}
"""The cloud providers that are still compiled in, by minor version."""

_WITHOUT_CLOUDS: Final = ("DisableCloudProviders", "DisableKubeletCloudCredentialProviders")


def _cloud(given: Mapping[str, str], minor: int) -> Iterator[tuple[str, str]]:
    """Of the API server up to 1.32; what a later one does not have is told as an unknown argument."""
    name = "cloud-provider"
    value, gates = given.get(name, ""), gates_of(given.get("feature-gates", ""))
    states = {gate: is_on(gate, "kube-apiserver", minor, gates) for gate in _WITHOUT_CLOUDS}
    if not value or minor > _LAST_CLOUD:
        return
    if value == "external":
        yield from ((name, f"needs the feature gate {gate}") for gate in states if not states[gate])
    elif value in _IN_TREE.get(minor, ()):
        yield from (
            (name, f"needs {gate}=false in feature-gates") for gate in states if states[gate]
        )
    else:
        yield name, "must be external, or left out"


_LAST_CLOUD: Final = 32


def gates_of(text: str) -> dict[str, bool]:
    """The feature gates that an argument sets; what is none is left out."""
    found = {}
    for pair in filter(None, text.split(",")):
        name, _equals, state = (part.strip() for part in pair.partition("="))
        if state in BOOLEANS:
            # Of a repeated gate the last one counts.
            found[name.removeprefix("kube:")] = state in _TRUE
    return found


def _oidc(given: Mapping[str, str], others: Container[str]) -> Iterator[tuple[str, str]]:
    some = [name for name in given if name.startswith("oidc-")]
    missing = [name for name in _OIDC if not _there(name, given, others)]
    if some and missing:
        yield some[0], f"needs {' and '.join(missing)}"


def _authorization(given: Mapping[str, str], others: Container[str]) -> Iterator[tuple[str, str]]:
    # The file replaces all flags of modes.
    if "authorization-config" in given or "authorization-config" in others:
        # kubeadm gives no authorization-mode then.
        for name in given:
            if name == "authorization-mode" or name.startswith("authorization-webhook-"):
                yield name, "not together with authorization-config"
        return
    # kubeadm's own.
    modes = given.get("authorization-mode", "Node,RBAC").split(",")
    if "authorization-mode" not in given and "authorization-mode" in others:
        return  # a field of ours has rules of its own
    for mode, name in (
        ("ABAC", "authorization-policy-file"),
        ("Webhook", "authorization-webhook-config-file"),
    ):
        if name in others:
            continue
        if given.get(name) and mode not in modes:
            yield name, f"needs the mode {mode}"
        elif mode in modes and not _there(name, given, others):
            yield "authorization-mode", f"{mode} needs {name}"


_COORDINATED: Final = (("lease-duration", 15.0), ("renew-deadline", 10.0), ("retry-period", 2.0))
"""What each must be longer than the next of, and the seconds where none are given."""


def _coordinated(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    found = []
    for word, usual in _COORDINATED:
        name = f"coordinated-leadership-{word}"
        # As leader election wants it: renew before the lease ends, retry before the renewal is
        # given up.
        seconds = duration_seconds(given[name]) if name in given else usual
        found.append((name, usual if seconds is None else seconds))
    for (name, longer), (next_, shorter) in pairwise(found):
        if longer <= shorter:
            yield (name if name in given else next_), f"{name} must be longer than {next_}"


def _signing(given: Mapping[str, str], others: Container[str]) -> Iterator[tuple[str, str]]:
    both = [f"{_SIGNING}-{file}" for file in ("cert-file", "key-file")]
    # kubeadm gives both, unless they are given another value.
    general = any(given.get(name, "kubeadm's") for name in both)
    for signer in _SIGNERS:
        cert, key = (f"{_SIGNING}-{signer}-{file}" for file in ("cert-file", "key-file"))
        for name, other in ((cert, key), (key, cert)):
            if not given.get(name):
                continue
            if not _there(other, given, others):
                yield name, f"needs {other}"
            elif general:
                yield (
                    name,
                    f"not together with {both[0]}, which kubeadm gives: set that and {both[1]} to nothing",
                )
