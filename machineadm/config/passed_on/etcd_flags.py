"""Values of etcd's arguments that it parses and then refuses (go.etcd.io/etcd/server, embed and etcdmain), and which do not go together.

etcd is given what kubeadm gives it, then what is given here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from machineadm.config.passed_on.flags import BOOLEANS, integer
from machineadm.config.passed_on.values import is_address
from machineadm.config.upstream.walk import duration_seconds

# kubeadm's DefaultEtcdVersion by its own minor version.
_FIRST_OF: Final = {"3.6": 34, "3.7": 37}
"""The first minor version of Kubernetes whose kubeadm runs an etcd."""

_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
_LISTEN: Final = (
    "listen-peer-urls",
    "listen-client-urls",
    "listen-client-http-urls",
    "listen-metrics-urls",
)
# Others dial these, so they need a host; a listener may have any address.
_ADVERTISE: Final = ("initial-advertise-peer-urls", "advertise-client-urls")
_LONGER: Final = ("compact-hash-check-time", "experimental-compact-hash-check-time")
"""Must be more than nothing."""

_GATES: Final = {
    "StopGRPCServiceOnDefrag": 34,
    "InitialCorruptCheck": 34,
    "CompactHashCheck": 34,
    "TxnModeWriteWithSharedBuffer": 34,
    "LeaseCheckpoint": 34,
    "LeaseCheckpointPersist": 34,
    "SetMemberLocalAddr": 34,
    "AllAlpha": 34,
    "AllBeta": 34,
    "FastLeaseKeepAlive": 37,
    "PriorityRequest": 37,
}
"""Feature gates of etcd (server/v3/features), with the first minor version of Kubernetes whose etcd has them."""

_BECAME_GATES: Final = {
    "experimental-stop-grpc-service-on-defrag": "StopGRPCServiceOnDefrag",
    "experimental-initial-corrupt-check": "InitialCorruptCheck",
    "experimental-compact-hash-check-enabled": "CompactHashCheck",
    "experimental-txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
    "experimental-enable-lease-checkpoint": "LeaseCheckpoint",
    "experimental-enable-lease-checkpoint-persist": "LeaseCheckpointPersist",
}
"""Arguments of etcd 3.6 that do not go with the gate that they became."""

_CHECKPOINT: Final = "experimental-enable-lease-checkpoint"
_DISCOVERY: Final = ("discovery", "discovery-srv", "discovery-endpoints")
_SECOND_DISCOVERY: Final = (
    "discovery-token", "discovery-endpoints", "discovery-cert", "discovery-key", "discovery-cacert", "discovery-user", "discovery-password",
)  # fmt: skip
"""Of the discovery service's second version, which no argument of the first goes with."""
_NO_FILES: Final = ("default", "stdout", "stderr")
_LONGEST_ELECTION: Final = 50000
_DEPRECATIONS: Final = ("write-only", "write-only-drop-data", "gone")


def value_problem(name: str, value: str, minor: int) -> str:
    """What etcd refuses of a value; empty if nothing, or nobody can tell."""
    # One parser for all of them in etcd: types.NewURLs.
    if name in _LISTEN or name in _ADVERTISE or name == "cors":
        return _urls(name, value)
    if name in _LONGER:
        seconds = duration_seconds(value)
        return "must be more than 0s" if seconds is not None and seconds <= 0 else ""
    # uint32 of pflag.
    if name == "max-concurrent-streams":
        number = integer(value)
        fits = number is not None and value[:1] not in "+-" and number < 1 << 32
        return "" if fits else "must be an integer, not negative"
    # 3.6 has no v2 proxy any more.
    if name == "discovery-fallback":
        words = ("exit",) if minor >= _FIRST_OF["3.6"] else ("exit", "proxy")
        return "" if value in words else f"must be {' or '.join(words)}"
    if name == "v2-deprecation":
        more = ("write-only-skip-check",) if minor >= _FIRST_OF["3.7"] else ()
        less = ("not-yet",) if minor < _FIRST_OF["3.6"] else ()
        known = (*less, *_DEPRECATIONS, *more)
        fits = all(each in known for each in value.split(","))
        return "" if fits else f"must be of {', '.join(known)}"
    if name == "proxy":
        return "" if value in ("off", "readonly", "on") else "must be off, readonly or on"
    if name == "logger":
        return "" if value == "zap" else "must be zap"
    return ""


def _urls(name: str, value: str) -> str:
    if not value or (name == "cors" and value == "*"):
        return ""
    # etcd trims each.
    for each in value.split(","):
        if problem := _url(name, each.strip()):
            return problem
    return ""


