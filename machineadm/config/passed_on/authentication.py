"""The API server's validation of an AuthenticationConfiguration (k8s.io/apiserver, pkg/apis/apiserver/validation).

Expressions (CEL) are read where the library for them is installed (`expressions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.expressions import of_authentication
from machineadm.config.passed_on.values import (
    Once,
    is_absent,
    is_subdomain,
    is_url,
    mapping,
    maps,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child

# The API server's own bound for jwt: each has a verifier that fetches keys.
_MOST_ISSUERS: Final = 64
# On by default from here on; before 1.31 there is no such field.
_ANONYMOUS_MINOR: Final = 32
# Keys of `extra` below these are for Kubernetes' own use (credential-id and the like).
_RESERVED: Final = ("kubernetes.io", "k8s.io")


def problems(
    document: dict[str, Any], path: str, minor: int, inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """What the API server refuses beyond wrong fields."""
    if minor < _ANONYMOUS_MINOR and isinstance(document.get("anonymous"), dict):
        from machineadm.config.upstream.gates import is_on

        gate = "AnonymousAuthConfigurableEndpoints"
        if not is_on(gate, "kube-apiserver", minor, mapping(inherited, "featureGates")):
            yield refused(child(path, "anonymous"), f"needs the feature gate {gate}")
            return
    # Conditions limit who may be anonymous, so they need somebody who is.
    anonymous = mapping(document, "anonymous")
    if not anonymous.get("enabled") and not is_absent(anonymous, "conditions"):
        at = child(child(path, "anonymous"), "conditions")
        yield refused(at, "needs enabled: true")
    issuers = list(maps(document, "jwt", path))
    if len(issuers) > _MOST_ISSUERS:
        yield refused(
            child(path, "jwt"), f"{len(issuers)} items, at most {_MOST_ISSUERS} are allowed"
        )
        return
    yield from of_authentication(document, path)
    urls, discoveries = Once(), Once()
    for each, at in issuers:
        issuer, place = mapping(each, "issuer"), child(at, "issuer")
        yield from _issuer(issuer, place)
        yield from urls.again(text(issuer, "url"), child(place, "url"))
        yield from discoveries.again(text(issuer, "discoveryURL"), child(place, "discoveryURL"))
        yield from _mappings(mapping(each, "claimMappings"), child(at, "claimMappings"), minor)
        yield from _claim_rules(each, at)
        expressions = Once()
        for rule, below in maps(each, "userValidationRules", at):
            yield from required(rule, below, "expression")
            yield from expressions.again(text(rule, "expression"), child(below, "expression"))


def _issuer(issuer: dict[str, Any], path: str) -> Iterator[Finding]:
    yield from required(issuer, path, "url", "audiences")
    for name in ("url", "discoveryURL"):
        if url := text(issuer, name):
            yield from _url(url, child(path, name))
    url, discovery = text(issuer, "url"), text(issuer, "discoveryURL")
    # As the API server compares them: a discovery URL is for an issuer that is reached elsewhere.
    if url and url.rstrip("/") == discovery.rstrip("/"):
        yield refused(child(path, "discoveryURL"), "must be another one than url", "leave it out")
    # With several audiences a token needs one of them, and the API server wants that said.
    audiences, seen = list(strings(issuer, "audiences", path)), Once()
    for audience, at in audiences:
        if not audience:
            yield refused(at, "is empty")
        yield from seen.again(audience, at)
    policy = text(issuer, "audienceMatchPolicy")
    # Empty is allowed with one audience.
    if policy != "MatchAny" and (policy or len(audiences) > 1):
        wanted = "must be MatchAny" if len(audiences) > 1 else "must be MatchAny, or left out"
        yield refused(child(path, "audienceMatchPolicy"), wanted)
    selector = text(issuer, "egressSelectorType")
    if selector not in ("", "controlplane", "cluster"):
        yield refused(child(path, "egressSelectorType"), "must be controlplane or cluster")
    authority = text(issuer, "certificateAuthority")
    if authority:
        from machineadm.config.rules.pem import certificates_problem

        if problem := certificates_problem(authority):
            yield refused(child(path, "certificateAuthority"), problem)


def _url(url: str, path: str) -> Iterator[Finding]:
    if not is_url(url):
        yield refused(path, "is not a URL")
        return
    # Not by urllib, whose import takes longer than all that is judged here.
    rest, _, fragment = url.partition("#")
    rest, _, query = rest.partition("?")
    scheme, _, rest = rest.partition(":")
    if scheme.lower() != "https":
        yield refused(path, "must begin with https://")
    if rest.startswith("//") and "@" in rest[2:].partition("/")[0]:
        yield refused(path, "must not hold a user or a password")
    if query:
        yield refused(path, "must not hold a query")
    if fragment:
        yield refused(path, "must not hold a fragment")


# httpPathFmt of apimachinery: what may follow the slash of a domain-prefixed path.
_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_LONGEST_KEY: Final = 4096


def _mappings(mappings: dict[str, Any], path: str, _minor: int) -> Iterator[Finding]:
    # Without a user name nobody is authenticated; groups may be empty.
    yield from _claim(mapping(mappings, "username"), child(path, "username"), needed=True)
    yield from _claim(mapping(mappings, "groups"), child(path, "groups"), needed=False)
    uid = mapping(mappings, "uid")
    if text(uid, "claim") and text(uid, "expression"):
        yield refused(child(path, "uid"), "has claim and expression", "keep one")
    keys = Once()
    for each, at in maps(mappings, "extra", path):
        key, place = text(each, "key"), child(at, "key")
        domain, slash, rest = key.partition("/")
        if not (slash and rest and is_subdomain(domain)) or not (
            len(rest) <= _LONGEST_KEY and re.fullmatch(_PATH, rest)
        ):
            yield refused(place, "must be a path behind a domain: example.org/team")
        # Extra becomes headers of the impersonation, whose names have no case.
        elif key != key.lower():
            yield refused(place, "must be lower case")
        elif any(domain == each or domain.endswith(f".{each}") for each in _RESERVED):
            yield refused(place, f"{domain} is Kubernetes' own")
        yield from keys.again(key, place)
        yield from required(each, at, "valueExpression")


def _claim(value: dict[str, Any], path: str, *, needed: bool) -> Iterator[Finding]:
    claim, expression = text(value, "claim"), text(value, "expression")
    if claim and expression:
        yield refused(path, "has claim and expression", "keep one")
    elif expression and "prefix" in value:
        yield refused(child(path, "prefix"), "not together with expression")
    # It must be said, since a claim of the issuer could otherwise be `system:masters`.
    elif claim and value.get("prefix") is None:
        yield refused(
            child(path, "prefix"), "is required with claim", 'prefix: "" puts nothing in front'
        )
    elif needed and not claim and not expression:
        yield refused(path, "needs claim or expression")


def _claim_rules(issuer: dict[str, Any], path: str) -> Iterator[Finding]:
    claims, expressions = Once(), Once()
    for rule, at in maps(issuer, "claimValidationRules", path):
        claim, expression = text(rule, "claim"), text(rule, "expression")
        if claim and expression:
            yield refused(at, "has claim and expression", "keep one")
        elif claim:
            if text(rule, "message"):
                yield refused(child(at, "message"), "not together with claim")
            yield from claims.again(claim, child(at, "claim"))
        elif expression:
            if text(rule, "requiredValue"):
                yield refused(child(at, "requiredValue"), "not together with expression")
            yield from expressions.again(expression, child(at, "expression"))
        else:
            yield refused(at, "needs claim or expression")
