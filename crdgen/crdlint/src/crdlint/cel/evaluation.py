"""Rules evaluated on defaults, as the API server does before it accepts them."""

from __future__ import annotations

import base64
import datetime
import functools
import re
from collections.abc import Iterator
from typing import Any, Final

from crdlint import formats
from crdlint.cel import syntax, types
from crdlint.cel.declared import Declarations, escape
from crdlint.cel.rules import Compiled, RuleError, compile_rule
from crdlint.model import shown
from crdlint.schema import Schema

# Functions that cel-expr-python evaluates as cel-go does. Kubernetes' own are not in it, and a rule
# that calls them is not judged.
_KNOWN: Final = frozenset(
    {
        "!_", "-_", "@in", "@not_strictly_false", "_!=_", "_%_", "_&&_", "_*_", "_+_", "_-_", "_/_", "_<=_", "_<_",
        "_==_", "_>=_", "_>_", "_?_:_", "_[_]", "_||_", "bool", "bytes", "contains", "double", "duration", "dyn",
        "endsWith", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours",
        "getMilliseconds", "getMinutes", "getMonth", "getSeconds", "int", "matches", "size", "startsWith", "string",
        "timestamp", "type", "uint", "charAt", "indexOf", "lastIndexOf", "lowerAscii", "replace", "split", "substring",
        "trim", "upperAscii", "join", "format",
    }
)  # fmt: skip
_OF_LISTS_TOO: Final = frozenset({"indexOf", "lastIndexOf"})


class UnfitError(ValueError):
    """A value passes for a type in a schema, thanks to its format, and does not in CEL."""


def failures(
    s: Schema, value: Any, path: str, is_resource: bool
) -> Iterator[tuple[str, str, bool]]:
    """What the rules of a schema say of a value.

    Args:
        s: The schema.
        value: The value, valid by the schema otherwise.
        path: Where the value is.
        is_resource: Whether the value is a whole resource.

    Yields:
        Each place, what is said of it, and whether it is a verdict or a rule that was not judged.
    """
    declarations = Declarations()
    yield from _node(s, value, True, path, is_resource, declarations)


def _node(
    s: Schema,
    value: Any,
    correlated: bool,
    path: str,
    is_resource: bool,
    declarations: Declarations,
) -> Iterator[tuple[str, str, bool]]:
    if value is None:
        return
    root = declarations.of(s, is_resource) if s.validations else None
    for rule in s.validations:
        if root is None:
            break
        try:
            optional = bool(rule.get("optionalOldSelf"))
            compiled = compile_rule(rule.get("rule", ""), root, declarations, optional, types.BOOL)
        except (RuleError, syntax.NotJudgedError):
            # Once is enough: defaults may be many.
            continue  # told where the rule is
        said = _evaluated(rule["rule"], compiled, s, value, correlated, optional)
        if said is not None:
            # messageExpression is not evaluated: the message says enough.
            yield path, f"{said[0]}: {shown(rule.get('message') or rule['rule'])}", said[1]
    if isinstance(value, list) and s.items is not None and s.items.schema is not None:
        inner = s.items.schema
        for index, item in enumerate(value):
            # Only items with keys have an old value; with a default that is the value itself.
            same = correlated and s.list_type == "map"
            yield from _node(
                inner, item, same, f"{path}[{index}]", inner.embedded_resource, declarations
            )
    elif isinstance(value, dict):
        for key, item in value.items():
            for child in _below(s, key):
                yield from _node(
                    child, item, correlated, f"{path}.{key}", child.embedded_resource, declarations
                )


def _below(s: Schema, key: str) -> Iterator[Schema]:
    # Both, as there: a key may be an entry and a property at once only where the schema was
    # refused.
    if s.additional_properties is not None and s.additional_properties.schema is not None:
        yield s.additional_properties.schema
    if key in s.properties:
        yield s.properties[key]


