"""Documents that are passed on, drawn around what Kubernetes takes: by kind, version and seed.

A document begins as a right one; a few of its fields, found by walking the table of types, get values of their kind: near misses and chance.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any, Final

from machineadm.config import upstream
from tests.passed_on_cases import RIGHT

DOCUMENTS: Final = (
    "Policy",
    "AuthenticationConfiguration",
    "AuthorizationConfiguration",
    "AdmissionConfiguration",
    "Pod",
    "KubeletConfiguration",
    "KubeProxyConfiguration",
)
"""Kinds of documents."""

_TEXTS: Final = (
    "", "a", "A", "a-b", "a_b", "a.b", "-a", "a b", " a", "é", "a/b", "example.org/a", "Example.org/a", "kubernetes.io/a", "*", "a" * 64,
    "1", "0", "/a", "/a/b", "/a/../b", "/a/", "a/../b", "..", "../a", "..a", ".", "10.0.0.1", "010.0.0.1", "10.0.0.0/8", "10.0.0.0/33",
    "10.0.0.0/255.0.0.0", "fd00::/64", "::1", "fe80::1%eth0", "10.0.0.0/8,fd00::/64", "10.0.0.0/8, fd00::/64", "0.0.0.0:80", "[::]:80",
    "[::]", ":80", "10.0.0.1:0", "10.0.0.1:http", "localhost:80", "https://a.example", "https://a.example?b", "https://a.example:b",
    "http://a.example", "HTTPS://a.example", "https://a b", "https://u@a.example", "unix:///a", "dns:///a", "//a", "a:b:c", "1.2.3", "1.33",
    "1.36", "v1", "latest", "system:a", "a=b", "a,b", "SYS_ADMIN", "CAP_SYS_ADMIN", "metadata.name", "metadata.labels", "status.podIP",
    "metadata.labels['a']", "metadata.labels['a b']", "limits.cpu", "limits.gpu", "net.core.somaxconn", "kernel.shmmax", "kernel/shmmax",
    "0-3", "3-0", "0-3,8", "0-", "iqn.2026-01.org.example:a", "registry.example.com/a", "registry.example.com/a:1", "registry.example.com/*",
    "a*b", "/healthz*", "/a*b", "primary", "all", "localhost", "cpu", "memory", "hugepages-2Mi", "example.com/gpu", "pods", "none",
    "system-reserved", "Metadata", "RBAC", "baseline", "Server", "default", "kube-system", "run", "tmp", "proxy",
)  # fmt: skip
_NUMBERS: Final = (
    -2147483648, -1001, -1000, -1, 0, 1, 2, 3, 14, 30, 31, 32, 75, 85, 100, 101, 511, 512, 999, 1000, 1024, 65535, 65536, 70000, 131072,
    1000000, 2147483647,
)  # fmt: skip
_LENGTHS: Final = (
    "0s",
    "1ns",
    "500ms",
    "1s",
    "2s",
    "3s",
    "30s",
    "31s",
    "1m",
    "2m",
    "3m",
    "24h",
    "-1s",
    "-1ns",
    "5m0.5s",
    "+3s",
)
_AMOUNTS: Final = (
    "0",
    "1",
    "2",
    "-1",
    "-1m",
    "500m",
    "1.5",
    "1Gi",
    "2Mi",
    "3Mi",
    "1e3",
    "1k",
    "100Mi",
    "0.5",
    "1E",
)
_TIMES: Final = ("2026-01-01T00:00:00Z",)
_SKIPPED: Final = frozenset({"apiVersion", "kind", "status", "featureGates", "ephemeralContainers"})
"""Fields that say what a document is, and those with a judgement of their own."""
_LEFT_OUT: Final = frozenset(
    {
        # A value that only the running system can judge, and a file that is not there on the judge's machine.
        "kubeConfigFile",
        "staticManifestsDir",
        "valueExpression",
        "expression",
        "messageExpression",
        "containerRuntimeEndpoint",
    }
)


def drawn(kind: str, count: int, minor: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Documents of a kind.

    Args:
        kind: One of `DOCUMENTS`.
        count: How many.
        minor: The minor version of Kubernetes 1 that would read them.
        seed: Another one draws others.
    """
    for number in range(count):
        rng = random.Random(f"{kind}/{minor}/{seed}/{number}")  # noqa: S311 # nothing is kept secret by it
        yield _Draw(rng, minor).document(kind)


