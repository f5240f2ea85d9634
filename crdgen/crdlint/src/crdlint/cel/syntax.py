"""The syntax tree of an expression. cel-expr-python parses; its tree comes out in protobuf's wire format."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

ACCUMULATOR: Final = "@result"


class ExpressionSyntaxError(Exception):
    """An expression is not CEL."""


class NotJudgedError(Exception):
    """An expression is beyond what is judged here."""


@dataclass(slots=True, eq=False)
class Expr:
    """A node; its number is its own within a tree."""

    id: int


@dataclass(slots=True, eq=False)
class Literal(Expr):
    """A constant; `kind` is its CEL type."""

    kind: str
    value: Any


@dataclass(slots=True, eq=False)
class Ident(Expr):
    """A name."""

    name: str


@dataclass(slots=True, eq=False)
class Select(Expr):
    """`operand.field`, or `has(operand.field)`."""

    operand: Expr
    field: str
    test_only: bool = False


@dataclass(slots=True, eq=False)
class Call(Expr):
    """A function of arguments, of a target if it is a member."""

    function: str
    args: list[Expr]
    target: Expr | None = None


@dataclass(slots=True, eq=False)
class ListLiteral(Expr):
    """`[a, ?b]`."""

    elements: list[Expr]
    optional: frozenset[int] = frozenset()


@dataclass(slots=True, eq=False)
class MapLiteral(Expr):
    """`{k: v, ?k: v}`: keys, values, and whether each is optional."""

    entries: list[tuple[Expr, Expr, bool]]


@dataclass(slots=True, eq=False)
class StructLiteral(Expr):
    """`name{field: value}`."""

    name: str
    fields: list[tuple[str, Expr, bool]]


@dataclass(slots=True, eq=False)
class Comprehension(Expr):
    """What macros such as `all` and `map` become."""

    iter_var: str
    iter_range: Expr
    accu_var: str
    accu_init: Expr
    condition: Expr
    step: Expr
    result: Expr
    iter_var2: str = field(default="")


def parse(text: str) -> Expr:
    """Parse an expression, its macros expanded.

    Args:
        text: The expression.

    Returns:
        The root of its tree.

    Raises:
        ExpressionSyntaxError: It is not CEL.
        NotJudgedError: It nests deeper than the parser goes, or the parser fails otherwise.
    """
    # Asked first, because our parser has quoted names switched on and would take them.
    if text.count("`"):
        # Kubernetes has not switched quoted names on.
        raise (
            ExpressionSyntaxError("Syntax error: token recognition error at: '`'")
            if _has_backtick(text)
            else NotJudgedError("a backtick")
        )
    try:
        packed = (
            _environment("?" in text or "opt" in text).compile(text, disable_check=True).serialize()
        )
    except (RuntimeError, ValueError, TypeError) as error:
        message = str(error).strip()
        # The parser's own limits come as other statuses, and they are not the server's.
        if not message.startswith("INVALID_ARGUMENT"):
            raise NotJudgedError(
                message.splitlines()[0] if message else "the parser fails"
            ) from None
        raise ExpressionSyntaxError(_first_line(message)) from None
    # An Any: its field 2 is the value, a ParsedExpr, whose field 2 is the expression (any.proto,
    # syntax.proto).
    parsed = dict(_fields(dict(_fields(packed))[2]))
    return _Expansion().expand(_expr(parsed[2]))


def _has_backtick(text: str) -> bool:
    """Whether there is a backtick outside of string literals."""
    import re

    rest = re.sub(
        r"""[bBrR]*('''.*?'''|\"\"\".*?\"\"\"|'(\\.|[^'\\])*'|"(\\.|[^"\\])*")""",
        "",
        text,
        flags=re.DOTALL,
    )
    return "`" in rest


def _first_line(message: str) -> str:
    text = message.removeprefix("INVALID_ARGUMENT:").strip().splitlines()[0]
    return text.removeprefix("ERROR:").strip().removeprefix("<input>:")


@functools.cache
def _environment(optional: bool) -> Any:
    from cel_expr_python import cel

    if not optional:
        return cel.NewEnv(variables={})
    from cel_expr_python.ext import ext_optional

    return cel.NewEnv(variables={}, extensions=[ext_optional.ExtOptional()])


# Read by hand: of protobuf only this much is needed.
def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message in wire format: number and value, bytes for what has a length."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value: Any
            value, at = _varint(data, at)
        elif key & 7 == 1:
            value, at = data[at : at + 8], at + 8
        else:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def _expr(data: bytes) -> Expr:
    number, expression = 0, None
    for key, value in _fields(data):
        if key == 2:
            number = value
        else:
            expression = (key, value)
    if expression is None:
        raise NotJudgedError("an empty expression")
    return _KINDS[expression[0]](number, expression[1])


def _literal(number: int, data: bytes) -> Expr:
    ((key, value),) = _fields(data)
    if key == 3:
        # Varints of an int64 are two's complement.
        return Literal(number, "int", value - 2**64 if value >= 2**63 else value)
    if key == 5:
        return Literal(number, "double", struct.unpack("<d", value)[0])
    if key == 6:
        return Literal(number, "string", value.decode("utf-8", "replace"))
    kind = {1: "null", 2: "bool", 4: "uint", 7: "bytes"}[key]
    return Literal(number, kind, bool(value) if key == 2 else None if key == 1 else value)


def _ident(number: int, data: bytes) -> Expr:
    return Ident(number, dict(_fields(data)).get(1, b"").decode())


def _select(number: int, data: bytes) -> Expr:
    parts = dict(_fields(data))
    return Select(number, _expr(parts[1]), parts.get(2, b"").decode(), bool(parts.get(3, 0)))


def _call(number: int, data: bytes) -> Expr:
    target, function, args = None, "", []
    for key, value in _fields(data):
        if key == 1:
            target = _expr(value)
        elif key == 2:
            function = value.decode()
        else:
            args.append(_expr(value))
    return Call(number, function, args, target)


def _list(number: int, data: bytes) -> Expr:
    elements, optional = [], set()
    for key, value in _fields(data):
        if key == 1:
            elements.append(_expr(value))
        elif isinstance(value, int):
            # Repeated numbers come packed or one by one; a reader must take both.
            optional.add(value)
        else:
            at = 0
            while at < len(value):
                index, at = _varint(value, at)
                optional.add(index)
    return ListLiteral(number, elements, frozenset(optional))


def _struct(number: int, data: bytes) -> Expr:
    name, fields, entries = "", [], []
    for key, value in _fields(data):
        if key == 1:
            name = value.decode()
            continue
        parts = dict(_fields(value))
        optional = bool(parts.get(5, 0))
        if 3 in parts:
            entries.append((_expr(parts[3]), _expr(parts[4]), optional))
        else:
            fields.append((parts.get(2, b"").decode(), _expr(parts[4]), optional))
    # One message for both in syntax.proto: without a name it is a map.
    return StructLiteral(number, name, fields) if name else MapLiteral(number, entries)


def _comprehension(number: int, data: bytes) -> Expr:
    p = dict(_fields(data))
    return Comprehension(
        number,
        iter_var=p[1].decode(),
        iter_range=_expr(p[2]),
        accu_var=p[3].decode(),
        accu_init=_expr(p[4]),
        condition=_expr(p[5]),
        step=_expr(p[6]),
        result=_expr(p[7]),
        iter_var2=p.get(8, b"").decode(),
    )


_KINDS: Final[dict[int, Callable[[int, Any], Expr]]] = {
    3: _literal,
    4: _ident,
    5: _select,
    6: _call,
    7: _list,
    8: _struct,
    9: _comprehension,
}


def children(e: Expr) -> list[Expr]:
    """The nodes right below a node."""
    match e:
        case Select():
            return [e.operand]
        case Call():
            return [*([e.target] if e.target is not None else []), *e.args]
        case ListLiteral():
            return e.elements
        case MapLiteral():
            return [part for key, value, _ in e.entries for part in (key, value)]
        case StructLiteral():
            return [value for _, value, _ in e.fields]
        case Comprehension():
            return [e.iter_range, e.accu_init, e.condition, e.step, e.result]
        case _:
            return []


def walk(e: Expr) -> Iterator[Expr]:
    """A node and all below it."""
    # Without recursion: `a + b + c ...` nests to the left as deep as it is long.
    waiting = [e]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)


class _Expansion:
    """The macros of two variables, which the parser does not know, are expanded as cel-go does."""

    # By name and number of arguments; with three, `all` and its like have two variables.
    _MACROS: Final = {
        ("all", 3),
        ("exists", 3),
        ("existsOne", 3),
        ("exists_one", 3),
        ("transformList", 3),
        ("transformList", 4),
        ("transformMap", 3),
        ("transformMap", 4),
        ("transformMapEntry", 3),
        ("transformMapEntry", 4),
    }

    def __init__(self) -> None:
        # Beyond the parser's numbers, so that none comes twice in a tree.
        self.next = 1 << 40

    def number(self) -> int:
        self.next += 1
        return self.next

    def expand(self, e: Expr) -> Expr:
        match e:
            case Select():
                e.operand = self.expand(e.operand)
            case Call():
                e.target = self.expand(e.target) if e.target is not None else None
                e.args = [self.expand(a) for a in e.args]
                # After the parts: a macro's argument may hold macros.
                if e.target is not None and (e.function, len(e.args)) in self._MACROS:
                    return self.macro(e, e.target)
            case ListLiteral():
                e.elements = [self.expand(x) for x in e.elements]
            case MapLiteral():
                e.entries = [(self.expand(k), self.expand(v), o) for k, v, o in e.entries]
            case StructLiteral():
                e.fields = [(n, self.expand(v), o) for n, v, o in e.fields]
            case Comprehension():
                for name in ("iter_range", "accu_init", "condition", "step", "result"):
                    setattr(e, name, self.expand(getattr(e, name)))
            case _:
                pass
        return e

    def accu(self) -> Expr:
        return Ident(self.number(), ACCUMULATOR)

    def call(self, function: str, *args: Expr) -> Expr:
        return Call(self.number(), function, list(args))

    def literal(self, kind: str, value: Any) -> Expr:
        return Literal(self.number(), kind, value)

    def macro(self, e: Call, target: Expr) -> Expr:
        first, second = e.args[0], e.args[1]
        if not isinstance(first, Ident) or not isinstance(second, Ident):
            raise ExpressionSyntaxError("argument must be a simple name")
        # cel-go's comprehensions extension refuses the same.
        if first.name == second.name:
            raise ExpressionSyntaxError(f"duplicate variable name: {first.name}")
        if {first.name, second.name} & {ACCUMULATOR, "__result__"}:
            raise ExpressionSyntaxError("iteration variable overwrites accumulator variable")
        condition, result = self.literal("bool", True), self.accu()
        if e.function in ("all", "exists"):
            whole = e.function == "all"
            init: Expr = self.literal("bool", whole)
            checked = self.accu() if whole else self.call("!_", self.accu())
            # Stops at the first that decides; an error on the way is kept until then.
            condition = self.call("@not_strictly_false", checked)
            step = self.call("_&&_" if whole else "_||_", self.accu(), e.args[2])
        elif e.function in ("existsOne", "exists_one"):
            init = self.literal("int", 0)
            more = self.call("_+_", self.accu(), self.literal("int", 1))
            step = self.call("_?_:_", e.args[2], more, self.accu())
            result = self.call("_==_", self.accu(), self.literal("int", 1))
        else:
            init, step = self.transform(e, first.name)
        return Comprehension(
            self.number(),
            iter_var=first.name,
            iter_range=target,
            accu_var=ACCUMULATOR,
            accu_init=init,
            condition=condition,
            step=step,
            result=result,
            iter_var2=second.name,
        )

    def transform(self, e: Call, key: str) -> tuple[Expr, Expr]:
        value = e.args[-1]
        init: Expr
        if e.function == "transformList":
            init = ListLiteral(self.number(), [])
            step = self.call("_+_", self.accu(), ListLiteral(self.number(), [value]))
        else:
            init = MapLiteral(self.number(), [])
            inserted = (
                [Ident(self.number(), key), value] if e.function == "transformMap" else [value]
            )
            # The name of cel-go's function, which no author can write.
            step = self.call("cel.@mapInsert", self.accu(), *inserted)
        if len(e.args) == 4:
            step = self.call("_?_:_", e.args[2], step, self.accu())
        return init, step