def _url(name: str, value: str) -> str:
    scheme, _colon, rest = value.partition(":")
    # A path follows, and etcd checks neither.
    if scheme.lower() in ("unix", "unixs"):
        return ""
    found = re.fullmatch(r"//(\[[^\]/?#]*\]|[^:/?#\[\]]*):([0-9]*)([?#].*)?", rest)
    if scheme.lower() not in ("http", "https") or found is None:
        return "must be URLs such as https://10.0.0.1:2379, without a path"
    host = found[1].strip("[]")
    # Names are refused for listeners (checkBindURLs): to which address one resolves is a matter of
    # DNS.
    if name in _LISTEN and host != "localhost" and not is_address(host):
        return "must be URLs with an IP address or localhost"
    return "must be URLs with a host" if name in _ADVERTISE and not host else ""


def problems(given: Mapping[str, str], minor: int) -> Iterator[tuple[str, str]]:
    """Name the arguments that etcd refuses beside the others, each with what is wrong.

    Args:
        given: Values by name; the last one of a name.
        minor: The minor version of Kubernetes 1.
    """
    # Milliseconds, with etcd's defaults.
    beat = integer(given.get("heartbeat-interval", "100"))
    election = integer(given.get("election-timeout", "1000"))
    if beat is not None and election is not None:
        name = "heartbeat-interval" if "heartbeat-interval" in given else "election-timeout"
        if beat <= 0 or election <= 0:
            yield name, "must be more than 0"
        # embed.Config.Validate: an election needs several lost heartbeats.
        elif 5 * beat > election:
            yield name, "heartbeat-interval must be a fifth of election-timeout at most"
        elif election > _LONGEST_ELECTION:
            yield "election-timeout", f"must be {_LONGEST_ELECTION} at most"
    # kubeadm always gives it, unless the configuration empties it.
    if given.get("initial-cluster", "kubeadm's"):
        for name in _DISCOVERY:
            # An empty list of endpoints is one with an empty endpoint.
            if given.get(name) or (name == "discovery-endpoints" and name in given):
                yield name, "not together with initial-cluster, which kubeadm gives"
    older = [name for name in ("discovery", "discovery-proxy") if given.get(name)]
    newer = [name for name in _SECOND_DISCOVERY if given.get(name)]
    if older and newer:
        yield older[0], f"not together with {newer[0]}"
    token, places = given.get("discovery-token"), given.get("discovery-endpoints")
    if bool(token) != bool(places):
        name = "discovery-token" if token else "discovery-endpoints"
        yield name, "discovery-token and discovery-endpoints need each other"
    # ErrUnsetAdvertiseClientURLsFlag: whoever listens elsewhere must say where clients find it.
    if "listen-client-urls" in given and given.get("advertise-client-urls", "kubeadm's") == "":
        yield "advertise-client-urls", "must not be empty"
    # lumberjack rotates one file, and cannot rotate a stream.
    if given.get("enable-log-rotation") in _TRUE:
        outputs = given.get("log-outputs", "default").split(",")
        files = [each for each in outputs if each not in _NO_FILES]
        if len(files) > 1 or (len(outputs) == 1 and not files):
            yield "enable-log-rotation", "needs one file in log-outputs"
    if minor >= _FIRST_OF["3.6"]:
        yield from _gates(given, minor)
    elif given.get(f"{_CHECKPOINT}-persist") in _TRUE and given.get(_CHECKPOINT) not in _TRUE:
        yield f"{_CHECKPOINT}-persist", f"needs {_CHECKPOINT}=true"


def _gates(given: Mapping[str, str], minor: int) -> Iterator[tuple[str, str]]:
    # What kubeadm gives etcd 3.6 by itself.
    text = given.get("feature-gates", "InitialCorruptCheck=true")
    on: dict[str, bool] = {}
    for pair in filter(None, text.split(",")):
        name, equals, state = (part.strip() for part in pair.partition("="))
        if not equals or state not in BOOLEANS:
            yield "feature-gates", f"{name or 'a pair'} must be =true or =false"
        elif minor < _GATES.get(name, minor + 1):
            yield "feature-gates", f"etcd of Kubernetes 1.{minor} has no feature gate {name}"
        on[name] = state in _TRUE
    for name, gate in _BECAME_GATES.items():
        if name not in given:
            continue
        # As etcd compares: by the text of the flag, so a gate that is named as false counts, too.
        if gate in text:
            yield name, f"not together with the feature gate {gate}, which feature-gates names"
        on[gate] = given[name] in _TRUE
    # Both gates of leases are alpha.
    everything = on.get("AllAlpha", False)
    if on.get("LeaseCheckpointPersist", everything) and not on.get("LeaseCheckpoint", everything):
        here = f"{_CHECKPOINT}-persist"
        yield (
            (here if here in given else "feature-gates"),
            "LeaseCheckpointPersist needs LeaseCheckpoint",
        )
    for name in given:
        if name.startswith("experimental-") and name.removeprefix("experimental-") in given:
            yield name, f"not together with {name.removeprefix('experimental-')}"
    progress = "experimental-watch-progress-notify-interval"
    if progress in given and progress.removeprefix("experimental-") not in given:
        yield (
            progress,
            f"not together with {progress.removeprefix('experimental-')}, which kubeadm gives",
        )
