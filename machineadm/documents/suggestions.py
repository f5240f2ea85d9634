"""What an operator meant by a word that nobody knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import inspect

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

_LONGEST = 64


def suggest(word: str, choices: Iterable[str], *, taken: Container[str] = ()) -> str:
    """The choice that a mistyped word was to be.

    Args:
        word: As written.
        choices: What could have been meant.
        taken: Choices that are there already, hence less likely.

    Returns:
        The choice, or an empty string if none is near.
    """
    if not word or len(word) > _LONGEST:
        return ""
    ranked = [(*_rank(word, choice), choice in taken, choice) for choice in choices]
    near = [rank for rank in ranked if rank[0] <= _limit(word, rank[-1])]
    return min(near)[-1] if near else ""


class FieldIndex:
    """Where the fields of a type lie, all the way down, for one that stands at a wrong place.

    Args:
        type_: The type of a document.
    """

    def __init__(self, type_: inspect.Type) -> None:
        self._type = type_
        self._places: dict[str, list[str]] | None = None

    def nearest(self, name: str, path: str) -> str:
        """The place of a field of that name that is nearest to a path, as `spec.machine.files[].path`; or nothing."""
        if self._places is None:
            self._places = {}
            for place, field in _fields(self._type, ""):
                self._places.setdefault(_stem(field), []).append(place)
        here = re.sub(r"\[[^\]]*\]", "[]", path)
        places = self._places.get(_stem(name), [])
        return min(places, key=lambda place: _steps(here, place), default="")


def _fields(type_: inspect.Type, path: str) -> Iterator[tuple[str, str]]:
    """The paths and names of all fields in a type."""
    if isinstance(type_, inspect.Metadata):
        yield from _fields(type_.type, path)
    elif isinstance(type_, inspect.UnionType):
        for member in type_.types:
            yield from _fields(member, path)
    elif isinstance(type_, inspect.VarTupleType):
        yield from _fields(type_.item_type, f"{path}[]")
    elif isinstance(type_, inspect.StructType):
        for field in type_.fields:
            place = f"{path}.{field.encode_name}".lstrip(".")
            yield place, field.encode_name
            yield from _fields(field.type, place)


def _steps(here: str, place: str) -> tuple[int, str]:
    """How far it is from one map to the other, up and down."""
    ours, theirs = here.split("."), place.split(".")[:-1]
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    return (len(ours) + len(theirs) - 2 * shared, place)


def same_word(word: str, other: str) -> bool:
    """Whether two words differ only by case, hyphens, underscores or number."""
    return _stem(word) == _stem(other)


def _limit(word: str, choice: str) -> int:
    """How many slips are believed: one in a short word, three at most."""
    return min(3, max(1, min(len(word), len(choice)) // 3))


def _rank(word: str, choice: str) -> tuple[int, int, int]:
    """Smaller is nearer: slips, then whether the ends agree, then how little the length differs."""
    if same_word(word, choice):
        return (0, 0, 0)
    slips = distance(word.lower(), choice.lower(), limit=_limit(word, choice))
    if slips > 1 and _abbreviates(word.lower(), choice.lower()):
        slips = 1
    ends = (word[:1].lower() != choice[:1].lower()) + (word[-1:].lower() != choice[-1:].lower())
    return (slips, ends, abs(len(word) - len(choice)))


def _abbreviates(word: str, choice: str) -> bool:
    """One is the beginning of the other, and not by chance."""
    short, long = sorted((word, choice), key=len)
    return len(short) >= 3 and len(short) * 4 >= len(long) and long.startswith(short)


def _stem(word: str) -> str:
    letters = word.lower().replace("-", "").replace("_", "").replace(" ", "")
    if letters.endswith("ies"):
        return letters[:-3] + "y"
    if letters.endswith(("ches", "shes", "sses", "xes")):
        return letters[:-2]
    return letters.removesuffix("s")


def distance(word: str, other: str, *, limit: int) -> int:
    """Slips between two words: letters left out, put in, replaced, or two neighbours swapped.

    Args:
        word: One word.
        other: Another.
        limit: Where counting may stop.

    Returns:
        The optimal string alignment distance, or any number above `limit` if it is greater than that.
    """
    if abs(len(word) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        line = [row]
        for column, against in enumerate(other, 1):
            slips = min(
                last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != against)
            )
            swapped = row > 1 < column and letter == other[column - 2] and word[row - 2] == against
            line.append(min(slips, before[column - 2] + 1) if swapped else slips)
        if min(line) > limit:
            return limit + 1
        before, last = last, line
    return last[-1]
