"""The API server's validation of an AdmissionConfiguration, and what its plugins say of their own configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    Once,
    is_absent,
    is_label,
    is_subdomain,
    mapping,
    maps,
    number,
    one_of,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.rules.model import finding

_KINDS: Final = {
    "PodSecurity": ("PodSecurityConfiguration",),
    # Three plugins have a kind Configuration, each in a group of its own (_GROUPS).
    "EventRateLimit": ("Configuration",),
    "PodTolerationRestriction": ("Configuration",),
    "ResourceQuota": ("ResourceQuotaConfiguration", "Configuration"),
    "MutatingAdmissionWebhook": ("WebhookAdmissionConfiguration", "WebhookAdmission"),
    "ValidatingAdmissionWebhook": ("WebhookAdmissionConfiguration", "WebhookAdmission"),
    # No type of an API group: the plugin unmarshals into a struct of its own, so apiVersion is
    # empty in the table.
    "ImagePolicyWebhook": ("ImagePolicyWebhook",),
    "PodNodeSelector": ("PodNodeSelector",),
}
"""The documents that each plugin reads; the others read none, or have a form of their own."""

_GROUPS: Final = {
    "EventRateLimit": "eventratelimit.",
    "PodTolerationRestriction": "podtolerationrestriction.",
    "ResourceQuota": "resourcequota.",
}
"""Which of the documents of kind Configuration."""


def problems(
    document: dict[str, Any], path: str, minor: int, _inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the API server refuses beyond wrong fields."""
    names = Once()
    for plugin, at in maps(document, "plugins", path):
        yield from required(plugin, at, "name")
        yield from names.again(text(plugin, "name"), child(at, "name"))
        if not is_absent(plugin, "path") and plugin.get("configuration") is not None:
            yield refused(at, "has path and configuration", "keep configuration")
        if (inner := plugin.get("configuration")) is not None:
            yield from _plugin(text(plugin, "name"), inner, child(at, "configuration"), minor)


def _plugin(name: str, inner: Any, path: str, minor: int) -> Iterator[Finding]:
    from machineadm.config import upstream
    from machineadm.config.upstream.walk import Walk

    known = upstream.names()["plugins"]
    if name and name not in known:
        return  # reported by the rule for names of plugins
    if not isinstance(inner, dict):
        yield finding("MA1324", path, "expects a map")
        return
    # What the others do with a configuration is not known; most ignore it.
    if name not in _KINDS:
        return
    documents = _documents(name, minor)
    if "" in {version for version, _kind in documents}:
        ((_version, _kind), type_), *_ = documents.items()
        yield from Walk(minor).problems(inner, type_, path)
    else:
        given = (text(inner, "apiVersion"), text(inner, "kind"))
        if given not in documents:
            wanted = " or ".join(f"{kind} of {version}" for version, kind in documents)
            yield finding("MA1313", path, f"must be a {wanted}")
        type_ = documents.get(given, next(iter(documents.values())))
        yield from Walk(minor).problems(inner, type_, path)
    rules = _RULES.get(name)
    if rules is not None:
        yield from rules(inner, path)


def _documents(name: str, minor: int) -> dict[tuple[str, str], str]:
    """By apiVersion and kind: the type of the documents that a plugin reads."""
    from machineadm.config import upstream

    kinds = upstream.fields()["kinds"]
    return {
        (version, kind): type_
        for kind in _KINDS[name]
        for version, (type_, where) in kinds[kind].items()
        if upstream.holds(where, minor)
        and (kind != "Configuration" or version.startswith(_GROUPS[name]))
    }


def _is_version(text: str) -> bool:
    """Whether ParseVersion of pod-security-admission takes it: v1 and a minor version, without a patch."""
    major, _, minor = text.partition(".")
    plain = minor.isascii() and minor.isdecimal() and len(minor) <= 9
    return major == "v1" and plain and minor == str(int(minor))


_LEVELS: Final = ("privileged", "baseline", "restricted")


def _pod_security(document: dict[str, Any], path: str) -> Iterator[Finding]:
    defaults, at = mapping(document, "defaults"), child(path, "defaults")
    for mode in ("enforce", "audit", "warn"):
        yield from one_of(defaults, mode, at, *_LEVELS)
        version = text(defaults, f"{mode}-version")
        if version and version != "latest" and not _is_version(version):
            yield refused(
                child(at, f"{mode}-version"), "must be latest, or a version such as v1.34"
            )
    exemptions, at = mapping(document, "exemptions"), child(path, "exemptions")
    for name, fits, what in (
        ("namespaces", is_label, "the name of a namespace"),
        ("runtimeClasses", is_subdomain, "the name of a runtime class"),
        # Names of users are free text, so any that is not empty fits.
        ("usernames", bool, "the name of a user"),
    ):
        seen = Once()
        for value, place in strings(exemptions, name, at):
            if not fits(value):
                yield refused(place, f"is not {what}")
            yield from seen.again(value, place)


def _event_rate_limit(document: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(document, path, "limits")
    for limit, at in maps(document, "limits", path):
        yield from required(limit, at, "type")
        for name in ("burst", "qps"):
            # A limit of 0 would refuse every event.
            if (number(limit, name) or 0) <= 0:
                yield refused(child(at, name), "must be 1 or more")
        if text(limit, "type") != "Server" and (number(limit, "cacheSize") or 0) < 0:
            yield refused(child(at, "cacheSize"), "must not be negative")


def _image_policy(document: dict[str, Any], path: str) -> Iterator[Finding]:
    webhook, at = mapping(document, "imagePolicy"), child(path, "imagePolicy")
    yield from required(webhook, at, "kubeConfigFile")


_RULES: Final = {
    "PodSecurity": _pod_security,
    "EventRateLimit": _event_rate_limit,
    "ImagePolicyWebhook": _image_policy,
}
