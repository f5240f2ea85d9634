"""Whether a value satisfies a schema, as kube-openapi's validator has it, oddities included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crdlint import formats, patterns
from crdlint.model import shown
from crdlint.schema import Schema

Fault = tuple[str, str]  # where, what


def faults(value: Any, schema: Schema, path: str) -> Iterator[Fault]:
    """What is wrong with a value.

    Args:
        value: As JSON has it.
        schema: A structural schema.
        path: Where the value is.

    Yields:
        Each fault with its place.
    """
    # In the order of kube-openapi's SchemaValidator.
    yield from _type(value, schema, path)
    if value is None:
        yield from _enum(value, schema, path)
        return
    # Before the value's own type, as in kube-openapi: its list of validators has this order.
    yield from _combined(value, schema, path)
    if isinstance(value, str):
        yield from _string(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    yield from _enum(value, schema, path)
    if isinstance(value, dict):
        yield from _object(value, schema, path)


def is_valid(value: Any, schema: Schema) -> bool:
    """Whether nothing is wrong with a value."""
    # Stops at the first: branches of anyOf are tried for their answer and not for their words.
    return next(faults(value, schema, ""), None) is None


def _kind(value: Any) -> tuple[str, str]:
    # First, for bool is an int in Python.
    if isinstance(value, bool):
        return "boolean", ""
    if isinstance(value, int):
        return "integer", "int64"
    if isinstance(value, float):
        return "number", "float64"
    return "string" if isinstance(value, str) else "array" if isinstance(
        value, list
    ) else "object", ""


def _type(value: Any, s: Schema, path: str) -> Iterator[Fault]:
    wanted = s.type
    # kube-openapi applies its type validator where either is given.
    if not wanted and not s.format:
        return
    if value is None:
        if wanted and not s.nullable:
            yield path, f"must be of type {wanted}, not null"
        return
    kind, width = _kind(value)
    fits = (
        wanted == kind
        # 1.0 is an integer to JSON Schema.
        or (kind == "number" and wanted == "integer" and is_json_integer(value))
        or (kind == "integer" and wanted == "number")
    )
    # The oddity of typeValidator: with a format, strings and slices are left to the format's own
    # check.
    textual = isinstance(value, (str, list))
    if s.format and not textual and not fits and width != s.format:
        yield path, f"must be of format {s.format}"
    elif s.format and textual and wanted not in ("number", "integer"):
        return  # the format speaks for the type
    elif not fits:
        yield path, f"must be of type {wanted}, not {kind}"


def _combined(value: Any, s: Schema, path: str) -> Iterator[Fault]:
    if s.any_of and not any(is_valid(value, c) for c in s.any_of):
        yield path, "must validate at least one schema (anyOf)"
    if s.one_of and (number := sum(is_valid(value, c) for c in s.one_of)) != 1:
        yield path, f"must validate one and only one schema (oneOf), not {number}"
    # The faults of each are told, since all of them count.
    for child in s.all_of:
        yield from faults(value, child, path)
    if s.not_ is not None and is_valid(value, s.not_):
        yield path, "must not validate the schema (not)"


def _string(value: str, s: Schema, path: str) -> Iterator[Fault]:
    # Code points, as utf8.RuneCountInString counts.
    if s.max_length is not None and len(value) > s.max_length:
        yield path, f"may not be longer than {s.max_length}"
    if s.min_length is not None and len(value) < s.min_length:
        yield path, f"should be at least {s.min_length} chars long"
    if s.pattern:
        # None was told where the pattern is.
        pattern = patterns.compiled(s.pattern)
        if pattern is not None and pattern.search(value) is None:
            yield path, f"should match {shown(s.pattern)}"
    if s.format and not formats.keeps(s.format, value):
        yield path, f"must be of format {s.format}: {shown(value)}"


def _number(value: float, s: Schema, path: str) -> Iterator[Fault]:
    whole = isinstance(value, int)
    if s.multiple_of is not None:
        # Bounds are float64 in the schema and become an int64 for integers
        # (validate.MultipleOfNativeType and its like).
        factor = _int64(s.multiple_of) if whole else s.multiple_of
        if factor <= 0 or not _is_multiple(value, factor):
            yield path, f"should be a multiple of {s.multiple_of:g}"
    if s.maximum is not None:
        limit = _int64(s.maximum) if whole else s.maximum
        if value > limit or (s.exclusive_maximum and value == limit):
            yield (
                path,
                f"should be less than {'' if s.exclusive_maximum else 'or equal to '}{s.maximum:g}",
            )
    if s.minimum is not None:
        limit = _int64(s.minimum) if whole else s.minimum
        if value < limit or (s.exclusive_minimum and value == limit):
            yield (
                path,
                f"should be greater than {'' if s.exclusive_minimum else 'or equal to '}{s.minimum:g}",
            )


def _int64(value: float) -> int:
    """Go's conversion on amd64: towards zero, and the least integer for what does not fit."""
    # CVTTSD2SQ gives this least integer; on arm64 Go saturates, and servers differ.
    return int(value) if -(2.0**63) <= value < 2.0**63 else -(2**63)


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int):
        return value % factor == 0
    return is_json_integer(1 / factor * value if factor < 1 else value / factor)


