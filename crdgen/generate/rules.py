"""Rules in the Common Expression Language, as x-kubernetes-validations has them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crdgen.generate.model import GenerationError, Schema
from machineadm.api.meta import OneOf
from machineadm.api.resources import Rule

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def cel_name(name: str, path: str = "") -> str:
    """The name of a field as CEL writes it behind `self.`.

    Raises:
        GenerationError: It cannot be written.
    """
    if name in _RESERVED:
        return f"__{name}__"
    if not re.fullmatch(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*", name):
        raise GenerationError(path or name, f"{name!r} cannot be named in a rule")
    # First: the words that follow bring underscores of their own.
    escaped = name.replace("__", "__underscores__")
    for sign, word in ((".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")):
        escaped = escaped.replace(sign, word)
    return escaped


def present(name: str, field: Schema) -> str:
    """Whether a field says something; an empty list or map that may be empty is as good as none."""
    self = f"self.{cel_name(name)}"
    if field.get("type") == "array" and not field.get("minItems"):
        return f"has({self}) && size({self}) > 0"
    # As with lists: msgspec leaves both out when they are empty, so the server must not count what
    # a client that writes them all sends.
    if "additionalProperties" in field and not field.get("minProperties"):
        return f"has({self}) && size({self}) > 0"
    return f"has({self})"


def one_of(rule: OneOf, schema: Schema, path: str) -> Schema:
    """How many of some fields may be there.

    Raises:
        GenerationError: A field does not exist, or is required.
    """
    for name in rule.fields:
        if name not in schema["properties"]:
            raise GenerationError(path, f"a rule names {name!r}, which is not a field")
        # A rule about it would be true or false for every object.
        if name in schema.get("required", ()):
            raise GenerationError(path, f"a rule counts {name!r}, which is always present")
    tests = [present(name, schema["properties"][name]) for name in rule.fields]
    # The short form of two is cheaper by the server's estimate, and easier to read in its message.
    if rule.least == 0 and len(tests) == 2:
        expression = f"!({' && '.join(tests)})"
    elif rule.most is None:
        expression = " || ".join(tests)
    else:
        sign = "==" if rule.least == rule.most else "<="
        expression = f"{' + '.join(f'({test} ? 1 : 0)' for test in tests)} {sign} {rule.most}"
    return {"rule": expression, "message": _how_many(rule)}


def _how_many(rule: OneOf) -> str:
    names = f"{', '.join(rule.fields[:-1])} and {rule.fields[-1]}"
    if rule.most is None:
        return f"at least one of {names} is required"
    if rule.least:
        return f"exactly one of {', '.join(rule.fields)} must be set"
    return f"at most one of {names} may be set"


def written(rule: Rule) -> Schema:
    """Return a rule as it is written in a schema."""
    entry: Schema = {"rule": rule.expression, "message": rule.message, "reason": rule.reason}
    # Without it the message names the object, which is right for rules over several fields.
    if rule.field:
        entry["fieldPath"] = f".{rule.field}"
    return entry


def immutable_field() -> Schema:
    """On the field: its value stays."""
    return {
        # A transition rule runs only where there is an old value, so creation is free.
        "rule": "self == oldSelf",
        "message": "cannot be changed",
        "reason": "FieldValueForbidden",
    }


def immutable_presence(name: str) -> Schema:
    """On the object: an optional field that stays neither comes nor goes."""
    field = cel_name(name)
    return {
        # On the object, for a rule on the field is not run when the field comes or goes.
        "rule": f"has(oldSelf.{field}) == has(self.{field})",
        "message": f"{name} cannot be changed",
        "reason": "FieldValueForbidden",
        "fieldPath": f".{name}",
    }


def only_with(name: str, tag_field: str, tags: Iterable[str]) -> Schema:
    """A field that only some variants of a union have."""
    listed = list(tags)
    return {
        "rule": f"!has(self.{cel_name(name)}) || {_is(tag_field, listed)}",
        "message": f"{name} goes with {tag_field} {' or '.join(listed)} only",
        "reason": "FieldValueForbidden",
        "fieldPath": f".{name}",
    }


def required_with(name: str, tag_field: str, tags: Iterable[str]) -> Schema:
    """A field that some variants of a union require."""
    listed = list(tags)
    return {
        "rule": f"has(self.{cel_name(name)}) || !({_is(tag_field, listed)})",
        "message": f"{name} is required with {tag_field} {' or '.join(listed)}",
        "reason": "FieldValueRequired",
        "fieldPath": f".{name}",
    }


def when(rule: Schema, tag_field: str, tag: str) -> Schema:
    """A rule of one variant, silent for the others."""
    return {**rule, "rule": f"!({_is(tag_field, [tag])}) || ({rule['rule']})"}


def _is(tag_field: str, tags: list[str]) -> str:
    self = f"self.{cel_name(tag_field)}"
    if len(tags) == 1:
        return f"{self} == '{tags[0]}'"
    # repr() writes single quotes, which CEL takes, and tags hold none.
    return f"{self} in [{', '.join(repr(tag) for tag in tags)}]"
