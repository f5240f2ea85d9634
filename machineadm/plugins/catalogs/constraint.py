"""Which versions somebody wants: `1.2.3`, `^1.2`, `~1.2`, `>=1.0 <2.0`, `1.x`, alternatives by `||`, `latest`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Final

import msgspec

from machineadm.errors import UsageError
from machineadm.semver import Semver

LATEST: Final = "latest"
# The grammar of npm and of Masterminds/semver, which scafctl uses.
_TERM: Final = r"(\^|~|>=|<=|!=|>|<|=)? *(v?[0-9][^\s,|]*|[*xX])"
# Nine digits at most: no version has more, and int() of a text without a bound takes its time.
_PARTS: Final = r"v?([0-9]{1,9})(?:\.([0-9]{1,9}|[xX*]))?(?:\.([0-9]{1,9}|[xX*]))?"


class Constraint(msgspec.Struct, frozen=True):
    """A constraint as it was written; any version if nothing was. Pre-releases fit only where one is named."""

    text: str = ""
    ranges: tuple[tuple[tuple[str, Semver], ...], ...] = ((),)
    """Alternatives of conditions that must all hold: an operator and a version each."""

    def __str__(self) -> str:
        return self.text or LATEST

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read one.

        Raises:
            UsageError: MA7240: It is not one.
        """
        if text in ("", LATEST, "*"):
            return cls("" if text == "" else text)
        try:
            ranges = tuple(_conditions(part) for part in text.split("||"))
        except ValueError:
            raise UsageError(
                "MA7240",
                f"{text[:64]!r} does not say which versions",
                hint="such as 1.2.3, ^1.2, ~1.2, '>=1.0 <2.0', latest",
            ) from None
        return cls(text, ranges)

    @classmethod
    def just(cls, version: str) -> Constraint:
        """One version as it is written, semantic or not."""
        # No range at all, but the text itself: a lock may hold `nightly`, which no range contains.
        return cls(version, ())

    @property
    def exact(self) -> str:
        """The one version that it names; empty if it is not one."""
        if not self.ranges:
            return self.text
        try:
            Semver.parse(self.text)
        except ValueError:
            return ""
        return self.text

    def allows(self, version: str) -> bool:
        """Whether a version fits; one that is not semantic fits only if nothing is said."""
        if not self.ranges:
            return version == self.text
        try:
            found = Semver.parse(version)
        except ValueError:
            # `nightly` is neither before nor after anything: only whoever takes all takes it, too.
            return self.text in ("", LATEST, "*")
        return any(self._in(found, one) for one in self.ranges)

    def newest(self, versions: Iterable[str]) -> str:
        """The newest that fits; empty if none does. What is not a semantic version is older than all that are."""
        return max(filter(self.allows, versions), key=order, default="")

    def _in(self, version: Semver, conditions: tuple[tuple[str, Semver], ...]) -> bool:
        pre = _is_prerelease(version)
        # As in npm: whoever asks for ^1.2 has not asked for a beta.
        if pre and not any(_is_prerelease(bound) for _, bound in conditions):
            return False
        return all(_HOLDS[operator](version, bound) for operator, bound in conditions)


def order(version: str) -> tuple[bool, Semver | None, str]:
    """A key by which versions sort."""
    try:
        # The text decides among builds of one version, which have no precedence (semver.org, 10):
        # the same list must give the same answer each time.
        return (True, Semver.parse(version), version)
    except ValueError:
        # The first part decides: None is never compared with a version.
        return (False, None, version)


_HOLDS: Final[dict[str, Callable[[Semver, Semver], bool]]] = {
    "=": lambda version, bound: version == bound,
    "!=": lambda version, bound: version != bound,
    # Of what is given by its first parts, all is meant: `!=1.2` leaves no 1.2.x.
    "!=1": lambda version, bound: version.major != bound.major,
    "!=2": lambda version, bound: (version.major, version.minor) != (bound.major, bound.minor),
    ">": lambda version, bound: version > bound,
    ">=": lambda version, bound: version >= bound,
    "<": lambda version, bound: version < _beginning(bound),
    "<=": lambda version, bound: version <= bound,
}


def _beginning(bound: Semver) -> Semver:
    # By precedence 2.0.0-beta is older than 2.0.0, but whoever asks for `^1.0.0-rc.1` or `<2` wants none
    # of 2: below a release are its own pre-releases, too.
    if _is_prerelease(bound):
        return bound
    return Semver(bound.major, bound.minor, bound.patch, prerelease=())


def _is_prerelease(version: Semver) -> bool:
    return version.prerelease != Semver(0, 0, 0).prerelease


def _conditions(text: str) -> tuple[tuple[str, Semver], ...]:
    """The conditions of one alternative.

    Raises:
        ValueError: It is not one.
    """
    found: list[tuple[str, Semver]] = []
    rest = text.strip()
    # `1 ||` is a slip; read as an empty condition it would allow every version.
    if not rest:
        raise ValueError(text)
    while rest:
        match = re.match(_TERM, rest)
        if match is None:
            raise ValueError(text)
        found += _term(match[1] or "", match[2])
        rest = rest[match.end() :].lstrip(" ,")
    return tuple(found)


def _term(operator: str, text: str) -> list[tuple[str, Semver]]:
    if text in ("*", "x", "X"):
        return []
    parts = re.fullmatch(_PARTS, text)
    if parts is None:
        low, given = Semver.parse(text), 3
    else:
        # Up to the first part that is left open: `1.x.3` is any 1, as npm reads it, and not 1.3.
        given_parts = takewhile(lambda part: part and part.isdecimal(), parts.groups())
        numbers = [int(part) for part in given_parts]
        given = len(numbers)
        low = _version(numbers)
    if operator == "!=" and given < 3:
        return [(f"!={given}", low)]
    if operator in (">=", "<", "!=") or (operator in (">", "<=", "=", "") and given == 3):
        return [(operator or "=", low)]
    if operator == ">":
        return [(">=", _after(low, given))]
    if operator == "<=":
        return [("<", _after(low, given))]
    if operator == "^":
        # The first part that is not zero stays.
        kept = 1 if low.major else 2 if low.minor or given == 2 else given
        return [(">=", low), ("<", _after(low, kept))]
    if operator == "~":
        return [(">=", low), ("<", _after(low, min(given, 2)))]
    return [(">=", low), ("<", _after(low, given))]


def _after(version: Semver, parts: int) -> Semver:
    """The first version whose first parts are higher; its own pre-releases are not in it."""
    numbers = [version.major, version.minor, version.patch][:parts]
    numbers[-1] += 1
    return _version(numbers)


def _version(numbers: list[int]) -> Semver:
    major, minor, patch = [*numbers, 0, 0][:3]
    return Semver(major, minor, patch)
