"""Tables of Kubernetes' versions, generated from its own Go modules by `make upstream`.

`fields.json`: the types of the documents that a configuration passes on. `names.json`: flags, feature gates, admission
plugins, kubeadm's phases and patch targets. An entry that differs between minor versions lists the ranges in which it is valid:
`[first, last]` pairs, with None as the last if it still exists. A table is loaded when it is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec

Ranges = list[int | None] | None

EVERYWHERE: Final[Ranges] = None


def holds(ranges: Ranges, minor: int) -> bool:
    """Whether something exists in a minor version."""
    if ranges is None:
        return True
    # Several ranges: a flag may have gone and come back.
    return any(_within(first, last, minor) for first, last in _pairs(ranges))


def wanted(ranges: Ranges) -> str:
    """The versions that have something, in words: `1.31 or later`, `1.30 to 1.33`."""
    words = []
    for first, last in _pairs(ranges or []):
        if last is None:
            words.append(f"1.{first} or later")
        else:
            words.append(f"1.{first}" if first == last else f"1.{first} to 1.{last}")
    return " or ".join(words)


def _pairs(ranges: list[int | None]) -> Iterator[tuple[int | None, int | None]]:
    return zip(ranges[::2], ranges[1::2], strict=True)


def _within(first: int | None, last: int | None, minor: int) -> bool:
    return (first or 0) <= minor and (last is None or minor <= last)


def at(entry: Any, minor: int) -> Any:
    """Return an entry's value in a minor version; None if it does not exist there.

    Args:
        entry: A word, or pairs of a word and the versions in which it holds.
        minor: 34 for Kubernetes 1.34.
    """
    # A word alone holds in all versions that the table has; that keeps the file small.
    if isinstance(entry, str):
        return entry
    for word, ranges in entry:
        if holds(ranges, minor):
            return word
    return None


def versions_of(entry: Any) -> str:
    """Describe the versions that have an entry; empty if all have it."""
    if isinstance(entry, str):
        return ""
    ranges: list[int | None] = []
    for pair in sorted((pair for _word, each in entry for pair in _pairs(each)), key=_first):
        # Ranges that touch become one: a field whose type changed was there all the time.
        if ranges and ranges[-1] == (pair[0] or 0) - 1:
            ranges[-1] = pair[1]
        else:
            ranges += pair
    return wanted(ranges)


def _first(pair: tuple[int | None, int | None]) -> int:
    return pair[0] or 0


@cache
def fields() -> Any:
    """`kinds`: by kind and apiVersion the type. `types`: fields and their kinds. `enums`: values."""
    return _load("fields.json")


@cache
def names() -> Any:
    """`flags` and `gates` by program, `plugins`, `phases` by role, `patches`."""
    return _load("names.json")


def _load(name: str) -> Any:
    # By the loader and not by a path: in the agent's one file there is no directory to read from. pkgutil asks it, too,
    # after it has imported more modules than all the tables take to read.
    path = __file__.rpartition("/")[0]
    return msgspec.json.decode(__loader__.get_data(f"{path}/{name}"))  # type: ignore[name-defined]
