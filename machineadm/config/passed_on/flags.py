"""Values of arguments that a program of Kubernetes parses and then refuses (the options packages of k8s.io/kubernetes).

By the flag's type in Go first, then by the rules that its program has for a flag. What only the running system decides, such as whether a
file is there, is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from machineadm.config.passed_on.values import (
    amount,
    is_address,
    is_label_value,
    is_qualified,
    is_range,
    is_url,
)
from machineadm.config.upstream.walk import duration_seconds
from machineadm.config.versions import FLUSHED_MINOR

_TRUE: Final = ("1", "t", "T", "TRUE", "true", "True")
BOOLEANS: Final = frozenset((*_TRUE, "0", "f", "F", "FALSE", "false", "False"))
"""What Go takes for true or false."""

# Go's syntax of integers with base 0: prefixes, and underscores between digits.
_DIGITS: Final = r"0[xX](_?[0-9a-fA-F])+|0[bB](_?[01])+|0[oO]?(_?[0-7])+|0|[1-9](_?[0-9])*"
_NUMBER: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_LAST_PORT: Final = 65535


def integer(value: str) -> int | None:
    """The integer that Go's strconv.ParseInt with base 0 makes of a text; None if it is not one."""
    # Most are digits alone: a pattern costs more to compile than to match.
    if (
        value.isascii()
        and value.isdecimal()
        and len(value) <= 64
        and (value[0] != "0" or value == "0")
    ):
        return int(value)
    found = re.fullmatch(rf"([+-]?)({_DIGITS})", value) if len(value) <= 64 else None
    if found is None:
        return None
    digits = found[2].replace("_", "").lower()
    if re.fullmatch("0[0-7]+", digits):
        digits = f"0o{digits[1:]}"
    return int(digits, 0) * (-1 if found[1] == "-" else 1)


def _whole(bits: int, *, signed: bool = True) -> Callable[[str], str]:
    def problem(value: str) -> str:
        # A sign is refused where Go's unsigned parser is used, even a plus.
        number = integer(value)
        if number is None or (not signed and value[:1] in "+-"):
            return "must be an integer" if signed else "must be an integer, not negative"
        least = -(1 << (bits - 1)) if signed else 0
        most = 1 << (bits - 1 if signed else bits)
        return "" if least <= number < most else "is too large a number"

    return problem


def _number(value: str) -> str:
    return "" if re.fullmatch(_NUMBER, value) else "must be a number"


def _duration(value: str) -> str:
    return "" if duration_seconds(value) is not None else "must be a length of time such as 30s"


def _boolean(value: str) -> str:
    return "" if value in BOOLEANS else "must be true or false"


def _ip(value: str) -> str:
    word = value.strip()
    # Go's net.ParseIP, unlike the reader of documents: zeros in front may mean octal elsewhere.
    padded = re.search(r"(^|\.)0[0-9]", word) if ":" not in word else None
    # An empty one is none.
    return "" if not word or (is_address(word) and not padded) else "must be an IP address"


def _ranges(value: str) -> str:
    # These may have no size.
    for each in value.split(",") if value else ():
        if not is_range(each.strip()):
            return "must be ranges of addresses with commas between them"
    return ""


def _pairs(value: str) -> str:
    fits = re.fullmatch(r"([^=,]+=[^,]*(,[^=,]+=[^,]*)*)?", value)
    return "" if fits else "must be key=value pairs with commas between them"


def _thresholds(value: str) -> str:
    fits = re.fullmatch(r"([^<,]+<[^,]*(,[^<,]+<[^,]*)*)?", value)
    return "" if fits else "must be signal<amount pairs with commas between them"


def _switches(value: str) -> str:
    for pair in filter(None, value.split(",")):
        _name, equals, state = (part.strip() for part in pair.partition("="))
        if not equals or state not in BOOLEANS:
            return "must be name=true or name=false, with commas between them"
    return ""


def _quantity(value: str) -> str:
    return "" if amount(value) is not None else "must be an amount such as 100Mi"


def port_range(value: str) -> tuple[int, int] | None:
    """First and last of a range of ports; None if it is not one."""
    text = value.strip()
    first, sign, rest = text.partition("-" if "-" in text else "+")
    if not all(
        each.isascii() and each.isdecimal() and len(each) <= 9 for each in (first, rest or first)
    ):
        return None
    if not sign:
        return int(first), int(first)
    if not rest:
        return None
    # base+size of utilnet.ParsePortRange, whose end is cut at the last port.
    last = int(rest) if sign == "-" else min(int(first) + int(rest), _LAST_PORT)
    return int(first), last


