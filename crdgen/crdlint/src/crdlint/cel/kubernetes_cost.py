"""Costs of calls of Kubernetes' own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crdlint.cel.sizes import (
    MOST,
    REGEX,
    TRAVERSAL,
    Node,
    Path,
    Range,
    plus,
    ratio,
    scaled,
    times,
)
from crdlint.cel.syntax import Literal
from crdlint.cel.types import Type

SizeOf = Callable[[Node], Range]

_SETS: Final = {
    "list_sets_contains_list": 1.0,
    "list_sets_intersects_list": 1.0,
    "list_sets_equivalent_list": 2.0,
}
_OF_LISTS: Final = frozenset({"isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"})
_OF_TARGET: Final = frozenset({"lowerAscii", "upperAscii", "substring", "trim"})
_PARSERS: Final = frozenset(
    {"cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver"}
)
# Functions that read a field of an object that is there already.
_NOMINAL: Final = frozenset(
    {
        "serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason", "error",
        "errored", "masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast",
        "isLinkLocalUnicast", "isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat",
        "isGreaterThan", "isLessThan", "compareTo", "add", "sub", "major", "minor", "patch", "getScheme", "getHostname",
        "getHost", "getPort", "getEscapedPath", "getQuery",
    }
)  # fmt: skip
_SIMPLE_EQUALITY: Final = frozenset(
    {"net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"}
)


def estimate(
    function: str, overload: str, target: Node | None, args: list[Node], size_of: SizeOf
) -> tuple[Range, Range | None] | None:
    """What a call costs, and the size of what it gives.

    Args:
        function: The name of the function.
        overload: The way it is called.
        target: What it is a member of.
        args: Its arguments.
        size_of: Tells the size of a target or an argument.

    Returns:
        None where Kubernetes has no estimate of its own.
    """
    # Each item of one is compared with each of the other; equivalence does it in both directions.
    if overload in _SETS and len(args) == 2:
        product = times(size_of(args[0]), size_of(args[1]))
        return plus(scaled(product, _SETS[overload]), (1, 1)), None
    if function == "check":
        # An authorizer check asks the API server itself: Kubernetes prices it so that a rule can
        # afford only a few.
        return (350_000, 350_000), None
    if function in _NOMINAL:
        return (1, 1), None
    # Also indexOf of a string, which the server prices alike.
    if function in _OF_LISTS and target is not None:
        return _over_list(target, size_of), None
    if function in _OF_TARGET and target is not None:
        size = size_of(target)
        return scaled(size, TRAVERSAL), size
    if function == "replace" and target is not None and len(args) >= 2:
        size = size_of(target)
        # Read once to find and once to build.
        return scaled(size, 2 * TRAVERSAL), replaced(size, size_of(args[0]), size_of(args[1]))
    if function == "split" and target is not None:
        size = size_of(target)
        # A list of at most as many parts as there are characters.
        return scaled(size, 2 * TRAVERSAL), (0, _parts(size[1], args))
    if function == "join" and target is not None:
        size = _joined(target, args, size_of)
        return scaled(size, TRAVERSAL), size
    if function in ("find", "findAll") and target is not None and args:
        size = size_of(target)
        text = scaled(plus(size, (1, 1)), TRAVERSAL)
        return times(text, scaled(size_of(args[0]), REGEX)), (0, size[1])
    # Only of Kubernetes' own types; others are cel-go's.
    if function == "_==_" and len(args) == 2 and args[0].type == args[1].type:
        return _equality(args[0].type, args[1])
    return (
        _of_argument(function, overload, args, size_of) if args or overload == "cidr_ip" else None
    )


def _of_argument(
    function: str, overload: str, args: list[Node], size_of: SizeOf
) -> tuple[Range, Range | None] | None:
    if overload == "cidr_ip":
        return (1, 1), None
    size = size_of(args[0])
    if function in ("fieldSelector", "labelSelector") and len(args) == 1:
        return scaled(scaled(size, 2 * TRAVERSAL), 1), None
    if function in ("url", "jsonpatch.escapeKey") and len(args) == 1:
        return scaled(size, TRAVERSAL), size
    if function in _PARSERS:
        return scaled(size, TRAVERSAL), None
    if function == "ip.isCanonical":
        return scaled(size, 2 * TRAVERSAL), None
    if function in ("containsIP", "containsCIDR"):
        # Bytes of addresses as the estimator of CIDRs has them, for IPv4 and IPv6.
        cost = scaled((8, 32), TRAVERSAL)
        if function == "containsCIDR":
            cost = plus(plus(cost, scaled((4, 16), TRAVERSAL)), (1, 1))
        # A text has to be parsed first.
        if overload in ("cidr_contains_ip_string", "cidr_contains_cidr_string"):
            cost = plus(cost, scaled(size, TRAVERSAL))
        return cost, None
    if function == "validate":
        return scaled(scaled(size, TRAVERSAL), 128 * REGEX), None
    return None


def _over_list(target: Node, size_of: SizeOf) -> Range:
    item = _item(target)
    if item is None:
        return scaled(size_of(target), TRAVERSAL)
    cost: Range = (1, 1)
    if item.type.kind in ("string", "bytes"):
        cost = plus(cost, scaled(size_of(item), TRAVERSAL))
    return times(size_of(target), cost)


def _joined(target: Node, args: list[Node], size_of: SizeOf) -> Range:
    items = size_of(target)
    item = _item(target)
    size = times(items, size_of(item)) if item is not None else (0, 0)
    if args:
        between = (max(items[0] - 1, 0), max(items[1] - 1, 0))
        size = plus(size, times(size_of(args[0]), between))
    return size


def _item(node: Node) -> Node | None:
    """What is in a list."""
    if not node.type.params:
        return None
    path = (
        Path([*node.path.names(), "@items"], node.path.length + 1)
        if node.path is not None
        else None
    )
    return Node(node.type.params[0], path, None, None)


def _equality(t: Type, right: Node) -> tuple[Range, Range | None] | None:
    if t.kind not in ("opaque", "struct"):
        return None
    if t.name in _SIMPLE_EQUALITY or t.name.startswith("kubernetes.authorization."):
        return (1, 1), None
    if t.name == "kubernetes.NamedFormat":
        return scaled((1, 64), TRAVERSAL), None
    if t.name == "kubernetes.URL":
        most = right.size[1] if right.size is not None else 1
        return scaled((1, most), TRAVERSAL), None
    return None


def _parts(most: int, args: list[Node]) -> int:
    limit = args[1].expr if len(args) > 1 else None
    if isinstance(limit, Literal) and limit.kind == "int":
        # Go converts a negative limit, which means "no limit", to a very large uint64.
        return int(limit.value) % 2**64
    return most


def replaced(size: Range, old: Range, new: Range) -> Range:
    """The size of a text in which one part is replaced by another."""
    most_count, most_kept = 0, 0
    # An empty old text is found between all characters (strings.Replace).
    if old[0] == 0:
        most_count, most_kept = min(size[1] + 1, MOST), size[1]
    elif new[1] <= old[0]:
        most_kept = size[1]
    else:
        most_count = ratio(size[1], old[0])
    least_count, least_kept = 0, 0
    if old[1] == 0:
        least_count, least_kept = min(size[0] + 1, MOST), size[0]
    elif old[1] <= new[0]:
        least_kept = size[0]
    else:
        least_count = ratio(size[0], old[1])
    return plus(times((least_count, most_count), new), (least_kept, most_kept))
