"""Expressions outside of definitions: those of the API server's own configuration, parsed and type-checked.

What an expression may name depends on where it stands; the API server builds these environments in k8s.io/apiserver,
pkg/authentication/cel and pkg/authorization/cel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from crdlint.cel import checker, literals, syntax, types
from crdlint.cel.types import Type

Environment = Literal["claims", "user", "request"]
"""Claims of a token, the user made of them, or a request that an authorizer is asked about."""

_TEXTS: Final = types.list_of(types.STRING)
_EXTRA: Final = types.map_of(types.STRING, _TEXTS)


def _object(name: str) -> Type:
    return Type("struct", name)


# As the two packages declare them: with these fields of authentication.k8s.io and
# authorization.k8s.io, and no others.
_FIELDS: Final[dict[str, dict[str, Type]]] = {
    "kubernetes.UserInfo": {
        "username": types.STRING,
        "uid": types.STRING,
        "groups": _TEXTS,
        "extra": _EXTRA,
    },
    "kubernetes.SubjectAccessReviewSpec": {
        "resourceAttributes": _object("kubernetes.ResourceAttributes"),
        "nonResourceAttributes": _object("kubernetes.NonResourceAttributes"),
        "user": types.STRING,
        "groups": _TEXTS,
        "extra": _EXTRA,
        "uid": types.STRING,
    },
    "kubernetes.NonResourceAttributes": {"path": types.STRING, "verb": types.STRING},
    "kubernetes.ResourceAttributes": {
        **dict.fromkeys(
            ("namespace", "verb", "group", "version", "resource", "subresource", "name"),
            types.STRING,
        ),
        "fieldSelector": _object("kubernetes.FieldSelectorAttributes"),
        "labelSelector": _object("kubernetes.LabelSelectorAttributes"),
    },
    **{
        f"kubernetes.{kind}SelectorAttributes": {
            "rawSelector": types.STRING,
            "requirements": types.list_of(_object("kubernetes.SelectorRequirement")),
        }
        for kind in ("Field", "Label")
    },
    "kubernetes.SelectorRequirement": {
        "key": types.STRING,
        "operator": types.STRING,
        "values": _TEXTS,
    },
}

_VARIABLES: Final[dict[Environment, Type]] = {
    "claims": types.map_of(types.STRING, types.DYN),
    "user": _object("kubernetes.UserInfo"),
    "request": _object("kubernetes.SubjectAccessReviewSpec"),
}


def fault(text: str, environment: Environment, *, condition: bool) -> str:
    """What the API server refuses of an expression; empty if nothing, or if that is beyond what is judged here.

    Args:
        text: The expression.
        environment: What it may name.
        condition: It must give true or false.
    """
    try:
        root = syntax.parse(text)
        checked = checker.check(root, {environment: _VARIABLES[environment]}, _FIELDS)
        wrong = next(literals.faults(checked), "")
    except (syntax.ExpressionSyntaxError, checker.TypeCheckError) as found:
        return str(found)
    # Silence and no refusal: the server may take it.
    except syntax.NotJudgedError:
        return ""
    given = checked.type(checked.root)
    if not wrong and condition and given != types.BOOL:
        return f"must be true or false, but is of type {given}"
    return wrong


def claims_of(text: str) -> frozenset[str]:
    """The claims that an expression names: of `claims.email` it is `email`; none if it cannot be read."""
    try:
        return frozenset(_selected(syntax.parse(text)))
    except (syntax.ExpressionSyntaxError, syntax.NotJudgedError):
        return frozenset()


def _selected(root: syntax.Expr) -> Iterator[str]:
    for each in syntax.walk(root):
        if isinstance(each, syntax.Select):
            operand = each.operand
            if isinstance(operand, syntax.Ident) and operand.name == "claims":
                yield each.field
        # `claims.?email` is a call to the parser.
        elif isinstance(each, syntax.Call) and each.function == "_?._" and len(each.args) == 2:
            operand, field = each.args
            if (
                isinstance(operand, syntax.Ident)
                and operand.name == "claims"
                and isinstance(field, syntax.Literal)
            ):
                yield str(field.value)