def port_range_problem(value: str) -> str:
    """What is wrong with a range of ports; empty if nothing is, or if there is none."""
    found = port_range(value)
    if found is None:
        return "must be a range of ports such as 30000-32767" if value.strip() else ""
    return "" if found[0] <= found[1] <= _LAST_PORT else "must be a range of ports up to 65535"


def _levels(value: str) -> str:
    # A pattern and the verbosity of the files that it names.
    for pair in filter(None, value.split(",")):
        pattern, equals, level = pair.partition("=")
        number = integer(level)
        if not pattern or not equals or number is None or not 0 <= number < 1 << 31:
            return "must be pattern=number pairs with commas between them"
    return ""


def _certificate(value: str) -> str:
    # SNI: names behind the colon are patterns of hosts, which the API server takes as they are.
    parts = value.partition(":")[0].split(",")
    fits = len(parts) == 2 and all(part.strip() for part in parts)
    return "" if fits else "must be certificate,key or certificate,key:names"


def _curves(value: str) -> str:
    for each in value.split(","):
        if _whole(32)(each):
            return "must be numbers with commas between them"
    return ""


def _taints(value: str) -> str:
    for taint in filter(None, value.split(",")):
        # A taint without an effect is for removal in kubectl; the kubelet refuses it.
        rest, colon, effect = taint.partition(":")
        key, _equals, text = rest.partition("=")
        if not is_qualified(key) or not is_label_value(text) or not colon:
            return "must be key=value:effect, with commas between them"
        if effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            return "has an effect that is none of NoSchedule, PreferNoSchedule, NoExecute"
    return ""


def _reserved_memory(value: str) -> str:
    for each in value.split(";") if value else ():
        number, colon, amounts = each.partition(":")
        if not colon or number.strip() != number or not number.isascii() or not number.isdecimal():
            return "must be node:memory=amount, with semicolons between them"
        for pair in amounts.split(","):
            kind, equals, size = pair.partition("=")
            if not equals or not (kind == "memory" or kind.startswith("hugepages-")):
                return "must be node:memory=amount, with semicolons between them"
            if amount(size) is None:
                return "has an amount that is not one such as 1Gi"
    return ""


_TYPES: Final[Mapping[str, Callable[[str], str]]] = {
    "bool": _boolean,
    "duration": _duration,
    "int": _whole(64),
    "int32": _whole(32),
    "int64": _whole(64),
    "uint": _whole(64, signed=False),
    "uint16": _whole(16, signed=False),
    "uint32": _whole(32, signed=False),
    "uint64": _whole(64, signed=False),
    "float32": _number,
    "float64": _number,
    "ip": _ip,
    "cidrs": _ranges,
    "mapStringString": _pairs,
    "stringToString": _pairs,
    "mapStringBool": _switches,
    "quantity": _quantity,
    "portRange": port_range_problem,
    "pattern=N,...": _levels,
    "namedCertKey": _certificate,
    "int32Slice": _curves,
    "[]v1.Taint": _taints,
    "reserved-memory": _reserved_memory,
}


def _level(value: str) -> str:
    # Of base 10 alone, and without a sign.
    fits = value.isascii() and value.isdecimal() and len(value) <= 64 and int(value) < 1 << 31
    return "" if fits else "must be an integer, not negative"


def _colon_pairs(value: str) -> str:
    fits = all(":" in pair for pair in value.split(",") if pair)
    return "" if fits else "must be name:value pairs with commas between them"


def type_problem(name: str, value: str, kind: str) -> str:
    """What is wrong with a value, by its flag's type; empty if nothing is, or nobody can tell.

    Args:
        name: Of the flag.
        value: The value.
        kind: The type in Go.
    """
    # klog's verbosity is not parsed like other integers.
    if kind == "Level":
        return _level(value)
    if name == "runtime-config":
        return ""  # of the same type by its name, but it takes a key alone
    if name == "manifest-url-header":
        return _colon_pairs(value)
    # An empty map flag is fine for others; this one is parsed by its own code.
    if name == "cpu-manager-policy-options" and not value:
        return "must be a key=value pair"
    if name in ("eviction-hard", "eviction-soft"):
        return _thresholds(
            value
        )  # LangleSeparatedMapStringString calls itself mapStringString, too
    problem = _TYPES.get(kind)
    return problem(value) if problem is not None else ""


