"""Ranges of sizes and costs, and what is known of a node's size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from crdlint.cel.syntax import Expr
from crdlint.cel.types import Type

# math.MaxUint64: cel-go's sums and products stop there and do not wrap.
MOST: Final = 2**64 - 1
Range = tuple[int, int]
# What makes a rule over something without a bound too expensive at once.
UNKNOWN: Final[Range] = (0, MOST)
TRAVERSAL: Final = 0.1  # of a string, a character
REGEX: Final = 0.25  # a character of a pattern


def plus(a: Range, b: Range) -> Range:
    """The sum, at most the most there is."""
    return min(a[0] + b[0], MOST), min(a[1] + b[1], MOST)


def times(a: Range, b: Range) -> Range:
    """The product, at most the most there is."""
    return min(a[0] * b[0], MOST), min(a[1] * b[1], MOST)


def scaled(a: Range, factor: float) -> Range:
    """A range times a factor, rounded up."""
    return _scaled(a[0], factor), _scaled(a[1], factor)


def union(a: Range, b: Range) -> Range:
    """The range around two."""
    return min(a[0], b[0]), max(a[1], b[1])


def _scaled(value: int, factor: float) -> int:
    # Through a float64, as in Go: large sizes lose their last digits, and messages show it.
    real = float(value)
    if real > 0 and factor > 0 and real > float(MOST) / factor:
        return MOST
    rounded = math.ceil(real * factor)
    return MOST if rounded >= 2**64 else rounded


def ratio(a: int, b: int) -> int:
    """The ratio rounded up, through Go's floats on amd64."""
    rounded = math.ceil(float(a) / float(b))
    # What amd64 makes of a float64 that a uint64 cannot hold.
    return rounded if rounded < 2**64 else 2**63


class Path:
    """A path in a schema, as Go holds it: a view of an array that others may share.

    cel-go appends to paths that it has handed out before, and so writes into what others see; the costs that come of it
    are the costs.
    """

    __slots__ = ("array", "length")

    def __init__(self, array: list[str], length: int) -> None:
        self.array = array
        self.length = length

    def names(self) -> list[str]:
        """What the path says now."""
        return self.array[: self.length]


def extended(path: Path | None, name: str) -> Path:
    """Go's append: in place where the array has room."""
    if path is None:
        return Path([name], 1)
    if path.length < len(path.array):
        path.array[path.length] = name
        return Path(path.array, path.length + 1)
    array = [*path.names(), name]
    # Go doubles the capacity of small slices; the room decides who shares with whom.
    return Path(array + [""] * (2 * path.length - len(array)), path.length + 1)


@dataclass(frozen=True, slots=True)
class Node:
    """A target or an argument, as far as its cost depends on it."""

    type: Type
    path: Path | None
    size: Range | None
    expr: Expr | None
