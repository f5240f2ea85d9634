"""Documents of Kubernetes' own that a configuration passes on, judged as their readers will.

Three steps: apiVersion and kind by the version of Kubernetes; every field by the table that `make upstream` made of the types;
then the rules of its reader's validation, a module for each kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, asked_version, finding
from machineadm.config.rules.objects import is_filled_in_elsewhere
from machineadm.config.versions import judged_minor

# Immutable, because it is a default argument.
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_RULES: Final = {
    "Policy": "audit",
    "AuthenticationConfiguration": "authentication",
    "AuthorizationConfiguration": "authorization",
    "AdmissionConfiguration": "admission",
    "Pod": "pod",
    "KubeletConfiguration": "kubelet",
    "KubeProxyConfiguration": "kube_proxy",
}
"""The module here with the rules of a kind."""


def judge(
    value: dict[str, Any] | None,
    field: str,
    kind: str,
    context: Context,
    *,
    optional: bool = False,
    inherited: Mapping[str, Any] = NOTHING,
) -> Iterator[Finding]:
    """Whether the component that reads a document will take it.

    Args:
        value: The document, or None where there is none.
        field: JSON name of the field that holds it.
        kind: What it must be.
        context: For the version of Kubernetes; of one that is newer than the tables nothing is said.
        optional: It may leave apiVersion and kind out; they are added.
        inherited: What its reader is configured with elsewhere, unless this document says otherwise.
    """
    if value is not None:
        minor = judged_minor(asked_version(context))
        yield from judged(value, field, kind, minor, optional=optional, inherited=inherited)


def judged(
    value: dict[str, Any],
    path: str,
    kind: str,
    minor: int | None,
    *,
    optional: bool = False,
    inherited: Mapping[str, Any] = NOTHING,
) -> Iterator[Finding]:
    """As `judge`, by the minor version of Kubernetes 1; without one only apiVersion and kind are looked at."""
    from machineadm.config import upstream

    served = upstream.fields()["kinds"][kind]
    types = {
        name: type_
        for name, (type_, where) in served.items()
        if minor is None or upstream.holds(where, minor)
    }
    # Their kind is not served in this version at all.
    if not types:
        return  # the rule that knows the versions of our own fields tells
    yield from _is_kind(value, path, kind, served, list(types), minor, optional=optional)
    # A document of another kind would break every rule below; one problem is enough.
    if minor is None or value.get("kind", kind) != kind:
        return
    from machineadm.config.upstream.walk import Walk

    given = value.get("apiVersion")
    # A wrong apiVersion has been told; the fields are then judged by the first one that is served.
    type_ = types.get(given if isinstance(given, str) else "", next(iter(types.values())))
    walk = Walk(minor)
    told = set()
    for each in walk.problems(value, type_, path):
        told.add(each.path)
        yield each
    # One problem for each mistake: a value of a wrong type breaks no further rules, and a mistyped field is not missing.
    silent = told | walk.meant
    # Most documents have none, and the paths of all texts need not be made.
    if _holds_placeholder(value):
        silent |= set(_filled_in_elsewhere(value, path))
    rules = import_module(f"{__name__}.{_RULES[kind]}")
    for each in rules.problems(value, path, minor, inherited):
        if each.path not in silent:
            yield each


def _holds_placeholder(value: Any) -> bool:
    # Values only: a key that is a placeholder is an unknown field.
    if isinstance(value, dict):
        return any(map(_holds_placeholder, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_holds_placeholder, value))
    return isinstance(value, str) and is_filled_in_elsewhere(value)


def _filled_in_elsewhere(value: Any, path: str) -> Iterator[str]:
    """Yield paths of texts with a placeholder, which has a warning of its own: its final value is not known here."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(name, str):
                yield from _filled_in_elsewhere(item, child(path, name))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _filled_in_elsewhere(item, f"{path}[{index}]")
    elif isinstance(value, str) and is_filled_in_elsewhere(value):
        yield path


def _is_kind(
    value: dict[str, Any],
    path: str,
    kind: str,
    served: dict[str, Any],
    usable: list[str],
    minor: int | None,
    *,
    optional: bool,
) -> Iterator[Finding]:
    from machineadm.config import upstream

    for name, allowed in (("apiVersion", usable), ("kind", [kind])):
        given = value.get(name)
        if given in allowed or (given is None and optional):
            continue
        if name not in value:
            yield finding("MA1313", path, f"{name} is missing: {' or '.join(allowed)}")
        elif name == "apiVersion" and isinstance(given, str) and given in served:
            yield finding(
                "MA1310",
                child(path, name),
                f"needs Kubernetes {upstream.wanted(served[given][1])}, this machine asks for 1.{minor}",
                " or ".join(usable),
            )
        else:
            yield finding("MA1313", child(path, name), f"{name} must be {' or '.join(allowed)}")