def _at_least(least: float, most: float | None = None) -> Callable[[str], str]:
    words = f"between {least:g} and {most:g}" if most is not None else f"at least {least:g}"

    def problem(value: str) -> str:
        number = integer(value)
        # goaway-chance is a float.
        if number is None:
            number = float(value) if re.fullmatch(_NUMBER, value) else None  # type: ignore[assignment] # a float of its own
        fits = number is None or (number >= least and (most is None or number <= most))
        return "" if fits else f"must be {words}"

    return problem


def _lasts(least: float, *, more: bool = False) -> Callable[[str], str]:
    """A length of time of at least some seconds."""

    def problem(value: str) -> str:
        seconds = duration_seconds(value)
        if seconds is None or (seconds > least if more else seconds >= least):
            return ""
        return f"must be {'more than' if more else 'at least'} {least:g}s"

    return problem


def _one_of(*words: str) -> Callable[[str], str]:
    told = " or ".join(word or "empty" for word in words)
    return lambda value: "" if value in words else f"must be {told}"


_AUDIT: Final = "audit.k8s.io/v1"
_MODES: Final = ("batch", "blocking", "blocking-strict")
# Names of Go's crypto/tls; 1.0 and 1.1 are still parsed.
TLS_VERSIONS: Final = ("VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
_TLS: Final = _one_of(*TLS_VERSIONS, "")
_CIPHERS: Final = frozenset(
    f"TLS_{name}"
    for name in (
        *(f"AES_{size}_GCM_SHA{hash_}" for size, hash_ in ((128, 256), (256, 384))),
        "CHACHA20_POLY1305_SHA256",
        *(
            f"ECDHE_{kind}_WITH_{cipher}"
            for kind in ("ECDSA", "RSA")
            for cipher in (
                "AES_128_CBC_SHA",
                "AES_128_CBC_SHA256",
                "AES_128_GCM_SHA256",
                "AES_256_CBC_SHA",
                "AES_256_GCM_SHA384",
                "CHACHA20_POLY1305",
                "CHACHA20_POLY1305_SHA256",
                "RC4_128_SHA",
            )
        ),
        "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
        *(
            f"RSA_WITH_{cipher}"
            for cipher in (
                "3DES_EDE_CBC_SHA",
                "AES_128_CBC_SHA",
                "AES_128_CBC_SHA256",
                "AES_128_GCM_SHA256",
                "AES_256_CBC_SHA",
                "AES_256_GCM_SHA384",
                "RC4_128_SHA",
            )
        ),
    )
)
"""The names of cipher suites in Go (k8s.io/component-base, cli/flag)."""


def cipher_problem(name: str) -> str:
    """What is wrong with the name of a cipher suite; empty if nothing is."""
    return "" if name in _CIPHERS else "is not a cipher suite that Go has"


def _ciphers(value: str) -> str:
    unknown = [each for each in value.split(",") if each and cipher_problem(each)]
    return "has a cipher suite that Go does not have" if unknown else ""


def _issuer(value: str) -> str:
    # StringOrURI of RFC 7519, 2: without a colon it is free text, as tokens of old clusters have.
    if not value:
        return "must not be empty"
    return "" if ":" not in value or is_url(value) else "is not a URL"


def _expiration(value: str) -> str:
    seconds = duration_seconds(value)
    # 2^32 seconds is the bound of TokenRequest; 0 means none.
    fits = seconds is None or seconds == 0 or 3600 <= seconds <= 1 << 32
    return "" if fits else "must be at least 1h"


def _keys(value: str) -> str:
    return "" if value.startswith("https://") and is_url(value) else "must begin with https://"


def _overrides(value: str) -> str:
    for each in filter(None, value.split(",")):
        resource, hash_, servers = each.partition("#")
        if not hash_ or "#" in servers or resource.count("/") != 1:
            return "must be group/resource#servers, with commas between them"
    return ""


def _modes(value: str) -> str:
    # A mode that is there twice would be asked twice, so the API server refuses it.
    given = value.split(",")
    known = ("AlwaysAllow", "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node")
    if any(each not in known for each in given):
        return f"must be of {', '.join(known)}, with commas between them"
    return "has a mode twice" if len(set(given)) < len(given) else ""


def _services(value: str) -> str:
    # Not trimmed: a blank behind the comma is an error to the API server.
    parts = value.split(",")
    if len(parts) > 2 or not all(is_range(part) for part in parts):
        return "must be a range of addresses, or two with a comma between them"
    same = len(parts) == 2 and len({":" in part for part in parts}) == 1
    return "must be one range of IPv4 and one of IPv6" if same else ""


_ALL_APIS: Final = frozenset(f"api/{each}" for each in ("all", "ga", "beta", "alpha"))
_API: Final = r"([^/]*)/[^/]*(/[^/]*)?"
_GROUPS: Final = frozenset(
    (
        "",
        *("apps", "autoscaling", "batch", "extensions", "policy"),
        *("flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "rbac.authorization.k8s.io"),
        *(
            f"{name}.k8s.io"
            for name in (
                "admission",
                "admissionregistration",
                "apiextensions",
                "apiregistration",
                "authentication",
                "authorization",
                "certificates",
                "coordination",
                "discovery",
                "events",
                "imagepolicy",
                "networking",
                "node",
                "resource",
                "scheduling",
                "storage",
                "storagemigration",
            )
        ),
    )
)
"""The groups of the API server from 1.29 on (k8s.io/api, apiextensions-apiserver, kube-aggregator)."""

_LATER_GROUPS: Final = {"lifecycle.k8s.io": 37}
"""Those that came later, with the first minor version that has them."""


def _apis(value: str, minor: int) -> str:
    for pair in filter(None, value.split(",")):
        name = pair.partition("=")[0].strip()
        found = None if name in _ALL_APIS else re.fullmatch(_API, name)
        if found is None and name not in _ALL_APIS:
            return f"must have names such as apps/v1, or of {', '.join(sorted(_ALL_APIS))}"
        group = found[1] if found is not None else ""
        if group not in _GROUPS and not minor >= _LATER_GROUPS.get(group, minor + 1):
            return f"{group} is not a group of the API server 1.{minor}"
        state = pair.partition("=")[2].strip()
        if state and state not in BOOLEANS:
            return "must be api=true or api=false, with commas between them"
    # The API server itself could not serve its own health checks.
    alone = value.strip().replace(" ", "")
    return "turns everything off" if alone == "api/all=false" else ""


_SIZES: Final = r"([^#,]+#[+-]?[0-9]{1,18}(,|$))*"


def _watch_caches(value: str) -> str:
    return "" if re.fullmatch(_SIZES, value) else "must be resource#size, with commas between them"


def _security_headers(value: str) -> str:
    for each in value.split(",") if value else ():
        known = ("includeSubDomains", "preload")
        if each not in known and not re.fullmatch(r"max-age=[^=]*", each):
            return f"must be max-age=SECONDS, {' or '.join(known)}"
    return ""


def _origins(value: str) -> str:
    for each in value.split(",") if value else ():
        # Origins are patterns for search: without an anchor example.com would match
        # evil-example.com.
        start, end = any(mark in each for mark in ("^", "//")), any(mark in each for mark in "$:")
        if not (each and start and end):
            return "must be patterns with // or ^ before the host, and : or $ behind it"
    return ""


_SERVING: Final[Mapping[str, Callable[[str], str]]] = {
    "tls-min-version": _TLS,
    "tls-cipher-suites": _ciphers,
    "logging-format": _one_of("text", "json", ""),
}
_NOT_NEGATIVE: Final = _at_least(0)

_RULES: Final[Mapping[str, Mapping[str, Callable[[str], str]]]] = {
    "kube-apiserver": {
        **_SERVING,
        **dict.fromkeys(
            ("max-requests-inflight", "max-mutating-requests-inflight", "min-request-timeout"),
            _NOT_NEGATIVE,
        ),
        **dict.fromkeys(
            (
                "livez-grace-period",
                "request-timeout",
                "storage-initialization-timeout",
                "shutdown-delay-duration",
                "shutdown-watch-termination-grace-period",
            ),
            _lasts(0),
        ),
        # The API server's own bound: more would have clients reconnect all the time.
        "goaway-chance": _at_least(0, 0.02),
        "secure-port": _at_least(1, _LAST_PORT),
        "kubernetes-service-node-port": _at_least(0, _LAST_PORT),
        "apiserver-count": _at_least(1),
        "storage-backend": _one_of("etcd3", ""),
        "storage-media-type": _one_of(
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
            "",
        ),
        "endpoint-reconciler-type": _one_of("master-count", "lease", "none"),
        "etcd-servers-overrides": _overrides,
        "watch-cache-sizes": _watch_caches,
        "strict-transport-security-directives": _security_headers,
        "service-cluster-ip-range": _services,
        "authorization-mode": _modes,
        "service-account-issuer": _issuer,
        "service-account-jwks-uri": _keys,
        "audit-log-version": _one_of(_AUDIT),
        "audit-webhook-version": _one_of(_AUDIT),
        "audit-log-format": _one_of("legacy", "json"),
        "audit-log-mode": _one_of(*_MODES),
        "audit-webhook-mode": _one_of(*_MODES),
        "service-account-max-token-expiration": _expiration,
        "cors-allowed-origins": _origins,
        **dict.fromkeys(
            ("audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize"), _NOT_NEGATIVE
        ),
    },
    "kube-controller-manager": {
        **_SERVING,
        **dict.fromkeys(
            (
                "concurrent-cron-job-syncs",
                "concurrent-daemonset-syncs",
                "concurrent-device-taint-eviction-syncs",
                "concurrent-ephemeralvolume-syncs",
                "concurrent-horizontal-pod-autoscaler-syncs",
                "concurrent-job-syncs",
                "concurrent-statefulset-syncs",
            ),
            _at_least(1),
        ),
        # The controller manager's own bounds for the endpoints controllers.
        "concurrent-service-endpoint-syncs": _at_least(1, 50),
        "mirroring-concurrent-service-endpoint-syncs": _at_least(1, 50),
        "max-endpoints-per-slice": _at_least(1, 1000),
        "mirroring-max-endpoints-per-subset": _at_least(1, 1000),
        "attach-detach-reconcile-sync-period": _lasts(1),
        "leader-elect-resource-lock": _one_of("leases"),
        "secure-port": _at_least(0, _LAST_PORT),
        "cidr-allocator-type": _one_of("RangeAllocator", ""),
        "cloud-provider": _one_of("external", ""),
    },
    "kube-scheduler": {
        **_SERVING,
        "secure-port": _at_least(0, _LAST_PORT),
        "leader-elect-resource-lock": _one_of("leases"),
    },
    "kubelet": {
        **_SERVING,
        "topology-manager-scope": _one_of("container", "pod"),
        # Other words are told as those of the field.
        "topology-manager-policy": lambda value: "" if value else "must not be empty",
        "container-runtime-endpoint": lambda value: "" if value else "must not be empty",
        "authorization-mode": _one_of("AlwaysAllow", "Webhook"),
        "cloud-provider": _one_of("external", ""),
        # In a document both mean the default; as an argument they are what stands there.
        "hairpin-mode": _one_of("promiscuous-bridge", "hairpin-veth", "none"),
        "port": _at_least(1, _LAST_PORT),
    },
    "etcd": {
        "auto-compaction-mode": _one_of("periodic", "revision"),
        "metrics": _one_of("basic", "extensive"),
        "log-level": _one_of("debug", "info", "warn", "error", "panic", "fatal"),
        "initial-cluster-state": _one_of("new", "existing"),
        "tls-min-version": _one_of("TLS1.2", "TLS1.3", ""),
        "tls-max-version": _one_of("TLS1.2", "TLS1.3", ""),
        "log-format": _one_of("json", "console"),
        "backend-bbolt-freelist-type": _one_of("array", "map"),
    },
}


_ADDRESSES: Final = ("advertise-address", "bind-address")
_EMPTY_ADDRESS_MINOR: Final = 34
"""The first minor version whose library of flags (pflag 1.0.6) takes an empty address for none."""

_SPLIT_MINOR: Final = 31
_CLAIMS_MINOR: Final = 36
"""The first minor version that wants a worker for claims of resources."""


def value_problem(program: str, name: str, value: str, minor: int) -> str:
    """What a program refuses of a value that it can parse; empty if nothing, or nobody can tell.

    Args:
        program: `kube-apiserver`.
        name: Of the flag.
        value: The value, of the flag's type.
        minor: The minor version of Kubernetes 1.
    """
    if name == "show-hidden-metrics-for-version" and value:
        # Hidden metrics can be shown for one release, so that a dashboard has time (KEP-1209).
        wanted = f"1.{minor - 1}"
        return "" if value == wanted else f"must be {wanted}, the version before"
    if name == "runtime-config":
        return _apis(value, minor)
    # The kubelet's are of a type of its own.
    if name in _ADDRESSES and not value and minor < _EMPTY_ADDRESS_MINOR and program != "kubelet":
        return "must be an IP address"
    # Parsed as one pair until it was split as others are.
    if name == "topology-manager-policy-options" and minor < _SPLIT_MINOR and "=" not in value:
        return "must be a key=value pair"
    if name == "concurrent-resourceclaim-syncs":
        return _at_least(1)(value) if minor >= _CLAIMS_MINOR else ""
    if name == "log-flush-frequency" and minor >= FLUSHED_MINOR:
        return _lasts(0, more=True)(value)
    rule: Any = _RULES.get(program, {}).get(name)
    return rule(value) if rule is not None else ""
