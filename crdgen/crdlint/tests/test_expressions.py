"""Expressions of the API server's own configuration: what they may name, and what they must give."""

import pytest

from crdlint.expressions import Environment, claims_of, fault


@pytest.mark.parametrize(
    ("text", "environment", "condition"),
    [
        ("claims.sub", "claims", False),
        ("claims.?groups.orValue([])", "claims", False),
        ("claims.exp - claims.nbf <= 86400", "claims", True),
        ("user.extra.all(k, k != 'a')", "user", True),
        ("request.nonResourceAttributes.path == '/healthz'", "request", True),
    ],
)
def test_what_the_api_server_compiles_has_no_fault(
    text: str, environment: Environment, condition: bool
) -> None:
    assert fault(text, environment, condition=condition) == ""


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("claims.", "claims", "Syntax error"),
        ("user.username", "claims", "undeclared reference to 'user'"),
        ("user.mail == 'a'", "user", "undefined field 'mail'"),
        ("request.groups", "request", "must be true or false"),
        ("'a' + 1 == 'a1'", "user", "no matching overload"),
        ("user.username.matches('(')", "user", "invalid matches argument"),
    ],
)
def test_what_it_does_not_compile_has_one(text: str, environment: Environment, words: str) -> None:
    assert words in fault(text, environment, condition=True)


def test_the_claims_that_are_named() -> None:
    assert claims_of("claims.a == claims.?b.orValue('c') && claims.d.e") == {"a", "b", "d"}
    assert claims_of("claims.") == frozenset()
