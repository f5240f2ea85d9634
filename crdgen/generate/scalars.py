"""Schemas of strings, numbers, enumerations and secrets; the same for definitions and for JSON Schema.

Bounds that exclude their value are numbers here, as JSON Schema has them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from msgspec import inspect

from crdgen.generate.model import GenerationError, Schema, Taken
from machineadm.redaction import Secret

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
# Bounds of a schema are float64 to the API server.
EXACT = 2**53
"""Up to here every integer is a float64, too."""
_CONTROL, _SEPARATORS = "\\x00-\\x1f\\x7f-\\x9f", "\u2028\u2029"
CONTROL = _CONTROL + _SEPARATORS
"""What a text in one line cannot hold, for a class of characters; understood by RE2, ECMA 262 and Python."""

BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_FORMATS = frozenset({"base64", "cidr", "duration", "ip", "pem", "quantity", "semver", "url"})
# Classes such as \d know all of Unicode in Python and ASCII in RE2; anchors and references differ
# or are missing.
_NOT_RE2 = re.compile(r"(?<!\\)(?:\\\\)*(\\[dDwWsSbBAZ1-9]|\(\?(?!:))")


def scalar(taken: Taken, path: str) -> Schema | None:
    """The schema of a value without parts; None if it has parts.

    Raises:
        GenerationError: The API server could not check it as the type asks.
    """
    make = _MAKERS.get(type(taken.type))
    return None if make is None else make(taken, path)


def _string(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    extra = taken.extra
    # msgspec checks what is in Meta; in extra nobody would check it on the machine.
    for key in ("minLength", "maxLength"):
        if key in extra:
            raise GenerationError(path, f"{key} of a str belongs into Meta itself")
    pattern = type_.pattern or extra.get("pattern")
    return _text(type_.min_length, type_.max_length, pattern, extra, path)


def _secret(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    # The one custom type that decoding knows.
    if type_.cls is not Secret:
        raise GenerationError(path, f"{type_.cls.__name__} has no schema")
    extra = taken.extra
    return _text(extra.get("minLength"), extra.get("maxLength"), extra.get("pattern"), extra, path)


def _text(
    least: int | None, most: int | None, pattern: str | None, extra: dict[str, Any], path: str
) -> Schema:
    schema: Schema = {"type": "string"}
    # 0 is what everything has.
    if least:
        schema["minLength"] = least
    if most is not None:
        schema["maxLength"] = most
    format_ = extra.get("format")
    if format_ is not None and format_ not in _FORMATS:
        raise GenerationError(path, f"format {format_!r} is not known")
    # A pattern, not `format: byte`: with that format beside `type: string` the API server lets any list pass.
    if format_ == "base64" and pattern is None:
        pattern = BASE64
    if pattern is not None:
        _check_pattern(pattern, path)
        schema["pattern"] = pattern
    if extra.get("oneLine"):
        if pattern is None:
            schema["pattern"] = f"^[^{CONTROL}]*$"
        elif lets_control_pass(pattern):
            # Two entries: from a single allOf `kubectl explain` takes the type, finds none, and prints Object.
            schema["allOf"] = [{"pattern": f"^[^{part}]*$"} for part in (_CONTROL, _SEPARATORS)]
    return schema


def _check_pattern(pattern: str, path: str) -> None:
    if match := _NOT_RE2.search(pattern):
        raise GenerationError(
            path,
            f"pattern {pattern!r}: {match[1]!r} differs in RE2, or does not exist; spell it out",
        )
    try:
        # After the test for RE2: what is left means the same to both.
        re.compile(pattern)
    except re.error as error:
        raise GenerationError(path, f"pattern {pattern!r}: {error}") from None


@functools.cache
def lets_control_pass(pattern: str) -> bool:
    """Whether a negated class or a dot of a pattern could match a control character.

    Positive classes and literals name what they match, and no type names control characters.
    """
    control = "\x00\t\n\r\x1f\x7f\x85\u2028\u2029"
    classes = re.findall(r"(?<!\\)(?:\\\\)*(\[\^(?:\\.|[^\]\\])+\]|\.)", _without_classes(pattern))
    # Tried and not parsed: nine characters are quicker to test than a class is to understand.
    return any(re.match(found, character) for found in classes for character in control)


def _without_classes(pattern: str) -> str:
    """A pattern without its positive classes, in which a dot is a dot."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\[(?!\^)\]?(?:\\.|[^\]\\])*\]", r"\1", pattern)


