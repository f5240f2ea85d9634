"""What the API server refuses in a rule beside its types: literals that cannot be what they are converted to."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Final

from crdlint import formats, patterns
from crdlint.cel import types
from crdlint.cel.checker import Checked
from crdlint.cel.syntax import Call, Expr, ListLiteral, Literal, MapLiteral, children, walk
from crdlint.cel.types import Type

_INT: Final = re.compile(r"[+-]?[0-9]+")
# strconv.ParseFloat, with underscores only between digits.
_FLOAT: Final = re.compile(
    r"[+-]?((([0-9](_?[0-9])*)?\.?([0-9](_?[0-9])*)?([eE][+-]?[0-9]+)?)|inf|infinity|nan)",
    re.IGNORECASE,
)
_TRUTH: Final = frozenset(
    {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
)
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{1,2}):([0-5][0-9]):([0-5][0-9])([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_PATTERNS: Final = frozenset({"matches", "find", "findAll"})
_CLAUSE: Final = re.compile(r"%(?:(%)|(\.\d*)?(.?))", re.DOTALL)
_VERBS: Final[dict[str, frozenset[str]]] = {
    "s": frozenset({"list", "map", "int", "uint", "double", "bool", "string", "timestamp", "bytes", "duration", "type", "null"}),
    "d": frozenset({"int", "uint"}),
    "f": frozenset({"double", "string"}),
    "e": frozenset({"double", "string"}),
    "b": frozenset({"int", "uint", "bool"}),
    "x": frozenset({"int", "uint", "string", "bytes"}),
    "X": frozenset({"int", "uint", "string", "bytes"}),
    "o": frozenset({"int", "uint"}),
}  # fmt: skip


def faults(checked: Checked) -> Iterator[str]:
    """What is wrong with the literals of an expression.

    Args:
        checked: The expression, its types checked.

    Yields:
        Each fault.
    """
    for e in walk(checked.root):
        match e:
            case Call():
                yield from _call(e, checked)
            case _:
                pass
    # After the calls: cel-go's validators run in this order (ValidateDurationLiterals ...
    # ValidateHomogeneousAggregateLiterals), and the first fault is the message.
    yield from _mixed(checked.root, checked, False)


def _call(e: Call, checked: Checked) -> Iterator[str]:
    arguments = [*([e.target] if e.target is not None else []), *e.args]
    if e.function in _PATTERNS and len(arguments) > 1:
        pattern = arguments[1]
        if (
            isinstance(pattern, Literal)
            and pattern.kind == "string"
            and patterns.fault(pattern.value)
        ):
            yield f"invalid {e.function} argument"
    if (
        e.target is None
        and len(e.args) == 1
        and isinstance(e.args[0], Literal)
        and _is_unfit(e.function, e.args[0])
    ):
        yield f"invalid {e.function} argument"
    if (
        e.function == "format"
        and isinstance(e.target, Literal)
        and e.target.kind == "string"
        and len(e.args) == 1
        and isinstance(e.args[0], ListLiteral)
    ):
        yield from _format(e.target.value, e.args[0].elements, checked)


def _is_unfit(function: str, literal: Literal) -> bool:
    """Whether a conversion of a literal fails, which it does before any evaluation."""
    value = literal.value
    match function, literal.kind:
        case "int", "string":
            # int() of Python takes blanks and underscores, and ParseInt does not.
            return not _INT.fullmatch(value) or not -(2**63) <= int(value) < 2**63
        case "int", "uint":
            return bool(value >= 2**63)
        case "int", "double":
            return not -(2.0**63) < value < 2.0**63
        case "uint", "string":
            return not re.fullmatch(r"[0-9]+", value) or int(value) >= 2**64
        case "uint", "int":
            return bool(value < 0)
        case "uint", "double":
            return not 0 <= value < 2.0**64
        case "double", "string":
            return not re.search("[0-9n]", value) or not _FLOAT.fullmatch(value)
        case "bool", "string":
            return value not in _TRUTH
        case "duration", "string":
            return not _is_duration(value)
        case "timestamp", "string":
            return not _is_time(value)
        # From year 1 to year 9999: what a protobuf Timestamp may hold.
        case "timestamp", "int":
            return not -62135596800 <= value <= 253402300799
        case "string", "bytes":
            return not _is_text(value)
        case _:
            return False


def _is_duration(text: str) -> bool:
    return formats.is_go_duration(text)


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None or int(match[2]) > 23:
        return False
    try:
        day = datetime.date.fromisoformat(match[1])
    except ValueError:
        return False
    # time.Parse takes offsets of up to 24 hours.
    return day.year >= 1 and (
        match[6] == "Z" or (int(match[6][1:3]) <= 24 and int(match[6][4:]) < 60)
    )


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _format(text: str, args: list[Expr], checked: Checked) -> Iterator[str]:
    """A format with its arguments, where both are literal."""
    used = 0
    for match in _CLAUSE.finditer(text):
        percent, precision, verb = match[1], match[2], match[3]
        if percent:
            continue
        if not verb:
            yield "could not parse formatting clause: unexpected end of string"
            return
        # `%.f` has a dot without digits.
        if verb not in _VERBS or (precision and not precision[1:]):
            yield f"could not parse formatting clause: unrecognized formatting clause {verb!r}"
            return
        if used >= len(args):
            yield f"index {used} out of range"
            return
        wrong = _misfit(verb, args[used], checked)
        if wrong is not None:
            yield f"error during formatting: a value of type {wrong} does not go with %{verb}"
            return
        used += 1
    if used < len(args):
        yield f"too many arguments supplied to string.format (expected {used}, got {len(args)})"


def _misfit(verb: str, arg: Expr, checked: Checked) -> Type | None:
    t = checked.type(arg)
    if t.kind != "dyn" and t.kind not in _VERBS[verb]:
        # A dyn is judged when it runs.
        return t
    if verb != "s":
        return None
    if isinstance(arg, ListLiteral):
        return next((w for x in arg.elements if (w := _misfit("s", x, checked)) is not None), None)
    if isinstance(arg, MapLiteral):
        for key, value, _ in arg.entries:
            if checked.type(key).kind not in ("dyn", "string", "bool", "int", "uint"):
                return checked.type(key)
            if (wrong := _misfit("s", value, checked)) is not None:
                return wrong
    return None


def _mixed(e: Expr, checked: Checked, exempt: bool) -> Iterator[str]:
    """Lists and maps whose members are of several types; arguments of format may be."""
    if not exempt and isinstance(e, ListLiteral):
        found = [
            types.unwrapped(checked.type(x))[0] if i in e.optional else checked.type(x)
            for i, x in enumerate(e.elements)
        ]
        yield from _differing(found)
    elif not exempt and isinstance(e, MapLiteral):
        yield from _differing([checked.type(k) for k, _, _ in e.entries])
        yield from _differing(
            [types.unwrapped(checked.type(v))[0] if o else checked.type(v) for _, v, o in e.entries]
        )
    # Kubernetes exempts format, whose list is meant to be mixed.
    inside = exempt or (isinstance(e, Call) and e.function == "format")
    for child in children(e):
        yield from _mixed(child, checked, inside)


def _differing(found: list[Type]) -> Iterator[str]:
    other = next((t for t in found[1:] if not types.is_equivalent(found[0], t)), None)
    if other is not None:
        yield f"expected type '{found[0]}' but found '{other}'"
