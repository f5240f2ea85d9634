"""The rules of a version's schema: compiled, and their costs added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from crdlint.cel import checker, cost, declared, literals, sizes, syntax, types
from crdlint.cel.checker import Checked
from crdlint.cel.declared import Declarations, Declared
from crdlint.model import Findings, shown
from crdlint.openapi import Place
from crdlint.schema import Schema

# StaticEstimatedCostLimit and StaticEstimatedCRDCostLimit of apiextensions-apiserver.
RULE_LIMIT: Final = 10_000_000
TOTAL_LIMIT: Final = 100_000_000


class RuleError(Exception):
    """A rule is refused."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled rule or message."""

    checked: Checked
    cost: int
    uses_old_self: bool


@dataclass(frozen=True, slots=True)
class _Context:
    """What a node's rules depend on: how often it may be there, and whether CEL can see it."""

    cardinality: int | None
    in_scope: bool
    is_hidden: bool
    is_resource: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What a rule may cost.

    Attributes:
        path: The schema node that holds it.
        index: Which of the node's rules it is.
        cost: Of one evaluation.
        message: Of one evaluation of its messageExpression.
        cardinality: How often it may be evaluated.
    """

    path: str
    index: int
    cost: int
    message: int
    cardinality: int


class Rules:
    """Judges rules, one schema node after another."""

    def __init__(self, root: Schema, path: str, found: Findings) -> None:
        self.path = path
        self.found = found
        self.declarations = Declarations()
        self.contexts: dict[int, _Context] = {}
        self.costs: list[Cost] = []
        self.total = 0
        # Most definitions have none, and types are made only for rules.
        if _has_rules(root):
            self._prepare(root, _Context(1, bool(root.validations), False, True))

    def _prepare(self, s: Schema, context: _Context) -> None:
        if (
            context.in_scope
            and not context.is_hidden
            and self.declarations.of(s, context.is_resource) is None
        ):
            # CEL cannot see it, and so nothing below either; rules there are refused.
            context = _Context(context.cardinality, True, True, context.is_resource)
        # By identity: a schema's nodes are not hashed by what they say.
        self.contexts[id(s)] = context
        elements = _most_elements(s)
        below = None
        # None stays None: below a list without a bound everything may be there any number of times.
        if context.cardinality is not None and elements is not None:
            below = min(context.cardinality * elements, sizes.MOST)
        for _, child in s.children():
            # A rule sees all that is below it, so types are needed from there on.
            scope = context.in_scope or bool(child.validations)
            self._prepare(
                child,
                _Context(
                    below, scope, context.in_scope and context.is_hidden, child.embedded_resource
                ),
            )

    def judge(self, s: Schema, path: str, place: Place) -> None:
        """Judge the rules of a node.

        Args:
            s: The node.
            path: Where it is.
            place: Where in the schema that is.
        """
        context = self.contexts[id(s)]
        root = None if context.is_hidden else self.declarations.of(s, context.is_resource)
        if root is None:
            self.found.error(
                "CRD222",
                f"{path}.x-kubernetes-validations",
                "CEL cannot see a value without a type",
            )
            return
        times = context.cardinality
        if times is None:
            # As many as fit into the largest request, with a comma after each (MaxCardinality).
            times = declared.REQUEST_LIMIT // (root.min_size + 1)
        for index, rule in enumerate(s.validations):
            charged = self._rule(
                rule, root, f"{path}.x-kubernetes-validations[{index}]", times, place
            )
            if charged is not None:
                self.costs.append(Cost(path, index, *charged, times))

    def _rule(
        self, rule: dict[str, Any], root: Declared, path: str, times: int, place: Place
    ) -> tuple[int, int] | None:
        """Judge a rule; what it and its message cost, if it compiles."""
        optional = bool(rule.get("optionalOldSelf"))
        try:
            compiled = compile_rule(
                rule.get("rule", ""), root, self.declarations, optional, types.BOOL
            )
        # A warning, or an unknown function would stop a release that the server takes.
        except syntax.NotJudgedError as reason:
            self.found.warning("CRD501", f"{path}.rule", f"not judged: {reason}")
            return None
        except RuleError as fault:
            self.found.error("CRD222", f"{path}.rule", str(fault))
            if rule.get("optionalOldSelf") is not None:
                self.found.error(
                    "CRD222",
                    f"{path}.optionalOldSelf",
                    "may not be set if oldSelf is not used in rule",
                )
            return None
        # Of the rule alone: the server charges its message without the factor.
        self._charge(min(compiled.cost * times, sizes.MOST), f"{path}.rule", "estimated rule cost")
        # After the cost, as there: both are told.
        if compiled.uses_old_self and place.uncorrelatable:
            self.found.error(
                "CRD222",
                f"{path}.rule",
                f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelatable}",
            )
        elif not compiled.uses_old_self and rule.get("optionalOldSelf") is not None:
            self.found.error(
                "CRD222", f"{path}.optionalOldSelf", "may not be set if oldSelf is not used in rule"
            )
        return compiled.cost, self._message(rule, root, path, optional)

    def _message(self, rule: dict[str, Any], root: Declared, path: str, optional: bool) -> int:
        text = rule.get("messageExpression", "")
        if not text:
            return 0
        try:
            compiled = compile_rule(text, root, self.declarations, optional, types.STRING)
        except syntax.NotJudgedError as reason:
            self.found.warning("CRD501", f"{path}.messageExpression", f"not judged: {reason}")
            return 0
        except RuleError as fault:
            self.found.error("CRD222", f"{path}.messageExpression", f"messageExpression {fault}")
            return 0
        self._charge(compiled.cost, f"{path}.messageExpression", "estimated messageExpression cost")
        return compiled.cost

    def _charge(self, amount: int, path: str, what: str) -> None:
        if amount > RULE_LIMIT:
            self.found.error("CRD222", path, _over_budget(what, amount, RULE_LIMIT))
        # Also what was over the limit of a rule: the sum is of all.
        self.total = min(self.total + amount, sizes.MOST)

    def finish(self) -> None:
        """Judge what all rules cost together."""
        if self.total > TOTAL_LIMIT:
            self.found.error(
                "CRD222",
                self.path,
                _over_budget(
                    "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
                    self.total,
                    TOTAL_LIMIT,
                ),
            )


def compile_rule(
    text: str,
    root: Declared,
    declarations: Declarations,
    optional_old_self: bool,
    wanted: types.Type,
) -> Compiled:
    """Compile a rule or a message.

    Args:
        text: The expression.
        root: What `self` is.
        declarations: The types of the schema.
        optional_old_self: Whether `oldSelf` is an optional.
        wanted: The type that it must give.

    Returns:
        The compiled expression with its cost.

    Raises:
        RuleError: The API server refuses it.
        NotJudgedError: It is beyond what is judged here.
    """
    old = types.optional(root.type) if optional_old_self else root.type
    try:
        checked = checker.check(
            syntax.parse(text), {"self": root.type, "oldSelf": old}, declarations.fields
        )
    except (syntax.ExpressionSyntaxError, checker.TypeCheckError) as fault:
        raise RuleError(f"compilation failed: {fault}: {shown(text)}") from None
    wrong = next(literals.faults(checked), None)
    if wrong is not None:
        raise RuleError(f"compilation failed: {wrong}: {shown(text)}")
    # A dyn is refused as well: the server wants to know before it runs.
    if checked.type(checked.root) != wanted:
        raise RuleError(
            f"must evaluate to a {wanted}, not a {checked.type(checked.root)}: {shown(text)}"
        )
    # By name anywhere in the tree: a macro's variable cannot be called oldSelf without hiding it,
    # which nobody does.
    uses = any(
        isinstance(e, syntax.Ident) and e.name == "oldSelf" for e in syntax.walk(checked.root)
    )
    return Compiled(checked, cost.estimate(checked, root), uses)


def _has_rules(s: Schema) -> bool:
    return bool(s.validations) or any(_has_rules(child) for _, child in s.children())


def _most_elements(s: Schema) -> int | None:
    """By how much a schema multiplies what is below it; None if there is no bound."""
    # A map multiplies by its entries, an object by nothing.
    if s.type == "object" and s.additional_properties is not None:
        return max(s.max_properties, 0) if s.max_properties is not None else None
    if s.type == "array":
        return max(s.max_items, 0) if s.max_items is not None else None
    return 1


def _over_budget(what: str, amount: int, limit: int) -> str:
    factor = amount / limit
    words = (
        # In the words of the server, which rounds like this.
        "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    )
    return (
        f"{what} exceeds budget by factor of {words} (try simplifying the rule, or adding maxItems, maxProperties, "
        "and maxLength where arrays, maps, and strings are declared)"
    )
