"""The highest cost of a rule: the estimate by which the API server refuses rules.

Written from cel-go's published cost model and Kubernetes' additions to it. Sizes are ranges from least to most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crdlint.cel import kubernetes_cost
from crdlint.cel.checker import Checked
from crdlint.cel.declared import Declared
from crdlint.cel.sizes import (
    MOST,
    REGEX,
    TRAVERSAL,
    UNKNOWN,
    Node,
    Path,
    Range,
    extended,
    plus,
    scaled,
    times,
    union,
)
from crdlint.cel.syntax import (
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)
from crdlint.cel.types import Type

_SCALARS: Final = frozenset({"bool", "double", "duration", "int", "timestamp", "uint"})


@dataclass(frozen=True, slots=True)
class Entries:
    """The sizes of keys and values in a container."""

    kind: str
    key: Range
    value: Range

    def union(self, other: Entries | None) -> Entries | None:
        """Return sizes that are valid for both; None if one is unknown."""
        if other is None:
            return None
        return Entries(self.kind, union(self.key, other.key), union(self.value, other.value))


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path | None
    size: Range | None
    entries: Entries | None


def estimate(checked: Checked, root: Declared) -> int:
    """The most that an expression may cost.

    Args:
        checked: The expression.
        root: The declaration of `self`.
    """
    # The highest only: the server compares the maximum with its limit.
    return _Estimate(checked, root).cost(checked.root)[1]


class _Estimate:
    def __init__(self, checked: Checked, root: Declared) -> None:
        self.checked = checked
        self.root = root
        # By the number of a node: cel-go keeps paths and sizes apart from the tree as well.
        self.paths: dict[int, Path | None] = {}
        self.locals: dict[str, list[_Local]] = {}
        self.sizes: dict[int, Range] = {}
        self.entries: dict[int, Entries] = {}

    # -------------------------------------------------- what is known of a node

    def local(self, e: Expr) -> _Local | None:
        # The last of its name: macros nest, and an inner variable may hide an outer one.
        found = self.locals.get(self.name(e)) if self.is_ident(e) else None
        return found[-1] if found else None

    def is_ident(self, e: Expr) -> bool:
        return isinstance(e, Ident) or e.id in self.checked.names

    def name(self, e: Expr) -> str:
        return self.checked.names.get(e.id) or (e.name if isinstance(e, Ident) else "")

    def path(self, e: Expr) -> Path | None:
        local = self.local(e)
        return local.path if local is not None else self.paths.get(e.id)

    def declared_size(self, path: Path | None) -> Range | None:
        """Return the size that the schema declares for a path below `self` or `oldSelf`."""
        # Something that was computed has no place in the schema.
        if path is None:
            return None
        node: Declared | None = self.root
        # The first is `self` or `oldSelf`, and both are the root.
        for name in path.names()[1:]:
            if node is None:
                return None
            if name in ("@items", "@values"):
                node = node.element
            elif name == "@keys":
                node = node.key
            else:
                node = (node.fields or {}).get(name)
        # From zero: a schema's least sizes are not part of the server's estimate.
        return (0, node.max_elements) if node is not None else None

    def size(self, e: Expr) -> Range | None:
        if e.id in self.sizes:
            return self.sizes[e.id]
        # In the order of cel-go's computed sizes: what is written wins over what is declared.
        if (own := _own_size(e)) is not None:
            return own
        if (declared := self.declared_size(self.path(e))) is not None:
            self.sizes[e.id] = declared
            return declared
        # Numbers and times count as one, whatever they hold.
        if _is_scalar(self.checked.type(e)):
            return (1, 1)
        local = self.local(e)
        return local.size if local is not None else None

    def size_or_unknown(self, e: Expr) -> Range:
        size = self.size(e)
        return size if size is not None else UNKNOWN

    def entries_of(self, e: Expr) -> Entries | None:
        if e.id in self.entries:
            return self.entries[e.id]
        local = self.local(e)
        return local.entries if local is not None else None

    def node(self, e: Expr) -> Node:
        path = self.path(e)
        # The accumulator of a macro is not a place in the schema, although cel-go gives it a path.
        if path is not None and path.array[0] in ("__result__", "@result"):
            path = None
        return Node(self.checked.type(e), path, self.size(e), e)

    def node_size(self, node: Node) -> Range:
        """The size of an argument to Kubernetes' own functions."""
        if node.size is not None:
            return node.size
        declared = self.declared_size(node.path)
        return declared if declared is not None else UNKNOWN

    # -------------------------------------------------- costs

    def cost(self, e: Expr) -> Range:
        match e:
            case Literal():
                return (0, 0)
            case Ident():
                return self.ident(e)
            case Select():
                return self.ident(e) if e.id in self.checked.names else self.select(e)
            case Call():
                return self.call(e)
            case ListLiteral():
                return self.list_literal(e)
            case MapLiteral():
                return self.map_literal(e)
            case StructLiteral():
                # cel-go's StructCreateBaseCost; ListCreateBaseCost is 10 and MapCreateBaseCost 30
                # (common/cost.go).
                total: Range = (40, 40)
                for _, value, _ in e.fields:
                    total = plus(total, self.cost(value))
                return total
            case Comprehension():
                # cel.bind() is a comprehension over an empty list, of which only the result counts.
                return self.bind(e) if _is_bind(e) else self.comprehension(e)
            case _:
                return (0, 0)

    def ident(self, e: Expr) -> Range:
        local = self.local(e)
        self.paths[e.id] = local.path if local is not None else Path([self.name(e)], 1)
        # cel-go's SelectAndIdentCost: a look-up in a map of names.
        return (1, 1)

    def select(self, e: Select) -> Range:
        total = self.cost(e.operand)
        # cel-go adds nothing for the test itself.
        if e.test_only:
            return total
        if self.checked.type(e.operand).kind in ("map", "struct", "param"):
            total = plus(total, (1, 1))
        self.paths[e.id] = extended(self.path(e.operand), e.field)
        return total

    def list_literal(self, e: ListLiteral) -> Range:
        total: Range = (0, 0)
        # An empty range upside down, so that the first union sets both ends.
        size: Range = (MOST if e.elements else 0, 0)
        # Each is evaluated once to make the list.
        for element in e.elements:
            total = plus(total, self.cost(element))
            size = union(size, self.size_or_unknown(element))
        self.entries[e.id] = Entries("list", (1, 1), size)
        return plus(total, (10, 10))

    def map_literal(self, e: MapLiteral) -> Range:
        total: Range = (0, 0)
        keys: Range = (MOST if e.entries else 0, 0)
        values = keys
        for key, value, _ in e.entries:
            total = plus(plus(total, self.cost(key)), self.cost(value))
            keys = union(keys, self.size_or_unknown(key))
            values = union(values, self.size_or_unknown(value))
        self.entries[e.id] = Entries("map", keys, values)
        return plus(total, (30, 30))

    def push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def pop(self, name: str) -> None:
        self.locals[name].pop()

    def bind(self, e: Comprehension) -> Range:
        total = plus(self.cost(e.iter_range), self.cost(e.accu_init))
        init = e.accu_init
        self.push(e.accu_var, _Local(self.path(init), self.size(init), self.entries_of(init)))
        total = plus(total, self.cost(e.result))
        if (size := self.size(e.result)) is not None:
            self.sizes[e.id] = size
        if (entries := self.entries_of(e.result)) is not None:
            self.entries[e.id] = entries
        self.pop(e.accu_var)
        return total

    def comprehension(self, e: Comprehension) -> Range:
        total = plus(self.cost(e.iter_range), self.cost(e.accu_init))
        # cel-go gives the accumulator the path and size of what it begins with.
        init = e.accu_init
        self.push(e.accu_var, _Local(self.path(init), self.size(init), self.entries_of(init)))
        self.push_iterators(e)
        loop = self.cost(e.condition)
        step = self.cost(e.step)
        self.pop(e.iter_var)
        if e.iter_var2:
            self.pop(e.iter_var2)
        total = plus(total, self.cost(e.result))
        self.pop(e.accu_var)
        # Unknown is the most there is: without maxItems a loop costs more than any limit.
        count = self.size_or_unknown(e.iter_range)
        # The product of nested list bounds: this is what makes a rule over unbounded lists too
        # expensive.
        total = plus(total, times(count, plus(step, loop)))
        # What the macro gives is told by what it begins with: all() and exists() a bool, map() and
        # filter() a list no longer than the range.
        if isinstance(init, Literal):
            self.sizes[e.id] = self.size_or_unknown(init)
        elif isinstance(init, (ListLiteral, MapLiteral)):
            self.sizes[e.id] = count
            if (entries := self.entries_of(e.step)) is not None:
                self.entries[e.id] = entries
        return total

    def push_iterators(self, e: Comprehension) -> None:
        entries, path = self.entries_of(e.iter_range), self.path(e.iter_range)
        is_list = (
            entries.kind if entries is not None else self.checked.type(e.iter_range).kind
        ) == "list"
        key = entries.key if entries is not None else None
        value = entries.value if entries is not None else None
        if e.iter_var2:
            self.push(
                e.iter_var, _Local(extended(path, "@indices" if is_list else "@keys"), key, None)
            )
            self.push(
                e.iter_var2, _Local(extended(path, "@items" if is_list else "@values"), value, None)
            )
        elif is_list:
            self.push(e.iter_var, _Local(extended(path, "@items"), value, None))
        # With one variable a map is walked by its keys.
        else:
            self.push(e.iter_var, _Local(extended(path, "@keys"), key, None))

    def call(self, e: Call) -> Range:
        # Only changes the type, so sizes must not be lost.
        if e.function == "dyn":
            cost = plus((1, 1), self.cost(e.args[0]))
            if (size := self.size(e.args[0])) is not None:
                self.sizes[e.id] = size
            if (entries := self.entries_of(e.args[0])) is not None:
                self.entries[e.id] = entries
            return cost
        costs, args = [], []
        for arg in e.args:
            # Before the target, as in cel-go: paths and sizes of arguments are needed by the
            # estimators.
            costs.append(self.cost(arg))
            args.append(self.node(arg))
        overloads = self.checked.overloads.get(e.id, [])
        # Not resolved: the checker has judged it.
        if not overloads:
            return (0, 0)
        total: Range = (0, 0)
        target = None
        if e.target is not None:
            total = self.cost(e.target)
            target = self.node(e.target)
        return plus(total, self.overloaded(e, overloads, target, args, costs))

    def overloaded(
        self,
        e: Call,
        overloads: list[str],
        target: Node | None,
        args: list[Node],
        costs: list[Range],
    ) -> Range:
        # The arguments are evaluated whatever the function does.
        summed: Range = (0, 0)
        for cost in costs:
            summed = plus(summed, cost)
        # Upside down, so that the first union sets both ends.
        whole: Range = (MOST, 0)
        size: Range | None = None
        for overload in overloads:
            cost, result = self.function(e, overload, target, args, costs, summed)
            whole = union(whole, cost)
            if result is not None:
                size = result if size is None else union(size, result)
            if overload in ("index_list", "index_map") and args:
                entries = self.entries_of(e.args[0])
                size = entries.value if entries is not None else None
                below = "@items" if overload == "index_list" else "@values"
                self.paths[e.id] = extended(self.path(e.args[0]), below)
            # cel-go asks inside of the loop over overloads, and so do we: the order decides which
            # size stays.
            if size is None:
                size = self.size(e)
        if size is not None:
            self.sizes[e.id] = size
        return whole

    def function(
        self,
        e: Call,
        overload: str,
        target: Node | None,
        args: list[Node],
        costs: list[Range],
        summed: Range,
    ) -> tuple[Range, Range | None]:
        """The cost of a call and the size of what it gives."""
        # Kubernetes' estimator is asked first, and cel-go's table only where that has no answer.
        found = kubernetes_cost.estimate(e.function, overload, target, args, self.node_size)
        if found is not None:
            return plus(found[0], summed), found[1]
        return self.standard(e, overload, target, args, costs, summed)

    def known(self, node: Node) -> Range:
        return node.size if node.size is not None else UNKNOWN

    def standard(
        self,
        e: Call,
        overload: str,
        target: Node | None,
        args: list[Node],
        costs: list[Range],
        summed: Range,
    ) -> tuple[Range, Range | None]:
        """cel-go's own functions."""
        if overload == "string_format" and target is not None:
            return plus(scaled(self.known(target), TRAVERSAL), summed), None
        if overload in _CONVERSIONS and len(args) == 1:
            size = self.known(args[0])
            return plus(scaled(size, TRAVERSAL), summed), _CONVERSIONS[overload](size)
        if overload in ("starts_with_string", "ends_with_string") and len(args) == 1:
            return plus(scaled(self.known(args[0]), TRAVERSAL), summed), None
        if overload == "in_list" and len(args) == 2:
            return plus(scaled(self.known(args[1]), 1), summed), None
        if overload == "matches_string" and target is not None and len(args) == 1:
            # One more character, so that a match against the empty text is not free.
            text = scaled(plus(self.known(target), (1, 1)), TRAVERSAL)
            return plus(times(text, scaled(self.known(args[0]), REGEX)), summed), None
        if overload == "contains_string" and target is not None and len(args) == 1:
            product = times(
                scaled(self.known(target), TRAVERSAL), scaled(self.known(args[0]), TRAVERSAL)
            )
            return plus(product, summed), None
        if overload in ("logical_or", "logical_and"):
            # At least the left operand alone: && and || may stop there.
            return (costs[0][0], plus(costs[0], costs[1])[1]), None
        if overload == "conditional":
            return self.conditional(e, args, costs)
        if overload in ("add_string", "add_bytes", "add_list") and len(args) == 2:
            return self.concatenation(e, overload, args, summed)
        if overload in _COMPARISONS:
            # A comparison ends with the shorter of the two.
            most = min(self.known(args[0])[1], self.known(args[1])[1])
            return plus(scaled((1 if most > 0 else 0, most), TRAVERSAL), summed), None
        return plus((1, 1), summed), None

    def conditional(
        self, e: Call, args: list[Node], costs: list[Range]
    ) -> tuple[Range, Range | None]:
        size = union(self.known(args[1]), self.known(args[2]))
        first = self.entries_of(e.args[1])
        entries = first.union(self.entries_of(e.args[2])) if first is not None else None
        if entries is not None:
            self.entries[e.id] = entries
        return plus(costs[0], union(costs[1], costs[2])), size

    def concatenation(
        self, e: Call, overload: str, args: list[Node], summed: Range
    ) -> tuple[Range, Range | None]:
        size = plus(self.known(args[0]), self.known(args[1]))
        first = self.entries_of(e.args[0])
        entries = first.union(self.entries_of(e.args[1])) if first is not None else None
        if entries is not None:
            self.entries[e.id] = entries
        if overload == "add_list":
            return plus((1, 1), summed), size
        return plus(scaled(size, TRAVERSAL), summed), size


