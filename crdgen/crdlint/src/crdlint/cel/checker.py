"""The type checker: cel-go's algorithm, with Kubernetes' functions.

cel-expr-python's own checker cannot be told that an int compares with a double, of functions with type parameters, or of
a list in a list of an object, all of which the API server's checker knows; refusing such rules would be wrong.
"""

from __future__ import annotations

from crdlint.cel import library, types
from crdlint.cel.syntax import (
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    NotJudgedError,
    Select,
    StructLiteral,
)
from crdlint.cel.types import Type

_LITERALS = {
    "null": types.NULL,
    "bool": types.BOOL,
    "int": types.INT,
    "uint": types.UINT,
    "double": types.DOUBLE,
    "string": types.STRING,
    "bytes": types.BYTES,
}


class TypeCheckError(Exception):
    """The types in a rule do not fit."""


class Checked:
    """A checked expression: the type of each node, the overloads of each call, and nodes that are dotted names."""

    def __init__(self, root: Expr) -> None:
        self.root = root
        self.types: dict[int, Type] = {}
        self.overloads: dict[int, list[str]] = {}
        self.names: dict[int, str] = {}

    def type(self, e: Expr) -> Type:
        """The type of a node."""
        return self.types[e.id]


def check(root: Expr, variables: dict[str, Type], fields: dict[str, dict[str, Type]]) -> Checked:
    """Check the types of an expression; namespaced functions are resolved in its tree.

    Args:
        root: The parsed expression.
        variables: The types of names.
        fields: The types of the fields of each struct type, by its name.

    Returns:
        The checked expression.

    Raises:
        TypeCheckError: The API server refuses it.
        NotJudgedError: It uses what is not known here.
    """
    checker = _Checker(root, variables, fields)
    # In two passes: parameters that a later part of the expression decides are filled in at the
    # end.
    checker.check(root)
    checked = checker.checked
    # What is still open is dyn, as in cel-go.
    checked.types = {k: types.substitute(checker.known, t, True) for k, t in checked.types.items()}
    return checked


