"""Check a provider's inputs against its descriptor: the part of JSON Schema that descriptors use.

Unknown keywords are ignored, as JSON Schema demands: the provider checks its inputs again itself. No message contains a
value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from operator import ge, gt, le, lt
from typing import Any, Final

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list, tuple),
    "null": (type(None),),
}
_BOUNDS: Final[tuple[tuple[str, Callable[[Any, Any], bool], str], ...]] = (
    ("minimum", lt, "at least"),
    ("maximum", gt, "at most"),
    ("exclusiveMinimum", le, "more than"),
    ("exclusiveMaximum", ge, "less than"),
)
"""Keyword, when it is wrong, and what it asks for."""

# Deeper than any schema of inputs; what is below is left to the provider.
_DEEPEST: Final = 32
_LONGEST_MATCHED: Final = 256
"""Characters of a text that is held against a pattern here."""


def schema_of(descriptor: Any) -> Mapping[str, Any]:
    """Return the schema of a provider's inputs: its own, else one built from its parameters; empty if it has neither.

    Args:
        descriptor: A ProviderDescriptor.
    """
    # As scafctl prefers it: the structured form knows neither nesting nor unions.
    if descriptor.raw_schema:
        try:
            found = json.loads(descriptor.raw_schema)
        # A schema nested too deep is as good as none: what is not judged here, the provider judges.
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    parameters = descriptor.schema.parameters
    if not parameters:
        return {}
    return {
        "type": "object",
        # Sorted, as scafctl's SDK does it: a map of protobuf has no order, and messages must be
        # the same each time.
        "required": sorted(name for name, one in parameters.items() if one.required),
        "properties": {name: _of_parameter(one) for name, one in parameters.items()},
    }


def problems(value: Any, schema: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Yield what is wrong with a value, one line each.

    Args:
        value: Any JSON.
        schema: What it must be.
        path: Where it stands.
        depth: How far below the beginning.
    """
    # The schema comes from the plugin and the value from the configuration: neither must exhaust
    # the stack.
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []
    if names and not any(_is(value, name) for name in names):
        yield f"{path or 'it'} expects {' or '.join(map(str, names))}, got {_name(value)}"
        return
    # Whatever the plugin wrote there: a keyword in another form than JSON Schema's is not judged.
    values = schema.get("enum")
    if isinstance(values, list) and value not in values:
        yield f"{path or 'it'} must be one of {', '.join(map(json.dumps, values))}"
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(value, schema, path)
    elif isinstance(value, (list, tuple)):
        yield from _counted(len(value), schema, path, "minItems", "maxItems", "items")
        for index, item in enumerate(value):
            yield from problems(item, schema.get("items"), f"{path}[{index}]", depth + 1)
    elif isinstance(value, dict):
        yield from _object(value, schema, path, depth)


def _object(value: dict[str, Any], schema: dict[str, Any], path: str, depth: int) -> Iterator[str]:
    known = schema.get("properties")
    known = known if isinstance(known, dict) else {}
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            yield f"{_below(path, name)} is required"
    # Absent, it allows all: JSON Schema's default.
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in known:
            yield from problems(item, known[name], _below(path, name), depth + 1)
        elif others is False:
            yield f"{_below(path, name)} is not known"
        else:
            yield from problems(item, others, _below(path, name), depth + 1)


def _text(value: str, schema: dict[str, Any], path: str) -> Iterator[str]:
    yield from _counted(len(value), schema, path, "minLength", "maxLength", "characters")
    pattern = schema.get("pattern")
    # Authors write Go's patterns. There `[[:alpha:]]` is a class of letters, here a set of seven characters and
    # a bracket: judged here, it would refuse what the provider takes.
    posix = isinstance(pattern, str) and ("[[" in pattern or "[:" in pattern)
    if isinstance(pattern, str) and not posix and _is_quick(pattern, value):
        try:
            fits = re.search(pattern, value) is not None
        # Valid in Go's syntax but not in Python's, or too large for it: the provider checks it.
        except (re.error, OverflowError, RecursionError):
            return
        if not fits:
            yield f"{path or 'it'} does not match {pattern}"


