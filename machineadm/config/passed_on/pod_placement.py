"""The kubelet's validation of where a pod runs: tolerations, affinity, spread (k8s.io/kubernetes, pkg/apis/core/validation).

A static pod is never scheduled, but its manifest is validated all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    Once,
    between,
    is_absent,
    is_label,
    is_label_value,
    is_qualified,
    is_subdomain,
    labels,
    mapping,
    maps,
    number,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on

_WITH_VALUES: Final = ("In", "NotIn")
_WITHOUT: Final = ("Exists", "DoesNotExist")
# Of node affinity for labels that are numbers; of tolerations from 1.35 on, behind a gate.
_COMPARED: Final = ("Gt", "Lt")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"
_HEAVIEST: Final = 100


def problems(spec: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """Yield what the kubelet refuses of a PodSpec."""
    for toleration, at in maps(spec, "tolerations", path):
        yield from _toleration(toleration, at, minor)
    yield from _affinity(mapping(spec, "affinity"), child(path, "affinity"))
    yield from _spread(spec, path)
    for gate, at in maps(spec, "readinessGates", path):
        if not is_qualified(text(gate, "conditionType")):
            yield refused(child(at, "conditionType"), "is not a name such as example.com/ready")
    if not is_absent(spec, "schedulingGates"):
        # The kubelet gives a static pod its node, and a pod with gates must not have one.
        yield refused(child(path, "schedulingGates"), "a static pod has no scheduler")


def _toleration(toleration: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    key, operator, value = (text(toleration, name) for name in ("key", "operator", "value"))
    if key and not is_qualified(key):
        yield refused(child(path, "key"), "is not a key such as example.com/gpu")
    if not key and operator != "Exists":
        yield refused(child(path, "operator"), "must be Exists without a key")
    if operator == "Exists" and value:
        yield refused(child(path, "value"), "not together with operator Exists")
    if operator in ("", "Equal") and not is_label_value(value):
        yield refused(child(path, "value"), "is not the value of a label")
    if operator in _COMPARED:
        if not is_on("TaintTolerationComparisonOperators", "kubelet", minor, {}):
            yield refused(
                child(path, "operator"),
                "needs the feature gate TaintTolerationComparisonOperators",
            )
        elif not _is_integer(value):
            yield refused(child(path, "value"), "must be an integer")
    # Only NoExecute evicts, so only there is time to wait.
    if "tolerationSeconds" in toleration and text(toleration, "effect") != "NoExecute":
        yield refused(child(path, "tolerationSeconds"), "is only for effect NoExecute")


def _is_integer(value: str) -> bool:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        return False
    return str(int(value)) == value and -(1 << 63) <= int(value) < 1 << 63


def _affinity(affinity: dict[str, Any], path: str) -> Iterator[Finding]:
    node, at = mapping(affinity, "nodeAffinity"), child(path, "nodeAffinity")
    if _REQUIRED in node:
        selector, below = mapping(node, _REQUIRED), child(at, _REQUIRED)
        yield from required(selector, below, "nodeSelectorTerms")
        for term, place in maps(selector, "nodeSelectorTerms", below):
            # Values of required terms are validated as labels, those of preferences are not.
            yield from _node_term(term, place, values=True)
    for preferred, place in maps(node, _PREFERRED, at):
        yield from _weight(preferred, place)
        yield from _node_term(mapping(preferred, "preference"), child(place, "preference"))
    for name in ("podAffinity", "podAntiAffinity"):
        terms, at = mapping(affinity, name), child(path, name)
        for term, place in maps(terms, _REQUIRED, at):
            yield from _pod_term(term, place)
        for preferred, place in maps(terms, _PREFERRED, at):
            yield from _weight(preferred, place)
            yield from _pod_term(
                mapping(preferred, "podAffinityTerm"), child(place, "podAffinityTerm")
            )


def _weight(preferred: dict[str, Any], path: str) -> Iterator[Finding]:
    if not 0 < (number(preferred, "weight") or 0) <= _HEAVIEST:
        yield refused(child(path, "weight"), f"must be between 1 and {_HEAVIEST}")


def _node_term(term: dict[str, Any], path: str, *, values: bool = False) -> Iterator[Finding]:
    for each, at in maps(term, "matchExpressions", path):
        operator = text(each, "operator")
        yield from _expression(each, at, values=values)
        if operator in _COMPARED and len(list(strings(each, "values", at))) != 1:
            yield refused(child(at, "values"), f"must be one for {operator}")
    for each, at in maps(term, "matchFields", path):
        given = list(strings(each, "values", at))
        # The only field of a node that affinity knows.
        if text(each, "key") != "metadata.name":
            yield refused(child(at, "key"), "must be metadata.name")
        if text(each, "operator") not in _WITH_VALUES:
            yield refused(child(at, "operator"), "must be In or NotIn")
        # A node has one name.
        elif len(given) != 1:
            yield refused(child(at, "values"), "must be one name")
        for value, place in given:
            if not is_subdomain(value):
                yield refused(place, "is not the name of a node")


def _expression(each: dict[str, Any], path: str, *, values: bool = True) -> Iterator[Finding]:
    operator, given = text(each, "operator"), list(strings(each, "values", path))
    yield from required(each, path, "operator")
    if operator in _WITH_VALUES and not given:
        yield refused(child(path, "values"), f"is required for {operator}")
    if operator in _WITHOUT and given:
        yield refused(child(path, "values"), f"not together with operator {operator}")
    if not is_qualified(text(each, "key")):
        yield refused(child(path, "key"), "is not a key of a label")
    for value, at in given if values else ():
        if not is_label_value(value):
            yield refused(at, "is not the value of a label")


def _selector(value: dict[str, Any], name: str, path: str) -> Iterator[Finding]:
    selector, at = mapping(value, name), child(path, name)
    yield from labels(selector, "matchLabels", at)
    for each, place in maps(selector, "matchExpressions", at):
        yield from _expression(each, place)


def _pod_term(term: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from _selector(term, "labelSelector", path)
    yield from _selector(term, "namespaceSelector", path)
    for name, at in strings(term, "namespaces", path):
        if not is_label(name):
            yield refused(at, "is not the name of a namespace")
    yield from _label_keys(term, path)
    if not is_qualified(text(term, "topologyKey")):
        yield refused(
            child(path, "topologyKey"), "is not a key such as topology.kubernetes.io/zone"
        )


def _label_keys(term: dict[str, Any], path: str) -> Iterator[Finding]:
    """Keys whose values the pod's own labels bring, beside a selector."""
    selector = mapping(term, "labelSelector")
    twice = set(mapping(selector, "matchLabels")) | {
        text(each, "key") for each, _at in maps(selector, "matchExpressions", path)
    }
    other = {key for key, _at in strings(term, "mismatchLabelKeys", path)}
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        # They add to a selector.
        if not is_absent(term, name) and "labelSelector" not in term:
            yield refused(child(path, name), "needs labelSelector")
            continue
        for key, at in strings(term, name, path):
            if not is_qualified(key):
                yield refused(at, "is not a key of a label")
            elif name == "matchLabelKeys" and key in twice:
                yield refused(at, "is also in labelSelector")
            elif name == "matchLabelKeys" and key in other:
                yield refused(at, "is also in mismatchLabelKeys")


def _spread(spec: dict[str, Any], path: str) -> Iterator[Finding]:
    seen = Once()
    for each, at in maps(spec, "topologySpreadConstraints", path):
        if (number(each, "maxSkew") or 0) <= 0:
            yield refused(child(at, "maxSkew"), "must be 1 or more")
        yield from required(each, at, "topologyKey", "whenUnsatisfiable")
        action = text(each, "whenUnsatisfiable")
        yield from seen.again(
            f"{text(each, 'topologyKey')} {action}", child(at, "whenUnsatisfiable")
        )
        # Without DoNotSchedule a pod goes anywhere, and a least number of domains says nothing.
        if number(each, "minDomains") is not None and action != "DoNotSchedule":
            yield refused(child(at, "minDomains"), "is for whenUnsatisfiable DoNotSchedule")
        else:
            yield from between(each, "minDomains", at, 1)
        yield from _selector(each, "labelSelector", at)
        yield from _label_keys(each, at)
