"""Arguments of Kubernetes' programs, drawn around what they take: by program, version and seed.

An argument is one that the program has, or had, or will have, or that another program has, or nearly one; its value is one of the flag's type,
one of another type, or a word that some flag knows. Of the flags of one program two at a time are drawn now and then.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from machineadm.config import upstream

PROGRAMS: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "etcd")
"""Programs whose arguments are drawn."""

NOT_DRAWN: Final = frozenset(
    [
        # The program prints something and ends, or reads all else from a file.
        "help", "h", "version", "config", "config-dir", "config-file", "write-config-to",
        # etcd opens what they name before it has judged the others.
        "log-outputs",
        # They change the judge itself, which has more cases to judge.
        "emulated-version", "emulation-forward-compatible", "min-compatibility-version", "runtime-config-emulation-forward-compatible",
        "log-dir", "log-file", "logging-format", "allow-metric-labels", "allow-metric-labels-manifest", "disabled-metrics",
        "show-hidden-metrics-for-version",
        # The machine's files, addresses and cgroups decide.
        "bind-address", "cert-dir", "master", "fail-cgroupv1", "experimental-mounter-path", "permit-address-sharing", "permit-port-sharing",
        # kubeadm gives them with what belongs to them; drawn_machines has them as fields.
        "etcd-servers", "service-account-issuer", "service-account-key-file", "service-account-signing-key-file",
        "service-account-signing-endpoint",
        # Rules of our own fields judge their values (node.labels, node.taints).
        "node-labels", "register-with-taints",
        # The names of controllers are no option's, but those of the whole program.
        "controllers",
        # Up to 1.33 the programs take these from the flags of the process, not from their options, and the judge is many programs in one.
        "cloud-provider-gce-lb-src-cidrs", "cloud-provider-gce-l7lb-src-cidrs",
        "default-not-ready-toleration-seconds", "default-unreachable-toleration-seconds",
    ]
)  # fmt: skip
"""Flags that are left out."""

_OF_TYPE: Final = {
    "bool": ("true", "false", "1", "0", "T", "yes", "True", "TRUE", "on", ""),
    "reserved": ("0:memory=1Gi", "0:memory=1Gi;1:memory=2Gi", "0:memory", "a:memory=1Gi", "0:cpu=1", "0:memory=1Gi,hugepages-2Mi=100M", "0", ""),
    "headers": ("X-Remote-Uid", "X-Remote-User", "x-remote-uid,X-B", "a,", " ", "", "X-Remote-Extra-"),
    "duration": ("0s", "1s", "10s", "1m30s", "1h", "2h", "-1s", "10ms", "1", "s", "", "1d", "0", "0.5h", "8760h"),
    "int": ("0", "1", "-1", "2", "20", "50", "51", "1000", "1001", "65535", "65536", "70000", "0x10", "010", "1_000", "1e3", "", "99999999999",
            "99999999999999999999", "a", "1.5"),
    "float": ("0", "0.01", "0.02", "0.021", "0.5", "1", "-1", "1e3", "a", "", "50"),
    "ip": ("10.0.0.1", "::1", "localhost", "", "10.255.0.0", "10.0.0.256", "010.0.0.1", "10.0.0.0/8"),
    "pairs": ("a=b", "a=b,c=d", "a", "a=", "=b", "a=b,c", "", "cpu=1", "memory=100Mi", "cpu=-1", "memory.available<5%", "a=true", "a=yes"),
    "list": ("", "a", "a,b", "a,a", "10.0.0.0/8", "10.0.0.0/8,fd00::/64", "*", "TLS_AES_128_GCM_SHA256", "TLS_NOPE", "pods", "a,", "https://a"),
}  # fmt: skip
_WORDS: Final = (
    "true", "false", "yes", "", "0", "1", "-1", "2", "50", "51", "1000", "65536", "0x10", "1_000", "1e3", "0.01", "0.5", "99999999999999999999",
    "1s", "0s", "-1s", "1", "s", "1h", "10.0.0.1", "::1", "localhost", "10.0.0.0/8", "10.0.0.0/8,fd00::/64", "a", "a=b", "a=b,c", "a=1", "a=",
    "=b", "a#b", "a/b#c", "100Mi", "1 Gi", "30000-32767", "32767-30000", "30000+10", "70000-70001", "text", "json", "xml", "batch", "leases",
    "endpoints", "etcd3", "lease", "none", "VersionTLS12", "VersionTLS14", "TLS_AES_128_GCM_SHA256", "TLS_NOPE", "application/json",
    "application/xml", "https://a", "http://a", "max-age=1", "preload", "//a:", "external", "aws", "static", "Webhook", "hairpin-veth", "pod",
    "single-numa-node", "RangeAllocator", "Burstable", "RBAC", "Node,RBAC", "NodeRestriction", "PodSecurity,ServiceAccount", "Nope", "v1=true",
    "api/all=false", "api/beta=true", "best-effort", "restricted", "1.33", "/a", "/a/b", "a.b", "new", "existing", "periodic", "revision",
    "basic", "info", "TLS1.2", "cluster.local", "a_b", "A", "-a",
)  # fmt: skip
_APIS: Final = (
    "api/all=true", "api/all=false", "api/beta=true", "api/alpha", "api/legacy=true", "apps/v1=true", "batch/v2alpha1=true", "nope/v1=true", "v1=true",
    "/v1=true", "lifecycle.k8s.io/v1alpha1=true", "apiextensions.k8s.io/v1", "apiregistration.k8s.io/v1=false", "flowcontrol.apiserver.k8s.io/v1=no",
    "resource.k8s.io/v1beta1/deviceclasses=true", "a/b/c/d=true", "storagemigration.k8s.io/v1beta1=true", "apidiscovery.k8s.io/v2=true",
)  # fmt: skip
_GATES: Final = ("true", "false", "1", "yes", "")


def arguments(
    program: str, count: int, minor: int, seed: int = 0
) -> Iterator[list[tuple[str, str]]]:
    """Names and values of the arguments of each case.

    Args:
        program: One of `PROGRAMS`.
        count: How many.
        minor: The minor version of Kubernetes 1.
        seed: Another one draws others.
    """
    flags = {
        name: entry
        for name, entry in upstream.names()["flags"][program].items()
        if name not in NOT_DRAWN
    }
    known = sorted(name for name, entry in flags.items() if upstream.at(entry, minor))
    others = sorted(
        {name for each in upstream.names()["flags"].values() for name in each} - NOT_DRAWN
    )
    gone = sorted(set(flags) - set(known)) or others
    for number in range(count):
        rng = random.Random(f"{program}/{minor}/{seed}/{number}")  # noqa: S311 # nothing is kept secret by it
        case: dict[str, str] = {}
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            name = rng.choice(rng.choices((known, others, gone), (90, 5, 5))[0])
            if rng.random() < 0.03:
                name = _mistyped(rng, name)
            case.setdefault(
                name,
                _value(
                    rng, name, str(upstream.at(flags[name], minor)) if name in flags else "", minor
                ),
            )
        yield list(case.items())


def _mistyped(rng: random.Random, name: str) -> str:
    at = rng.randrange(len(name))
    return (
        rng.choice(
            (
                name + "s",
                name[:at] + name[at + 1 :],
                name.replace("-", "", 1),
                name.replace("-", "_"),
            )
        )
        or "a"
    )


def _value(rng: random.Random, name: str, kind: str, minor: int) -> str:
    if name == "feature-gates":
        gates = upstream.names()["gates"]["components"]
        some = rng.sample(sorted(gates), rng.choice((1, 1, 2)))
        return ",".join(
            f"{_mistyped(rng, each) if rng.random() < 0.05 else each}={rng.choice(_GATES)}"
            for each in some
        )
    if rng.random() < 0.3:
        return rng.choice(_WORDS)
    if name == "runtime-config":
        return ",".join(rng.sample(_APIS, rng.choice((1, 1, 2))))
    if name.startswith("requestheader") or name == "reserved-memory":
        return rng.choice(_OF_TYPE["headers" if "header" in name else "reserved"])
    kind = kind.rstrip("!?").lower()
    for part, values in (
        ("bool", "bool"), ("duration", "duration"), ("int", "int"), ("float", "float"), ("ip", "ip"), ("map", "pairs"), ("stringtostring", "pairs"),
        ("slice", "list"), ("list", "list"), ("cidrs", "list"),
    ):  # fmt: skip
        if part in kind:
            return rng.choice(_OF_TYPE[values])
    return rng.choice(_WORDS)