class _Checker:
    def __init__(
        self, root: Expr, variables: dict[str, Type], fields: dict[str, dict[str, Type]]
    ) -> None:
        self.checked = Checked(root)
        # The innermost last: a macro's variable hides a field of the same name.
        self.scopes: list[dict[str, Type]] = [variables]
        self.fields = fields
        self.known: types.Mapping = {}
        self.free = 0

    def check(self, e: Expr) -> Type:
        match e:
            case Literal():
                t = _LITERALS[e.kind]
            case Ident():
                t = self.ident(e)
            case Select():
                t = self.select(e)
            case Call():
                t = self.call(e)
            case ListLiteral():
                t = self.list_literal(e)
            case MapLiteral():
                t = self.map_literal(e)
            case StructLiteral():
                t = self.struct(e)
            case Comprehension():
                t = self.comprehension(e)
            case _:
                raise NotJudgedError(f"a {type(e).__name__}")
        # Kept for each node: costs and literals are judged by them.
        self.checked.types[e.id] = t
        return t

    def lookup(self, name: str) -> Type | None:
        # A leading dot means the root container, and rules have no other.
        name = name.removeprefix(".")
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        # After variables: a schema may have a field named `int`.
        if (known := library.named_type(name)) is not None:
            return known
        # Not refused: the server could make such a message. Not judged either, for nobody does.
        if name in library.MESSAGES:
            raise NotJudgedError(name)
        return None

    def ident(self, e: Ident) -> Type:
        t = self.lookup(e.name)
        if t is None:
            raise TypeCheckError(f"undeclared reference to '{e.name}' (in container '')")
        return t

    def select(self, e: Select) -> Type:
        name = qualified(e)
        # A dotted name before a field selection, as in cel-go: a.b may be a variable named "a.b".
        if name is not None and (t := self.lookup(name)) is not None:
            self.checked.names[e.id] = name
            return t
        t = self.selected(e.operand, e.field, False)
        # has() is written as a selection, and gives whether there is something.
        return types.BOOL if e.test_only else types.substitute(self.known, t, False)

    def selected(self, operand: Expr, field: str, optional: bool) -> Type:
        target, was_optional = types.unwrapped(
            types.substitute(self.known, self.check(operand), False)
        )
        match target.kind:
            case "map":
                result = target.params[1]
            case "struct":
                result = self.field(target.name, field)
            # Nothing is known of it yet, so anything may be selected; it is dyn from now on, as in
            # cel-go.
            case "param":
                self.assign(types.DYN, target)
                result = types.DYN
            case _:
                # An error was told where it began.
                if not types.is_dyn(target) and target.kind != "error":
                    raise TypeCheckError(f"type '{target}' does not support field selection")
                result = types.DYN
        return types.optional(result) if was_optional or optional else result

    def field(self, struct: str, name: str) -> Type:
        found = self.fields.get(struct, {}).get(name)
        if found is None:
            raise TypeCheckError(f"undefined field '{name}'")
        return found

    def call(self, e: Call) -> Type:
        # Its second argument is a name and no expression, so it must not be looked up.
        if e.function == "_?._":
            field = e.args[1]
            if not isinstance(field, Literal) or not isinstance(field.value, str):
                raise TypeCheckError("unsupported optional field selection")
            t = self.selected(e.args[0], field.value, True)
            # Named by hand, since it was resolved by hand; its cost is looked up by the name.
            self.checked.overloads[e.id] = ["select_optional_field"]
            self.checked.types[field.id] = types.STRING
            return types.substitute(self.known, t, False)
        for arg in e.args:
            self.check(arg)
        if e.target is not None:
            # A function of a namespace is parsed as a member call: math.greatest(1, 2) looks like a
            # method of `math`.
            prefix = qualified(e.target)
            if prefix is not None and library.overloads(f"{prefix.removeprefix('.')}.{e.function}"):
                e.function, e.target = f"{prefix.removeprefix('.')}.{e.function}", None
            else:
                self.check(e.target)
        if not library.overloads(e.function):
            raise TypeCheckError(f"undeclared reference to '{e.function}' (in container '')")
        return self.resolve(e)

    def resolve(self, e: Call) -> Type:
        nodes = [*([e.target] if e.target is not None else []), *e.args]
        given = [self.checked.types[n.id] for n in nodes]
        # cel-go checks these by hand: both sides must be bool, and a dyn is taken for one.
        if e.function in ("_&&_", "_||_"):
            for t in given:
                if not self.assign(t, types.BOOL):
                    raise TypeCheckError(f"expected type 'bool' but found '{self.shown(t)}'")
            self.checked.overloads[e.id] = [library.overloads(e.function)[0].id]
            return types.BOOL
        result: Type | None = None
        fitting: list[str] = []
        # All that fit are kept, not the first: with a dyn several do, and the cost is the highest
        # of theirs.
        for overload in library.overloads(e.function):
            # `size(x)` and `x.size()` are two ways of one function.
            if overload.member != (e.target is not None):
                continue
            # Parameters are new at each call, or two calls would bind each other's.
            fresh = {name: self.fresh() for name in sorted(overload.params)}
            wanted = [types.substitute(fresh, a, False) for a in overload.args]
            known = types.assigned(self.known, given, wanted)
            if known is None:
                continue
            self.known = known
            fitting.append(overload.id)
            t = types.substitute(self.known, types.substitute(fresh, overload.result, False), False)
            if result is None:
                result = t
            # Overloads that disagree give dyn.
            elif not types.is_dyn(result) and t != result:
                result = types.DYN
        if result is None:
            # In the words of cel-go: people search for them.
            shown = ", ".join(self.shown(t) for t in (given[1:] if e.target is not None else given))
            where = f"{self.shown(given[0])}." if e.target is not None else ""
            raise TypeCheckError(
                f"found no matching overload for '{e.function}' applied to '{where}({shown})'"
            )
        self.checked.overloads[e.id] = fitting
        return result

    def shown(self, t: Type) -> str:
        return str(types.substitute(self.known, t, True))

    def assign(self, given: Type, wanted: Type) -> bool:
        known = types.assigned(self.known, given, wanted)
        if known is not None:
            self.known = known
        return known is not None

    def fresh(self) -> Type:
        self.free += 1
        return types.param(f"_var{self.free}")

    def join(self, previous: Type | None, current: Type) -> Type:
        """Return the common type of a literal's members; different types become dyn, which is not always wrong."""
        # The first member alone decides nothing: a later one may be more general.
        if previous is None:
            return current
        return (
            types.most_general(previous, current) if self.assign(previous, current) else types.DYN
        )

    def optional_entry(self, t: Type) -> Type:
        inner, is_optional = types.unwrapped(t)
        # `[?x]` takes an optional, or what may be one.
        if not is_optional and not types.is_dyn(inner):
            raise TypeCheckError(
                f"expected type 'optional_type({self.shown(inner)})' but found '{self.shown(inner)}'"
            )
        return inner

    def list_literal(self, e: ListLiteral) -> Type:
        item: Type | None = None
        for index, element in enumerate(e.elements):
            t = self.check(element)
            item = self.join(item, self.optional_entry(t) if index in e.optional else t)
        return types.list_of(item if item is not None else self.fresh())

    def map_literal(self, e: MapLiteral) -> Type:
        key: Type | None = None
        value: Type | None = None
        for k, v, optional in e.entries:
            key = self.join(key, self.check(k))
            t = self.check(v)
            value = self.join(value, self.optional_entry(t) if optional else t)
        # An empty literal fits every list or map.
        if key is None or value is None:
            return types.map_of(self.fresh(), self.fresh())
        return types.map_of(key, value)

    def struct(self, e: StructLiteral) -> Type:
        t = self.lookup(e.name)
        if t is None:
            raise TypeCheckError(f"undeclared reference to '{e.name}' (in container '')")
        if (
            t.kind == "type"
            and t.params
            and t.params[0].kind in ("duration", "timestamp", "list", "map", "null")
        ):
            raise NotJudgedError(f"{e.name}{{}}")
        # A rule can make no objects: the types of a schema have no names to write.
        raise TypeCheckError(f"'{e.name}' is not a message type")

    def comprehension(self, e: Comprehension) -> Type:
        self.check(e.iter_range)
        self.check(e.accu_init)
        iterated = types.substitute(self.known, self.checked.types[e.iter_range.id], False)
        accu = self.checked.types[e.accu_init.id]
        first, second = self.iterators(iterated, bool(e.iter_var2))
        # Two scopes: the result sees the accumulator and no longer the variable of the loop.
        self.scopes.append({e.accu_var: accu})
        loop = {e.iter_var: first}
        if e.iter_var2:
            loop[e.iter_var2] = second
        self.scopes.append(loop)
        for part, wanted in ((e.condition, types.BOOL), (e.step, accu)):
            t = self.check(part)
            if not self.assign(wanted, t):
                raise TypeCheckError(
                    f"expected type '{self.shown(wanted)}' but found '{self.shown(t)}'"
                )
        self.scopes.pop()
        result = self.check(e.result)
        self.scopes.pop()
        return types.substitute(self.known, result, False)

    def iterators(self, iterated: Type, two: bool) -> tuple[Type, Type]:
        match iterated.kind:
            case "list":
                # With two variables the first is the index of a list, or the key of a map.
                return (types.INT, iterated.params[0]) if two else (iterated.params[0], types.DYN)
            case "map":
                return iterated.params[0], iterated.params[1]
            case "dyn" | "error" | "param":
                self.assign(types.DYN, iterated)
                return types.DYN, types.DYN
            case _:
                raise TypeCheckError(
                    f"expression of type '{self.shown(iterated)}' cannot be range of a comprehension "
                    "(must be list, map, or dynamic)"
                )


def qualified(e: Expr) -> str | None:
    """Return the dotted name of a node; None if it is not one."""
    if isinstance(e, Ident):
        return e.name
    # has(a.b) is a question about a.b and not its name.
    if isinstance(e, Select) and not e.test_only:
        prefix = qualified(e.operand)
        return f"{prefix}.{e.field}" if prefix is not None else None
    return None
