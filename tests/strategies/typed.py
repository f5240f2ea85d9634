"""Values of any of our types, made from the type itself: constraints, patterns, formats and declared uniqueness.

A field that a type does not say enough about gets its own strategy by `Overrides`, keyed by (struct, field), and a struct
by (struct, "").
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any
from unicodedata import category

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from machineadm.redaction import Secret

Overrides = Mapping[tuple[type, str], st.SearchStrategy[Any]]

# What YAML 1.1 or 1.2 would read as something else than a string.
TRAPS: tuple[str, ...] = (
    "y",
    "n",
    "on",
    "off",
    "yes",
    "no",
    "null",
    "~",
    "1e3",
    "0o17",
    "012",
    "1_000",
    "0x1f",
    ".5",
    "+1",
    "1:30",
    "=",
)
TRAPS += (
    "true",
    "2030-01-01",
    "<<",
    "!x",
    "&x",
    "*x",
    "a: b",
    "a #b",
    "- a",
    "%a",
    "@a",
    "'",
    '"',
    " a ",
    "\u00e4\u2028",
)

# What many of our patterns ask for.
_LIKELY: tuple[str, ...] = (
    "a",
    "a-b",
    "example.com/zone",
    "a.example.com",
    "/srv/a/b.crt",
    "registry.example.com:5000/a/b",
    "v1",
)
_LIKELY += (
    "abcdef.0123456789abcdef",
    "0e1234.0000000000000000",
    "ab" * 32,
    "0e" * 32,
    "feature-gates",
)

MOST_ITEMS = 3
_FORMATS: dict[str, st.SearchStrategy[str]] = {
    "duration": st.sampled_from(["1s", "90s", "5m", "5m0s", "1h30m", "2h"]),
    "cidr": st.sampled_from(["10.244.0.0/16", "fd00:10:244::/56"]),
    "ip": st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    "url": st.sampled_from(["https://a.example.com", "http://[2001:db8::1]:8080/x"]),
    "quantity": st.sampled_from(["1", "500m", "1Gi", "1e3", "0.5"]),
    "semver": st.sampled_from(["v1.34.4"]),
    "base64": st.sampled_from([16, 24, 32]).map(
        lambda size: base64.b64encode(b"k" * size).decode()
    ),
}


def of(type_: Any, overrides: Overrides) -> st.SearchStrategy[Any]:
    """Values of a type.

    Args:
        type_: A msgspec type.
        overrides: Strategies for particular fields.
    """
    return _of(inspect.type_info(type_), overrides, {})


def _of(info: inspect.Type, overrides: Overrides, extra: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A strategy; `extra` is what `Meta(extra=...)` declared around the type."""
    match info:
        case inspect.Metadata():
            return _of(info.type, overrides, {**extra, **(info.extra or {})})
        case inspect.StructType():
            return _struct(info, overrides)
        case inspect.UnionType():
            return st.one_of(*(_of(t, overrides, extra) for t in info.types))
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType():
            return st.integers(info.ge if info.ge is not None else 0, _least(info.le, 2**31 - 1))
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.StrType():
            return _text(extra.get("pattern"), info.min_length, info.max_length, extra)
        case inspect.CustomType() if info.cls is Secret:
            text = _text(
                extra.get("pattern"), extra.get("minLength"), extra.get("maxLength"), extra
            )
            return text.map(Secret)
        case inspect.VarTupleType():
            return _tuple(info, overrides, extra)
        case inspect.DictType():
            keys = _of(info.key_type, overrides, {})
            values = _of(info.value_type, overrides, {})
            return st.dictionaries(keys, values, min_size=info.min_length or 0, max_size=MOST_ITEMS)
        case inspect.AnyType():
            return st.sampled_from(TRAPS)
        case _:
            raise NotImplementedError(info)


def _least(*numbers: int | None) -> int:
    return min(number for number in numbers if number is not None)


def struct(
    cls: type,
    overrides: Overrides,
    *,
    one_of: tuple[str, ...] = (),
    at_most_one_of: tuple[str, ...] = (),
    always: tuple[str, ...] = (),
) -> st.SearchStrategy[Any]:
    """Values of a struct of whose named fields exactly one, at most one, or each is given."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    single = one_of or at_most_one_of
    fields: dict[str, st.SearchStrategy[Any]] = {}
    choices: list[st.SearchStrategy[Any]] = [st.just({})] if at_most_one_of else []
    for field in info.fields:
        value = overrides.get((cls, field.name))
        if value is None:
            value = _later(field.type, overrides)
        if field.name in single:
            choices.append(st.fixed_dictionaries({field.name: value}))
        elif field.required or field.name in always:
            fields[field.name] = value
        else:
            fields[field.name] = st.one_of(_ABSENT, value)
    base = st.fixed_dictionaries(fields)
    several = st.one_of(*choices) if single else st.just({})
    return st.builds(lambda some, one: cls(**_present({**some, **one})), base, several)


def _later(info: inspect.Type, overrides: Overrides) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _of(_given(info), overrides, {}))


_NOTHING = object()
_ABSENT = st.just(_NOTHING)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not _NOTHING}


def _given(info: inspect.Type) -> inspect.Type:
    """The type without None: a field that is not given is left out."""
    if isinstance(info, inspect.UnionType):
        types = tuple(t for t in info.types if not isinstance(t, inspect.NoneType))
        return types[0] if len(types) == 1 else inspect.UnionType(types)
    return info


def _struct(info: inspect.StructType, overrides: Overrides) -> st.SearchStrategy[Any]:
    whole = overrides.get((info.cls, ""))
    return struct(info.cls, overrides) if whole is None else whole


def _text(
    pattern: str | None, least: int | None, most: int | None, extra: dict[str, Any]
) -> st.SearchStrategy[str]:
    """Mostly strings that YAML readers misread, for each costs little of what hypothesis may draw for one value."""
    if "format" in extra and extra["format"] in _FORMATS:
        return _FORMATS[extra["format"]]
    expression = re.compile(pattern or "(?s:.*)", re.ASCII)
    upper = most if most is not None else 1024

    def fits(text: str) -> bool:
        return (
            (least or 0) <= len(text) <= upper
            and expression.fullmatch(text) is not None
            and not (extra.get("oneLine") and any(category(c) == "Cc" for c in text))
        )

    pool = [text for text in (*TRAPS, *_LIKELY) if fits(text)]
    other = st.from_regex(expression, fullmatch=True) if pattern else st.text(max_size=9)
    if not pool:
        return other.filter(fits)
    likely = st.sampled_from(pool)
    return st.one_of(likely, likely, likely, likely, likely, likely, other.filter(fits))


def _tuple(
    info: inspect.VarTupleType, overrides: Overrides, extra: dict[str, Any]
) -> st.SearchStrategy[Any]:
    unique = extra.get("unique")
    return st.lists(
        _of(info.item_type, overrides, {}),
        min_size=info.min_length or 0,
        max_size=_least(info.max_length, MOST_ITEMS),
        unique_by=None if unique is None else lambda item: _key(item, unique),
    ).map(tuple)


def _key(item: Any, field: str) -> Any:
    if not field:
        return item
    return msgspec.to_builtins(item, enc_hook=lambda secret: secret.reveal()).get(field)