def is_json_integer(value: float) -> bool:
    """Whether Go's swag takes a float for an integer: one that JSON can carry, or almost one."""
    # Beyond this JSON's numbers are not exact.
    if not -(2.0**53) < value < 2.0**53:
        return False
    whole = float(int(value))
    if value == whole:
        return True
    # swag.IsFloat64AJSONInteger's tolerance.
    return whole != 0 and abs(value - whole) / (abs(value) + abs(whole)) < 1e-9


def _list(value: list[Any], s: Schema, path: str) -> Iterator[Fault]:
    if s.items is not None and s.items.schema is not None:
        for index, item in enumerate(value):
            yield from faults(item, s.items.schema, f"{path}[{index}]")
    if s.min_items is not None and len(value) < s.min_items:
        yield path, f"should have at least {s.min_items} items"
    if s.max_items is not None and len(value) > s.max_items:
        yield path, f"must have at most {s.max_items} items"


def _enum(value: Any, s: Schema, path: str) -> Iterator[Fault]:
    if s.enum and not any(_is_member(value, member) for member in s.enum):
        yield path, f"must be one of {shown(list(s.enum))}"


def _is_member(value: Any, member: Any) -> bool:
    """As Go compares after converting the value to the member's type."""
    # Go's reflect has no value for null, so it is never a member.
    if value is None or member is None:
        return False
    # reflect's Convert: an integer becomes a string as the rune of that number, which surprises
    # everybody.
    kind, wanted = _kind(value)[0], _kind(member)[0]
    if kind == "integer" and wanted == "number":
        return bool(float(value) == member)
    if kind == "number" and wanted == "integer":
        return bool(_int64(value) == member)
    if kind == "integer" and wanted == "string":
        return bool((chr(value) if 0 <= value < 0x110000 else "\ufffd") == member)
    return kind == wanted and is_same(value, member)


def is_same(a: Any, b: Any) -> bool:
    """Whether two values are alike in type as in value, all the way down."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(is_same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(is_same(x, y) for x, y in zip(a, b, strict=True))
    # By kind first, since 1 == True and 1 == 1.0 in Python.
    return (a is None and b is None) or (_kind(a) == _kind(b) and bool(a == b))


def _object(value: dict[str, Any], s: Schema, path: str) -> Iterator[Fault]:
    if s.min_properties is not None and len(value) < s.min_properties:
        yield path, f"should have at least {s.min_properties} properties"
    if s.max_properties is not None and len(value) > s.max_properties:
        yield path, f"must have at most {s.max_properties} properties"
    other = s.additional_properties
    for key, item in value.items():
        if key in s.properties:
            yield from faults(item, s.properties[key], f"{path}.{key}")
        elif other is not None and other.schema is not None:
            yield from faults(item, other.schema, f"{path}.{key}")
        elif other is not None and not other.allows:
            # Only additionalProperties: false forbids; pruning, which drops the unknown, comes
            # before this.
            yield path, f"{shown(key)} is a forbidden property"
    # Last, and by its own path.
    for key in s.required:
        if key not in value:
            yield f"{path}.{key}", "is required"
