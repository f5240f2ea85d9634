"""Expressions (CEL) of authentication and authorization configurations, where the library that reads them is installed.

It is `crdlint`, a distribution of its own, which is on workstations and not in the agent's one file. So what it finds is a warning: a
machine says the same of a configuration with and without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import mapping, maps, text
from machineadm.config.paths import child
from machineadm.config.rules.model import warning
from machineadm.config.rules.objects import is_filled_in_elsewhere

_Expression = tuple[str, str, str, bool]
"""The text, where it stands, what it may name, and whether it must be true or false."""


def of_authentication(document: dict[str, Any], path: str) -> Iterator[Finding]:
    """Warn of expressions in an AuthenticationConfiguration that the API server does not compile."""
    # Issuer by issuer: the rule about verified addresses looks at all expressions of one.
    for issuer, at in maps(document, "jwt", path):
        found = list(_of_issuer(issuer, at))
        yield from _judged(found)
        yield from _verified(found, at)


def of_authorization(document: dict[str, Any], path: str) -> Iterator[Finding]:
    """Warn of expressions in an AuthorizationConfiguration that the API server does not compile."""
    found = []
    for each, at in maps(document, "authorizers", path):
        webhook, below = mapping(each, "webhook"), child(at, "webhook")
        for condition, place in maps(webhook, "matchConditions", below):
            given = text(condition, "expression")
            found.append((given, child(place, "expression"), "request", True))
    yield from _judged(found)


def _of_issuer(issuer: dict[str, Any], path: str) -> Iterator[_Expression]:
    mappings, at = mapping(issuer, "claimMappings"), child(path, "claimMappings")
    for name in ("username", "groups", "uid"):
        given = text(mapping(mappings, name), "expression")
        yield given, child(child(at, name), "expression"), "claims", False
    for each, place in maps(mappings, "extra", at):
        yield text(each, "valueExpression"), child(place, "valueExpression"), "claims", False
    for rules, names in (("claimValidationRules", "claims"), ("userValidationRules", "user")):
        for each, place in maps(issuer, rules, path):
            yield text(each, "expression"), child(place, "expression"), names, True


def _library() -> Any:
    """The library; None where it is not installed."""
    # By its name at run time: the agent's layers must not depend on it, and its file does not
    # contain it.
    return import_module("crdlint.expressions") if find_spec("crdlint") is not None else None


def _judged(found: list[_Expression]) -> Iterator[Finding]:
    # Empty ones are reported as missing by the rules of fields.
    given = [each for each in found if each[0].strip() and not is_filled_in_elsewhere(each[0])]
    library = _library() if given else None
    if library is None:
        return
    for expression, path, names, condition in given:
        if problem := library.fault(expression, names, condition=condition):
            yield warning("MA1446", path, problem)


def _verified(found: list[_Expression], path: str) -> Iterator[Finding]:
    """A user name that is an address must be verified by the issuer."""
    # The API server refuses an expression on claims.email unless one of them looks at
    # claims.email_verified.
    places = {place: given for given, place, names, _condition in found if names == "claims"}
    at = child(child(child(path, "claimMappings"), "username"), "expression")
    if "email" not in places.get(at, ""):
        return
    library = _library()
    if library is None or "email" not in library.claims_of(places[at]):
        return
    # Groups and uid do not count to the API server: they do not decide who the user is.
    looked_at = [
        given
        for place, given in places.items()
        if not place.startswith(child(child(path, "claimMappings"), "groups"))
        and not place.startswith(child(child(path, "claimMappings"), "uid"))
    ]
    if not any("email_verified" in library.claims_of(given) for given in looked_at):
        yield warning(
            "MA1446",
            at,
            "uses claims.email, so claims.email_verified must be used as well",
            "claims.?email_verified.orValue(true) in claimValidationRules, for example",
        )