_CONVERSIONS: Final[dict[str, Callable[[Range], Range]]] = {
    # Go's uint64 wraps around here, where other sums are kept at the most.
    "string_to_bytes": lambda s: (s[0], (s[1] * 4) % 2**64),
    "bytes_to_string": lambda s: (s[0] // 4, s[1]),
    "strings_quote": lambda s: ((s[0] + 2) % 2**64, (s[1] * 2 + 2) % 2**64),
}
_COMPARISONS: Final = frozenset(
    {"equals", "not_equals"}
    | {
        f"{how}_{what}"
        for how in ("less", "greater", "less_equals", "greater_equals")
        for what in ("string", "bytes")
    }
)


def _own_size(e: Expr) -> Range | None:
    match e:
        case Literal(kind="string" | "bytes"):
            return len(e.value), len(e.value)
        case Literal():
            return 1, 1
        case ListLiteral():
            return len(e.elements), len(e.elements)
        case MapLiteral():
            return len(e.entries), len(e.entries)
        case _:
            return None


def _is_scalar(t: Type) -> bool:
    if t.kind == "opaque" and t.name == "optional_type":
        return _is_scalar(t.params[0])
    return t.kind in _SCALARS


def _is_bind(e: Comprehension) -> bool:
    return (
        isinstance(e.iter_range, ListLiteral)
        and not e.iter_range.elements
        and isinstance(e.condition, Literal)
        and e.condition.value is False
        # What tells a bind from a macro over an empty list that somebody wrote.
        and e.accu_var != "__result__"
    )