def _evaluated(
    text: str, compiled: Compiled, s: Schema, value: Any, correlated: bool, optional: bool
) -> tuple[str, bool] | None:
    """What a rule says of a value: words and whether they are a verdict; None if it is content."""
    if compiled.uses_old_self and optional:
        return "not judged: optionalOldSelf", False
    # The server passes over transition rules where nothing is old.
    if compiled.uses_old_self and not correlated:
        return None
    calls = [e for e in syntax.walk(compiled.checked.root) if isinstance(e, syntax.Call)]
    # Asked before: what is not known would end as an error that looks like a verdict.
    beyond = sorted({e.function for e in calls} - _KNOWN)
    if beyond or any(_is_of_list(e, compiled) for e in calls) or _has_two_variables(compiled):
        return f"not judged: {', '.join(beyond) or 'a macro'} is not evaluated here", False
    try:
        # Converted before, so that a value that CEL refuses is told as the server tells it.
        self = as_cel(value, s)
    except (ValueError, OverflowError):
        return "invalid data evaluating rule", True
    try:
        # Checked already, by our own checker, which knows more than the library's.
        result = _environment().compile(text, disable_check=True)
        said = result.eval(data={"self": self, "oldSelf": self}).value()
    except Exception as error:  # the extension module raises what it likes
        return f"not judged: {shown(str(error))}", False
    # By identity: an error of the evaluation is an object that is neither.
    if said is True:
        return None
    if said is False:
        return "failed rule", True
    words = str(said)
    if "Non-CEL value" in words:
        return f"not judged: {shown(words)}", False
    return f"{shown(words)} evaluating rule", True


def _is_of_list(e: syntax.Call, compiled: Compiled) -> bool:
    return (
        e.function in _OF_LISTS_TOO
        and e.target is not None
        and compiled.checked.type(e.target).kind != "string"
    )


def _has_two_variables(compiled: Compiled) -> bool:
    return any(
        isinstance(e, syntax.Comprehension) and e.iter_var2
        for e in syntax.walk(compiled.checked.root)
    )


@functools.cache
def _environment() -> Any:
    from cel_expr_python import cel
    from cel_expr_python.ext import ext_strings

    return cel.NewEnv(
        variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
        extensions=[ext_strings.ExtStrings()],
    )


def as_cel(value: Any, s: Schema) -> Any:
    """A value as CEL sees it: fields by their names in CEL, texts of some formats as what they say.

    Args:
        value: As JSON has it.
        s: Its schema.

    Raises:
        UnfitError: CEL would not take it for what the schema says.
    """
    # As it is: a rule asks for the type itself.
    if s.int_or_string or value is None:
        return value
    match s.type:
        case "string":
            return _text(value, s.format)
        # An integer in JSON is a double here, since the field is one.
        case "number":
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        case "integer":
            if isinstance(value, float):
                raise UnfitError
            return value
        case "array" if (
            isinstance(value, list) and s.items is not None and s.items.schema is not None
        ):
            return [as_cel(item, s.items.schema) for item in value]
        case "object" if isinstance(value, dict):
            other = s.additional_properties
            if other is not None and other.schema is not None:
                return {key: as_cel(item, other.schema) for key, item in value.items()}
            return {
                # The names that rules use: `a-b` is a__dash__b.
                escape(key) or key: as_cel(item, s.properties[key]) if key in s.properties else item
                for key, item in value.items()
            }
        case _:
            return value


def _text(value: Any, name: str) -> Any:
    if not isinstance(value, str):
        raise UnfitError
    match name:
        case "byte":
            return base64.b64decode(value)
        case "duration":
            return datetime.timedelta(microseconds=(formats.duration(value) or 0) / 1000)
        case "date":
            return datetime.datetime.fromisoformat(value).replace(tzinfo=datetime.timezone.utc)
        case "date-time" | "datetime":
            return datetime.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value))
        case _:
            return value
