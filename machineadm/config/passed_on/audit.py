"""The API server's validation of an audit Policy (k8s.io/apiserver, pkg/apis/audit/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    is_absent,
    is_subdomain,
    maps,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child


def problems(
    policy: dict[str, Any], path: str, minor: int, _inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the API server refuses beyond wrong fields."""
    # A rule may leave out more stages than the policy, both are checked alike.
    yield from _stages(policy, path)
    for rule, at in maps(policy, "rules", path):
        yield from required(rule, at, "level")
        yield from _stages(rule, at)
        for url, place in strings(rule, "nonResourceURLs", at):
            yield from _url(url, place)
        for resources, place in maps(rule, "resources", at):
            yield from _resources(resources, place, minor)
        if not is_absent(rule, "nonResourceURLs") and not (
            is_absent(rule, "resources") and is_absent(rule, "namespaces")
        ):
            # Which of the two is named only matters for the message; a URL has neither.
            other = "namespaces" if is_absent(rule, "resources") else "resources"
            yield refused(
                child(at, "nonResourceURLs"), f"not together with {other}", "write two rules"
            )


def _stages(value: dict[str, Any], path: str) -> Iterator[Finding]:
    for stage, at in strings(value, "omitStages", path):
        if not stage:
            yield refused(at, "is not a stage")


def _url(url: str, path: str) -> Iterator[Finding]:
    # ValidateNonResourceURLs: alone for all, or at the end of a path.
    if url == "*":
        return
    if not url.startswith("/"):
        yield refused(path, "must begin with /")
    if "*" in url[:-1]:
        yield refused(path, "* is allowed only at the end")


_ANY_GROUP_MINOR: Final = 36
"""The first minor version that takes `*` for every group."""


def _resources(resources: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    group = text(resources, "group")
    if group and not is_subdomain(group) and not (group == "*" and minor >= _ANY_GROUP_MINOR):
        # apps/v1 is how groups are written everywhere else.
        first = group.partition("/")[0]
        hint = f"write {first}" if is_subdomain(first) else ""
        if group == "*":
            hint = "leave resources out for all of them"
        yield refused(child(path, "group"), "is not a group, which has no version behind it", hint)
    # A name means something within a resource only.
    if not is_absent(resources, "resourceNames") and is_absent(resources, "resources"):
        yield refused(child(path, "resourceNames"), "needs resources")