def _is_quick(pattern: str, value: str) -> bool:
    """Whether Python has an answer in a moment; else the provider alone checks it.

    Go's expressions take no time whatever they are. Python's can take for ever, and nothing interrupts them: three repetitions over a
    short text, none of a group, cannot.
    """
    repetitions = len(re.findall(r"[*+{]", pattern))
    # What may be there or not is tried both ways. The `?` of a group that is not kept is another.
    choices = pattern.replace("(?:", "(").count("?")
    return (
        len(value) <= _LONGEST_MATCHED
        and repetitions <= 3
        and choices <= 4
        and not re.search(r"\)[*+{]|\\[0-9]|\(\?[^:]", pattern)
    )


def _number(value: float, schema: dict[str, Any], path: str) -> Iterator[str]:
    for key, wrong, words in _BOUNDS:
        bound = schema.get(key)
        if isinstance(bound, (int, float)) and not isinstance(bound, bool) and wrong(value, bound):
            yield f"{path or 'it'} must be {words} {_number_text(bound)}"


def _number_text(bound: Any) -> str:
    # Parameters carry every bound as a double (proto3): 1048577.0 is shown as it was written, and with all
    # its digits, by which an operator goes.
    if isinstance(bound, float) and bound.is_integer() and abs(bound) < 1 << 53:
        return str(int(bound))
    return str(bound)


def _counted(
    count: int, schema: dict[str, Any], path: str, least: str, most: str, what: str
) -> Iterator[str]:
    for key, wrong, words in ((least, lt, "at least"), (most, gt, "at most")):
        bound = schema.get(key)
        if isinstance(bound, int) and not isinstance(bound, bool) and wrong(count, bound):
            yield f"{path or 'it'} must have {words} {bound} {what}"


def _is(value: Any, name: Any) -> bool:
    # bool is an int to Python, but not an integer to JSON Schema.
    if isinstance(value, bool):
        return bool(name == "boolean")
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    # A type that nobody knows fits everything: a newer keyword must not refuse what its provider
    # takes.
    return isinstance(value, _TYPES.get(str(name), (object,)))


def _name(value: Any) -> str:
    # `integer` before `number`: every integer is one, and the narrower word helps more.
    return next(name for name in ("boolean", "integer", "number", *_TYPES) if _is(value, name))


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _of_parameter(parameter: Any) -> dict[str, Any]:
    """Build the schema of one input from a structured descriptor."""
    found: dict[str, Any] = {}
    # Only JSON Schema's own names: any other one is the provider's to judge.
    if parameter.type in _TYPES:
        found["type"] = parameter.type
    if parameter.pattern:
        found["pattern"] = parameter.pattern
    for key, bound in (
        ("minLength", parameter.min_length),
        ("maxLength", parameter.max_length),
        ("minItems", parameter.min_items),
        ("maxItems", parameter.max_items),
    ):
        # 0 means absent: proto3 cannot tell them apart, and only numeric bounds have a has_ flag.
        if bound > 0:
            found[key] = bound
    for key, has, bound in (
        ("minimum", parameter.has_minimum, parameter.minimum),
        ("maximum", parameter.has_maximum, parameter.maximum),
        ("exclusiveMinimum", parameter.has_exclusive_minimum, parameter.exclusive_minimum),
        ("exclusiveMaximum", parameter.has_exclusive_maximum, parameter.exclusive_maximum),
    ):
        if has:
            found[key] = bound
    values = []
    for text in parameter.enum_values:
        try:
            values.append(json.loads(text))
        # Dropped, as scafctl drops it: the other values still say something.
        except (ValueError, RecursionError):
            continue
    return found | ({"enum": values} if values else {})
