"""CEL's types, and when one can replace another, as in cel-go's checker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Mapping = dict[str, "Type"]


@dataclass(frozen=True, slots=True)
class Type:
    """A type.

    Attributes:
        kind: bool int uint double string bytes duration timestamp null dyn any list map type opaque struct param error.
        name: What tells types of a kind apart.
        params: Types that it is made of.
    """

    kind: str
    name: str = ""
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """As messages of cel-go write it."""
        shown = {"null": "null_type", "timestamp": "timestamp", "param": f"<{self.name}>"}
        name = shown.get(self.kind, self.name or self.kind)
        return f"{name}({', '.join(map(str, self.params))})" if self.params else name


BOOL: Final = Type("bool")
INT: Final = Type("int")
UINT: Final = Type("uint")
DOUBLE: Final = Type("double")
STRING: Final = Type("string")
BYTES: Final = Type("bytes")
DURATION: Final = Type("duration")
TIMESTAMP: Final = Type("timestamp")
NULL: Final = Type("null")
DYN: Final = Type("dyn")
ERROR: Final = Type("error", "!error!")
_SIMPLE: Final = frozenset(
    {"bool", "bytes", "double", "int", "string", "uint", "any", "duration", "timestamp", "struct"}
)
# What null can stand for in cel-go's checker: wrappers, messages, times, and abstract types such as
# optionals.
_NULLABLE: Final = frozenset({"opaque", "struct", "any", "duration", "timestamp"})
_CONTAINERS: Final = frozenset({"opaque", "list", "map", "type"})


def list_of(item: Type) -> Type:
    """list(item)."""
    return Type("list", "", (item,))


def map_of(key: Type, value: Type) -> Type:
    """map(key, value)."""
    return Type("map", "", (key, value))


def type_of(inner: Type) -> Type:
    """type(inner)."""
    return Type("type", "", (inner,))


def optional(inner: Type) -> Type:
    """optional_type(inner)."""
    return Type("opaque", "optional_type", (inner,))


def param(name: str) -> Type:
    """A type parameter."""
    return Type("param", name)


def is_dyn(t: Type) -> bool:
    """Whether anything goes."""
    return t.kind in ("dyn", "any")


def unwrapped(t: Type) -> tuple[Type, bool]:
    """What is in an optional, and whether it was one."""
    if t.kind == "opaque" and t.name == "optional_type":
        return t.params[0], True
    return t, False


def is_equivalent(a: Type, b: Type) -> bool:
    """Whether two types are the same but for the names of their parameters."""
    if (
        a.kind != b.kind
        or len(a.params) != len(b.params)
        or (a.kind != "param" and a.name != b.name)
    ):
        return False
    return all(map(is_equivalent, a.params, b.params))


def substitute(m: Mapping, t: Type, to_dyn: bool) -> Type:
    """Put what is known of its parameters into a type.

    Args:
        m: What is known.
        t: The type.
        to_dyn: Whether an unknown parameter becomes dyn.
    """
    if t.kind == "param":
        if t.name in m:
            return substitute(m, m[t.name], to_dyn)
        return DYN if to_dyn else t
    if t.kind in _CONTAINERS and t.params:
        return Type(t.kind, t.name, tuple(substitute(m, p, to_dyn) for p in t.params))
    return t


def assigned(m: Mapping, given: Type | list[Type], wanted: Type | list[Type]) -> Mapping | None:
    """Whether types can stand for others.

    Args:
        m: What is known of parameters.
        given: A type, or several.
        wanted: As many.

    Returns:
        What is then known of parameters; None if they cannot.
    """
    # Of the caller's: an overload that does not fit must leave no trace.
    copy = dict(m)
    if isinstance(given, Type) and isinstance(wanted, Type):
        return copy if _assignable(copy, given, wanted) else None
    if isinstance(given, list) and isinstance(wanted, list):
        return copy if _all_assignable(copy, given, wanted) else None
    return None


def _all_assignable(
    m: Mapping, l1: list[Type] | tuple[Type, ...], l2: list[Type] | tuple[Type, ...]
) -> bool:
    return len(l1) == len(l2) and all(_assignable(m, a, b) for a, b in zip(l1, l2, strict=True))


def _assignable(m: Mapping, t1: Type, t2: Type) -> bool:
    # Both directions are tried, t2 first, as in cel-go's internalIsAssignable: the order decides
    # which of two parameters is bound.
    if t2.kind == "param":
        valid, has_sub = _valid_substitution(m, t1, t2)
        if valid:
            return True
        if has_sub:
            return False
    if t1.kind == "param":
        return _valid_substitution(m, t2, t1)[0]
    # An error fits everything, so that it is told once.
    if is_dyn(t1) or is_dyn(t2) or "error" in (t1.kind, t2.kind):
        return True
    if t1.kind == "null":
        return _takes_null(t2)
    if t2.kind == "null":
        return _takes_null(t1)
    if t1.kind in _SIMPLE:
        return t1 == t2
    if t1.kind == "type":
        return t2.kind == "type"
    return t1.kind == t2.kind and t1.name == t2.name and _all_assignable(m, t1.params, t2.params)


def _takes_null(t: Type) -> bool:
    return t.kind in _NULLABLE or t.kind == "null"


def _valid_substitution(m: Mapping, t1: Type, t2: Type) -> tuple[bool, bool]:
    """Whether t1 can be put for the parameter t2, and whether something already is."""
    if t1 == t2:
        return True, True
    if t2.name in m:
        current = m[t2.name]
        if t1 == current:
            return True, True
        if _assignable(m, t1, current):
            general = most_general(t1, current)
            # Without it a type would hold itself, and substitute() would not end.
            if _is_free_of(m, t2, general):
                m[t2.name] = general
            return True, True
        return False, True
    if _is_free_of(m, t2, t1):
        m[t2.name] = t1
        return True, False
    return False, False


def most_general(t1: Type, t2: Type) -> Type:
    """The more general of two types that unify."""
    return t1 if _is_less_specific(t1, t2) else t2


def _is_less_specific(t1: Type, t2: Type) -> bool:
    if is_dyn(t1) or t1.kind == "param":
        return True
    if is_dyn(t2) or t2.kind == "param" or t1.kind != t2.kind:
        return False
    if t1.kind == "type":
        return True
    if t1.kind in ("opaque", "list", "map"):
        return (
            t1.name == t2.name
            and len(t1.params) == len(t2.params)
            and all(map(_is_less_specific, t1.params, t2.params))
        )
    return t1 == t2


def _is_free_of(m: Mapping, t: Type, within: Type) -> bool:
    """The occurs check of unification."""
    if t == within:
        return False
    if within.kind == "param":
        return within.name not in m or _is_free_of(m, t, m[within.name])
    if within.kind in _CONTAINERS:
        return all(_is_free_of(m, t, p) for p in within.params)
    return True
