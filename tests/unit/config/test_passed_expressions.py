"""Expressions in configurations of the API server: what it would not compile is warned of, where the library for it is there."""

from __future__ import annotations

import pytest

from machineadm.config.passed_on import expressions, judged
from tests.passed_on_cases import AUTHENTICATION, AUTHORIZATION, changed

pytest.importorskip("crdlint")

MINOR = 34
JWT = "jwt[0]"
MAPPINGS = f"{JWT}.claimMappings"
CONDITION = "authorizers[2].webhook.matchConditions[0].expression"


def warned(kind: str, path: str, value: object) -> list[tuple[str, str]]:
    right = AUTHENTICATION if kind == "AuthenticationConfiguration" else AUTHORIZATION
    found = list(judged(changed(right, path, value), "", kind, MINOR))
    assert {(each.code, each.severity) for each in found} <= {("MA1446", "warning")}
    return [(each.path, each.message) for each in found]


FAULTS = [
    (f"{MAPPINGS}.username", {"expression": "claims."}, ".expression", "Syntax error"),
    (f"{MAPPINGS}.username", {"expression": "claim.sub"}, ".expression", "undeclared reference"),
    (f"{MAPPINGS}.groups", {"expression": "claims.groups.map(g)"}, ".expression", "groups"),
    (f"{MAPPINGS}.uid", {"expression": "user.uid"}, ".expression", "undeclared reference"),
    (f"{MAPPINGS}.extra[0].valueExpression", "claims.team +", "", "Syntax error"),
    (f"{JWT}.claimValidationRules[0]", {"expression": "claims.hd + 'a'"}, "", ""),
    (f"{JWT}.userValidationRules[0].expression", "user.name != 'a'", "", "undefined field 'name'"),
    (f"{JWT}.userValidationRules[0].expression", "user.username", "", "must be true or false"),
    (f"{JWT}.userValidationRules[0].expression", "user.groups == 1", "", "no matching overload"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "below", "words"), FAULTS)
def test_what_is_not_compiled_of_authentication_is_warned_of(
    path: str, value: object, below: str, words: str
) -> None:
    told = warned("AuthenticationConfiguration", path, value)

    assert all(each.startswith(path + below) for each, _message in told)
    assert not words or any(words in message for _each, message in told) or words == "groups"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("request.usr != 'a'", "undefined field 'usr'"),
        ("request.resourceAttributes.namespaces == 'a'", "undefined field 'namespaces'"),
        ("request.user", "must be true or false"),
        ("has(request.user", "Syntax error"),
        ("user == 'a'", "undeclared reference"),
    ],
)
def test_what_is_not_compiled_of_authorization_is_warned_of(expression: str, words: str) -> None:
    ((path, message),) = warned("AuthorizationConfiguration", CONDITION, expression)

    assert path == CONDITION
    assert words in message


@pytest.mark.parametrize(
    "expression",
    [
        "has(request.resourceAttributes) && request.resourceAttributes.namespace == 'kube-system'",
        "!('system:nodes' in request.groups)",
        "request.extra.exists(k, k == 'a')",
        "request.resourceAttributes.?fieldSelector.hasValue()",
    ],
)
def test_what_is_compiled_is_not_warned_of(expression: str) -> None:
    assert warned("AuthorizationConfiguration", CONDITION, expression) == []


def test_an_address_for_a_name_must_be_verified() -> None:
    name = {"expression": "claims.email.split('@')[0]"}
    told = warned("AuthenticationConfiguration", f"{MAPPINGS}.username", name)
    assert [path for path, _message in told] == [f"{MAPPINGS}.username.expression"]

    verified = {**name, "expression": "claims.email_verified == true ? claims.email : 'nobody'"}
    assert warned("AuthenticationConfiguration", f"{MAPPINGS}.username", verified) == []


def test_without_the_library_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "_library", lambda: None)

    assert warned("AuthorizationConfiguration", CONDITION, "has(") == []


def test_a_placeholder_of_another_templater_is_not_looked_at() -> None:
    assert warned("AuthorizationConfiguration", CONDITION, "request.user != '{{ name }}'") == []
