"""Small configurations for tests, decoded as the agent decodes them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import msgspec

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.decoding import decode

EXAMPLES: Final = Path(__file__).parents[1] / "examples"

MINIMAL: Final[dict[str, Any]] = {
    "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
    "kind": "MachineConfiguration",
    "spec": {"kubernetes": {"version": "v1.34.4", "role": {"type": "Initialize"}}},
}
"""The least that a machine can be told."""

TOKEN: Final = {
    "type": "Token",
    "token": "abcdef.0123456789abcdef",
    "endpoint": "api.example.com:6443",
    "caCertHashes": ["sha256:" + "a" * 64],
}
"""A discovery without fault."""


def configuration(spec: dict[str, Any] | None = None) -> MachineConfiguration:
    """MINIMAL with other values at some paths below spec.

    Args:
        spec: Path ("kubernetes.node.labels") to value; what lies between is made. None takes the
            field away.
    """
    return decoded(msgspec.json.encode(document(spec)))


def document(spec: dict[str, Any] | None = None) -> dict[str, Any]:
    """As `configuration`, not decoded: it may be wrong."""
    made = copy.deepcopy(MINIMAL)
    for path, value in (spec or {}).items():
        _set(made["spec"], path, value)
    return made


def decoded(data: bytes) -> MachineConfiguration:
    """The one document of a stream that has nothing wrong with it."""
    (document,) = decode(data, file="test.yaml")
    assert document.problems == ()
    assert isinstance(document.value, MachineConfiguration)
    return document.value


def example(name: str) -> MachineConfiguration:
    """One of examples/."""
    return decoded((EXAMPLES / name).read_bytes())


def _set(target: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        target = target.setdefault(step, {})
    if value is None:
        del target[last]
    else:
        target[last] = copy.deepcopy(value)
