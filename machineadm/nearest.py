"""Which of several names a mistyped one was to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

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


def same_word(word: str, other: str) -> bool:
    """Whether two words differ only by case, hyphens, underscores or number."""
    return stem(word) == stem(other)


def _limit(word: str, choice: str) -> int:
    """How many slips are believed: one in a short word, three at most."""
    return min(3, max(1, min(len(word), len(choice)) // 3))


def _rank(word: str, choice: str) -> tuple[int, bool, int, int]:
    """Smaller is nearer: slips, then whether letters slipped, then whether the ends agree, then how little the length differs."""
    if same_word(word, choice):
        return (0, False, 0, 0)
    slips = distance(word.lower(), choice.lower(), limit=_limit(word, choice))
    # Counts as one slip, but behind a real one: `hostnam` begins `hostnameFrom`, and is `hostname`.
    shortened = slips > 1 and (_abbreviates(word.lower(), choice.lower()) or _is_part(word, choice))
    if shortened:
        slips = 1
    ends = (word[:1].lower() != choice[:1].lower()) + (word[-1:].lower() != choice[-1:].lower())
    return (slips, shortened, ends, abs(len(word) - len(choice)))


def _abbreviates(word: str, choice: str) -> bool:
    """One is the beginning of the other, and not by chance."""
    short, long = sorted((word, choice), key=len)
    return len(short) >= 3 and len(short) * 4 >= len(long) and long.startswith(short)


def _is_part(word: str, choice: str) -> bool:
    """The word is the last words of a longer one: `Worker` of `JoinWorker`, `controlplane` of `JoinControlPlane`."""
    letters = word.lower().replace("-", "").replace("_", "")
    start = len(choice) - len(letters)
    return (
        len(letters) >= 4
        and start > 0
        and choice[start].isupper()
        and choice.lower().endswith(letters)
    )


def stem(word: str) -> str:
    """A word without case, hyphens, underscores and the ending of a plural."""
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
