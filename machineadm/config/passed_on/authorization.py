"""The API server's validation of an AuthorizationConfiguration (k8s.io/apiserver, pkg/apis/apiserver/validation).

Expressions (CEL) are read where the library for them is installed (`expressions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.expressions import of_authorization
from machineadm.config.passed_on.values import (
    Once,
    is_absent,
    is_subdomain,
    length_of_time,
    mapping,
    maps,
    not_negative,
    one_of,
    refused,
    required,
    text,
)
from machineadm.config.paths import child

_TYPES: Final = ("ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook")
_MOST_CONDITIONS: Final = 64
# Seconds: every request waits for the webhook.
_LONGEST: Final = 30


def problems(
    document: dict[str, Any], path: str, _minor: int, _inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the API server refuses beyond wrong fields."""
    yield from required(document, path, "authorizers")
    yield from of_authorization(document, path)
    types, names = Once(), Once()
    for each, at in maps(document, "authorizers", path):
        type_, name = text(each, "type"), text(each, "name")
        yield from required(each, at, "type", "name")
        yield from one_of(each, "type", at, *_TYPES)
        # Several webhooks are fine, each by its name; of the others a second one would never be
        # asked.
        if type_ != "Webhook":
            repeated = list(types.again(type_, child(at, "type")))
            yield from repeated
            # The name of the second one is the same mistake.
            if repeated:
                continue
        yield from names.again(name, child(at, "name"))
        if name and not is_subdomain(name):
            yield refused(
                child(at, "name"),
                "must be a DNS name: lower-case letters, digits, hyphens and dots",
            )
        # Metrics are labeled with the name, so the built-in ones have a fixed one.
        elif name and type_ in _TYPES and type_ != "Webhook" and name != type_.lower():
            yield refused(child(at, "name"), f"must be {type_.lower()}")
        if type_ == "Webhook" and is_absent(each, "webhook"):
            yield from required(each, at, "webhook")
        elif type_ == "Webhook":
            yield from _webhook(mapping(each, "webhook"), child(at, "webhook"))
        elif each.get("webhook") is not None:
            yield refused(child(at, "webhook"), "is only for type Webhook")


def _webhook(webhook: dict[str, Any], path: str) -> Iterator[Finding]:
    # The API server gives the other two a value where they are absent or 0.
    if not length_of_time(webhook, "timeout") and not is_absent(webhook, "timeout"):
        yield refused(child(path, "timeout"), "must be more than 0s")
    yield from required(webhook, path, "timeout")
    if (length_of_time(webhook, "timeout") or 0) > _LONGEST:
        yield refused(child(path, "timeout"), f"must be {_LONGEST}s at most")
    yield from not_negative(webhook, path, "timeout", "authorizedTTL", "unauthorizedTTL")
    # These have no default on purpose: a fallback here would decide about access.
    yield from required(webhook, path, "subjectAccessReviewVersion", "failurePolicy")
    yield from one_of(webhook, "subjectAccessReviewVersion", path, "v1", "v1beta1")
    yield from one_of(webhook, "matchConditionSubjectAccessReviewVersion", path, "v1")
    yield from one_of(webhook, "failurePolicy", path, "NoOpinion", "Deny")
    yield from _connection(mapping(webhook, "connectionInfo"), child(path, "connectionInfo"))
    conditions = list(maps(webhook, "matchConditions", path))
    if conditions:
        yield from required(webhook, path, "matchConditionSubjectAccessReviewVersion")
    if len(conditions) > _MOST_CONDITIONS:
        at = child(path, "matchConditions")
        yield refused(at, f"{len(conditions)} items, at most {_MOST_CONDITIONS} are allowed")
    expressions = Once()
    for condition, at in conditions:
        if not text(condition, "expression").strip():
            yield refused(child(at, "expression"), "is required")
        yield from expressions.again(text(condition, "expression"), child(at, "expression"))


def _connection(connection: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(connection, path, "type")
    yield from one_of(connection, "type", path, "KubeConfigFile", "InClusterConfig")
    file, at = text(connection, "kubeConfigFile"), child(path, "kubeConfigFile")
    type_ = text(connection, "type")
    if type_ == "InClusterConfig" and "kubeConfigFile" in connection:
        yield refused(at, "is only for type KubeConfigFile")
    elif type_ == "KubeConfigFile" and not file:
        yield refused(at, "is required")
    elif type_ == "KubeConfigFile" and not file.startswith("/"):
        yield refused(at, "must be an absolute path")