def known(value: Any, kind: str, minor: int) -> Any:
    """A value without the fields that a version does not have: one of them alone would have every case refused."""
    while kind.startswith(("[]", "{}")):
        list_, kind = kind.startswith("[]"), kind[2:]
        if list_:
            return [known(item, kind, minor) for item in value]
        return {name: known(item, kind, minor) for name, item in value.items()}
    fields = upstream.fields()["types"].get(kind)
    if fields is None:
        return value
    found = {}
    for name, item in value.items():
        below = upstream.at(fields[name], minor) if name in fields else "any"
        if below is not None:
            found[name] = known(item, below, minor)
    return found


_GATED_ANONYMOUS: Final = 31
"""The minor version with a gate, off by default, for who is anonymous."""


class _Draw:
    def __init__(self, rng: random.Random, minor: int) -> None:
        self._rng, self._minor = rng, minor

    def document(self, kind: str) -> dict[str, Any]:
        document = copy.deepcopy(RIGHT[kind])
        served = upstream.fields()["kinds"][kind]
        version, root = next(
            (name, type_)
            for name, (type_, where) in served.items()
            if upstream.holds(where, self._minor)
        )
        document = dict(known(document, root, self._minor))
        document["apiVersion"] = version
        if self._minor == _GATED_ANONYMOUS:
            document.pop("anonymous", None)
        for _ in range(self._rng.choice((1, 1, 1, 2, 3))):
            self._change(document, root, depth=0)
        return document

    def _fields(self, type_: str) -> dict[str, str]:
        found = {}
        for field, entry in upstream.fields()["types"][type_].items():
            kind = upstream.at(entry, self._minor)
            if kind is not None and field not in _SKIPPED | _LEFT_OUT:
                found[field] = kind
        return found

    def _change(self, value: dict[str, Any], type_: str, depth: int) -> None:
        """Change a field of a map, or one further down."""
        fields = self._fields(type_)
        there = [name for name in value if name in fields]
        # Down where something is already, more often than not.
        name = self._rng.choice(
            there if there and self._rng.random() < 0.7 else sorted(fields) or ["a"]
        )
        kind = fields.get(name, "string")
        below = value.get(name)
        struct = kind.removeprefix("[]")
        if struct in upstream.fields()["types"] and self._rng.random() < 0.85:
            if kind.startswith("[]") and isinstance(below, list) and below:
                item = self._rng.choice(below)
                if isinstance(item, dict):
                    self._change(item, struct, depth + 1)
                    return
            elif isinstance(below, dict):
                self._change(below, struct, depth + 1)
                return
        if below is not None and self._rng.random() < 0.15:
            del value[name]
        else:
            value[name] = self._value(kind, below, depth)

    def _value(self, kind: str, before: Any, depth: int) -> Any:
        rng, tables = self._rng, upstream.fields()
        if kind.startswith("[]"):
            count = rng.choice((0, 1, 1, 1, 2)) if depth < 6 else 0
            items = [self._value(kind[2:], None, depth + 1) for _ in range(count)]
            if isinstance(before, list) and before and rng.random() < 0.3:
                items = [*before, rng.choice(before)]
            return items
        if kind.startswith("{}"):
            return {
                rng.choice(_TEXTS) or "a": self._value(kind[2:], None, depth + 1)
                for _ in range(rng.choice((0, 1, 1, 2)))
            }
        if kind in tables["types"]:
            fields = self._fields(kind)
            names = rng.sample(sorted(fields), min(len(fields), rng.choice((0, 1, 2, 3))))
            return {name: self._value(fields[name], None, depth + 1) for name in names if depth < 6}
        if kind in tables["enums"]:
            known = [
                word
                for word, where in tables["enums"][kind].items()
                if upstream.holds(where, self._minor)
            ]
            return rng.choice((*known, *known, *known, f"{rng.choice(known)}s", "None", "a"))
        return self._scalar(kind, before)

    def _scalar(self, kind: str, before: Any) -> Any:
        rng = self._rng
        if kind == "bool":
            return rng.random() < 0.5
        if kind in ("duration", "durationornumber"):
            return rng.choice(_LENGTHS)
        if kind == "quantity":
            return rng.choice(_AMOUNTS)
        if kind.startswith(("int", "uint")) and kind != "intorstring":
            signed = not kind.startswith("uint")
            return rng.choice([each for each in _NUMBERS if signed or each >= 0])
        if kind.startswith("float"):
            return rng.choice((-1, 0, 0.5, 0.9, 1, 1.5))
        if kind == "intorstring":
            return rng.choice((*_NUMBERS, *_TEXTS))
        if kind == "time":
            return rng.choice(_TIMES)
        if kind == "bytes":
            return "YQ=="
        if kind == "any":
            return {}
        if isinstance(before, str) and rng.random() < 0.3:
            return _nearly(rng, before)
        return rng.choice(_TEXTS)


def _nearly(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice(("", "a", "-", ".", "/", " ", "A", "1"))
        + text[at + rng.randrange(2) :]
    )
