"""Judges of strings, numbers and booleans: the value of a scalar to its type, or what is wrong with it."""

from __future__ import annotations

import operator
from collections.abc import Sequence as Series
from typing import Any, NamedTuple

from msgspec import inspect

from machineadm.documents.declared import breach
from machineadm.documents.nodes import Ambiguous, Mapping, Node, Scalar, Sequence
from machineadm.documents.words import expected, found, may_show, quoted
from machineadm.nearest import suggest
from machineadm.redaction import Secret


class Flaw(NamedTuple):
    """What is wrong with a scalar, without its place."""

    code: str
    message: str
    hint: str = ""


Judgement = tuple[Any, Flaw | None]


def judge(node: Scalar, type_: inspect.Type, extra: dict[str, Any]) -> Judgement:
    """Judge a scalar by its type.

    Args:
        node: The scalar; not null.
        type_: Its type, without what was declared beside it.
        extra: What was declared beside it.

    Returns:
        The value, or any value and what is wrong.
    """
    if isinstance(type_, inspect.StrType):
        return _text(node, type_, extra)
    if isinstance(type_, inspect.CustomType) and type_.cls is Secret:
        return _secret(node, type_, extra)
    if isinstance(type_, inspect.LiteralType):
        return _choice(node, type_)
    # `yes` and `off` are booleans where one is asked for: everybody who writes them there means
    # that.
    if isinstance(type_, inspect.BoolType):
        value = node.value.value if isinstance(node.value, Ambiguous) else node.value
        return value, None if isinstance(value, bool) else mismatch(node, type_)
    if isinstance(type_, inspect.IntType | inspect.FloatType):
        return _number(node, type_)
    return None, mismatch(node, type_)


def _reading(node: Scalar) -> object:
    """Return what libyaml reads."""
    return node.value.value if isinstance(node.value, Ambiguous) else node.value


def _text(node: Scalar, type_: inspect.StrType, extra: dict[str, Any]) -> Judgement:
    text = _reading(node)
    if not isinstance(text, str):
        return None, _unquoted(node, type_, extra)
    # First what msgspec itself would check, so that what a type declares beside it wins.
    declared = {
        "minLength": type_.min_length or 0,
        "maxLength": len(text) if type_.max_length is None else type_.max_length,
        **extra,
    }
    return text, _declared(text, declared, quoted(text) if may_show(text, type_, extra) else "")


def _declared(text: str, extra: dict[str, Any], shown: str = "") -> Flaw | None:
    found = breach(text, extra)
    if found is None:
        return None
    code, predicate = found
    hint = ""
    # The newline is invisible in the value, and `|` adds it.
    if code == "MA1108" and text.endswith("\n"):
        hint = "it ends in a newline; write |- for a block scalar without one"
    return Flaw(code, f"{shown} {predicate}".strip(), hint)


def _secret(node: Scalar, type_: inspect.CustomType, extra: dict[str, Any]) -> Judgement:
    text = _reading(node)
    if not isinstance(text, str):
        return None, _unquoted(node, type_, extra)
    # Without `shown`: the message must not quote what may be a password.
    return Secret(text), _declared(text, extra)


def _unquoted(node: Scalar, type_: inspect.Type, extra: dict[str, Any]) -> Flaw:
    hint = "put it in double quotes"
    # An unquoted password of digits only is a number to YAML: this hint must not repeat it.
    if may_show(node.text, type_, extra):
        hint = f"write {quoted(node.text)}"
    return Flaw("MA1102", f"unquoted, it is {found(node)}, not a string", hint)


def _choice(node: Scalar, type_: inspect.LiteralType) -> Judgement:
    value = _reading(node)
    # The type too: in Python True == 1.
    if value in type_.values and type(value) in map(type, type_.values):
        return value, None
    if not isinstance(value, str):
        return None, _unquoted(node, type_, {})
    choices = [str(each) for each in type_.values]
    guess = suggest(value, choices)
    message = f"{quoted(value)} is not one of the choices" + (
        f'; did you mean "{guess}"?' if guess else ""
    )
    return None, Flaw(
        "MA1103",
        message,
        f"{'write' if len(choices) == 1 else 'it is one of'} {', '.join(choices)}",
    )


def _number(node: Scalar, type_: inspect.IntType | inspect.FloatType) -> Judgement:
    value = node.value
    # 0644 is 420 to YAML 1.1 and 644 to 1.2: no reading is taken, not even the more likely one.
    if isinstance(value, Ambiguous) and value.value is None:
        message = f"{value.kind} to some YAML readers, something else to others"
        return None, Flaw("MA1111", message, "write a decimal number without leading zeros")
    kinds = int if isinstance(type_, inspect.IntType) else (int, float)
    # bool is a subclass of int in Python, and `replicas: yes` is not 1.
    if isinstance(value, bool) or not isinstance(value, kinds):
        return None, mismatch(node, type_)
    return value, _range(value, type_)


def _range(value: float, type_: inspect.IntType | inspect.FloatType) -> Flaw | None:
    # All four with their words: the hint names the whole range, not only the end that was missed.
    limits = (
        ("at least", type_.ge, operator.ge),
        ("above", type_.gt, operator.gt),
        ("at most", type_.le, operator.le),
        ("below", type_.lt, operator.lt),
    )
    asked = [(words, limit, holds) for words, limit, holds in limits if limit is not None]
    if all(holds(value, limit) for _, limit, holds in asked):
        return None
    wanted = " and ".join(f"{words} {limit}" for words, limit, _ in asked)
    return Flaw("MA1104", "is out of range", f"it must be {wanted}")


def mismatch(node: Node, type_: inspect.Type) -> Flaw:
    """Describe a node of a wrong kind."""
    return Flaw("MA1101", f"expected {expected(type_)}, got {found(node)}", _way_out(node, type_))


def _way_out(node: Node, type_: inspect.Type) -> str:
    if isinstance(type_, inspect.VarTupleType):
        return (
            "begin each item with a dash"
            if not isinstance(node, Scalar)
            else "put it into a list: - item"
        )
    if not isinstance(node, Scalar):
        return ""
    if isinstance(type_, inspect.IntType | inspect.FloatType | inspect.BoolType) and not node.plain:
        return "write it without quotes"
    # `key:value` without a space is one string to YAML, the most frequent reason for this mismatch.
    if isinstance(type_, inspect.StructType | inspect.DictType) and ":" in node.text:
        return "a colon needs a space after it"
    return ""


def nearest(node: Node, members: Series[inspect.Type]) -> inspect.Type:
    """Pick the member of a union of scalars that a node is most likely meant to be."""
    value = _reading(node) if isinstance(node, Scalar) else None
    # Text unless the value says otherwise: an unquoted word was most likely meant as that.
    kinds: tuple[type, ...] = (inspect.StrType,)
    if isinstance(value, bool):
        kinds = (inspect.BoolType,)
    elif isinstance(value, int | float) or (value is None and isinstance(node, Scalar)):
        kinds = (inspect.IntType, inspect.FloatType)
    elif isinstance(node, Mapping | Sequence):
        kinds = (inspect.DictType, inspect.VarTupleType)
    for member in members:
        bare = member
        while isinstance(bare, inspect.Metadata):
            bare = bare.type
        if isinstance(bare, kinds):
            return member
    return members[0]