def _integer(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    bounds = _bounds(type_)
    for key, bound in list(bounds.items()):
        if bound in (INT64[0], INT64[1]):
            # The server keeps bounds as float64: 2^63 - 1 overflows to the smallest integer, and every value is refused.
            del bounds[key]
        elif abs(bound) > EXACT:
            raise GenerationError(path, f"{key} {bound} is rounded by the server; stay within 2^53")
    least = bounds.get("minimum", bounds.get("exclusiveMinimum"))
    most = bounds.get("maximum", bounds.get("exclusiveMaximum"))
    # int32 is said only where bounds hold it, as kubectl explain shows it.
    narrow = least is not None and most is not None and INT32[0] <= least and most <= INT32[1]
    return {"type": "integer", "format": "int32" if narrow else "int64", **bounds}


def _float(taken: Taken, path: str) -> Schema:
    if not taken.extra.get("float"):
        raise GenerationError(
            path, "floats differ between languages; use an integer or a string, or declare float"
        )
    type_: Any = taken.type
    return {"type": "number", **_bounds(type_)}


def _bounds(type_: inspect.IntType | inspect.FloatType) -> Schema:
    found = {
        "minimum": type_.ge,
        "exclusiveMinimum": type_.gt,
        "maximum": type_.le,
        "exclusiveMaximum": type_.lt,
        "multipleOf": type_.multiple_of,
    }
    return {key: value for key, value in found.items() if value is not None}


def _boolean(_taken: Taken, _path: str) -> Schema:
    return {"type": "boolean"}


def _literal(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    return _enumeration(list(type_.values), path)


def _enum(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    return _enumeration([member.value for member in type_.cls], path)


def _enumeration(values: list[Any], path: str) -> Schema:
    # By the exact type: True is an int to isinstance().
    kinds = {type(value) for value in values}
    if kinds == {str}:
        return {"type": "string", "enum": values}
    if kinds == {int}:
        return {"type": "integer", "format": "int64", "enum": values}
    raise GenerationError(path, "an enumeration needs values of one type, strings or integers")


def _bytes(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    schema: Schema = {"type": "string", "format": "byte"}
    if type_.min_length:
        schema["minLength"] = _encoded(type_.min_length)
    if type_.max_length is not None:
        schema["maxLength"] = _encoded(type_.max_length)
    return schema


def _encoded(length: int) -> int:
    # Three bytes are four characters of base64.
    return (length + 2) // 3 * 4


def _moment(taken: Taken, path: str) -> Schema:
    type_: Any = taken.type
    # date-time has a zone (RFC 3339), and a time without one means another moment on each machine.
    if type_.tz is not True:
        raise GenerationError(path, "a time needs its zone: Meta(tz=True)")
    return {"type": "string", "format": "date-time"}


def _date(_taken: Taken, _path: str) -> Schema:
    return {"type": "string", "format": "date"}


def _uuid(_taken: Taken, _path: str) -> Schema:
    return {"type": "string", "format": "uuid"}


def _refused(why: str) -> Callable[[Taken, str], Schema]:
    def refuse(_taken: Taken, path: str) -> Schema:
        raise GenerationError(path, why)

    return refuse


_MAKERS: dict[type, Callable[[Taken, str], Schema]] = {
    inspect.StrType: _string,
    inspect.CustomType: _secret,
    inspect.IntType: _integer,
    inspect.FloatType: _float,
    inspect.BoolType: _boolean,
    inspect.LiteralType: _literal,
    inspect.EnumType: _enum,
    inspect.BytesType: _bytes,
    inspect.ByteArrayType: _bytes,
    inspect.DateTimeType: _moment,
    inspect.DateType: _date,
    inspect.UUIDType: _uuid,
    inspect.TimeType: _refused("a time of day has no format; use a string with a pattern"),
    inspect.TimeDeltaType: _refused("Kubernetes does not accept ISO 8601 durations; use a string"),
    inspect.DecimalType: _refused("decimals have no format; use a string with a pattern"),
    inspect.TupleType: _refused("a tuple of fixed length cannot be expressed; use a Struct"),
    inspect.NamedTupleType: _refused("positions cannot be expressed; use a Struct"),
    inspect.TypedDictType: _refused("use a Struct: only Structs carry rules and descriptions"),
    inspect.DataclassType: _refused("use a Struct: only Structs carry rules and descriptions"),
    inspect.NoneType: _refused("null alone is not a type"),
    inspect.ExtType: _refused("MessagePack extensions are not JSON"),
    # Bytes like the others once they are JSON.
    inspect.MemoryViewType: _bytes,
}
