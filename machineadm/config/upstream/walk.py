"""Check a document against the table of its fields: report unknown names and values of a wrong type."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.config.paths import child
from machineadm.config.rules.model import finding
from machineadm.config.upstream import at, fields, holds, versions_of, wanted
from machineadm.nearest import suggest

_LONGEST: Final = 128
"""Longer texts are not tried against patterns: nobody's length of time or amount is that long."""

# time.ParseDuration; micro has two code points, U+00B5 and U+03BC, and both are read.
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
}
_LONGEST_TIME: Final = (1 << 63) / 1e9
"""Seconds: Go counts nanoseconds in 63 bits, which is 292 years."""

_DIGITS: Final = "0123456789"
_FEW: Final = 18
"""Digits of a number that fits 63 bits."""
_HIGHEST: Final = 999
"""Of powers of ten, beyond which two quantities need not be told apart."""
# Powers of ten of resource.Quantity; K is not among them, and Ki is.
_POWERS: Final = {
    "": 0,
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY: Final = {f"{letter}i": 10 * power for power, letter in enumerate("KMGTPE", 1)}
# RFC 3339 as metav1.Time reads it, with a zone.
_TIME: Final = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)

_INTEGERS: Final = {
    "int": 63,
    "int64": 63,
    "int32": 31,
    "int16": 15,
    "uint8": -8,
    "uint16": -16,
    "uint32": -32,
    "uint64": -64,
}
"""Bits of a number without its sign; negative where it may not be negative."""


# Without patterns: a machine's first start would have to compile them, which takes longer than all the texts of a document.
def duration_seconds(text: object) -> float | None:
    """Return the signed length of a duration as Go parses it; None if it is not one."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest:
        return None
    total = 0.0
    while rest:
        number, rest = _number_before(rest)
        unit = rest[: len(rest) - len(rest.lstrip("nu\u00b5\u03bcmsh"))]
        if not number or unit not in _UNITS:
            return None
        total += float(number) * _UNITS[unit]
        rest = rest[len(unit) :]
    if total > _LONGEST_TIME:
        return None
    return -total if text.startswith("-") else total


def _number_before(text: str) -> tuple[str, str]:
    """The decimal number that a text begins with, empty if there is none, and the rest."""
    rest = text.lstrip(_DIGITS + ".")
    number = text[: len(text) - len(rest)]
    fits = number.count(".") <= 1 and number not in ("", ".")
    return (number if fits else ""), rest


def billionths(text: str) -> int | None:
    """Return a quantity as Kubernetes counts it, in billionths of its unit; None if it is not one.

    What is smaller than a billionth is rounded away from zero.
    """
    # A bound: nobody's amount is that long, and a million digits take minutes.
    if len(text) > _LONGEST:
        return None
    number, suffix = _number_before(text[1:] if text[:1] in ("+", "-") else text)
    if not number:
        return None
    whole, _, decimals = number.partition(".")
    count, shift, down = int(whole + decimals), 9, len(decimals)
    if suffix in _BINARY:
        count <<= _BINARY[suffix]
    elif suffix in _POWERS:
        shift += _POWERS[suffix]
    else:
        exponent = suffix[1:]
        digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
        if suffix[:1] not in ("e", "E") or digits.strip(_DIGITS) or not 0 < len(digits) <= _FEW:
            return None
        # Kubernetes cuts what is beyond its range, too; powers of a million digits take minutes.
        shift += max(-_HIGHEST, min(_HIGHEST, int(exponent)))
    shift -= down
    found: int = count * 10**shift if shift >= 0 else -(-count // 10**-shift)
    return -found if text.startswith("-") else found


def _matches(pattern: str, text: str) -> bool:
    return len(text) <= _LONGEST and re.fullmatch(pattern, text) is not None


def _is_whole(value: object) -> bool:
    # True is an int in Python and no number in JSON.
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        # Kubernetes reads YAML by way of JSON, in which 5.0 and 5 are the same number.
        isinstance(value, float) and value.is_integer()
    )


def _wrong_text(value: object) -> str:
    return "" if isinstance(value, str) else f"expects a string, got {_what(value)}"


def _wrong_bool(value: object) -> str:
    return "" if isinstance(value, bool) else f"expects true or false, got {_what(value)}"


def _wrong_number(value: object) -> str:
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "" if fits else f"expects a number, got {_what(value)}"


def _wrong_duration(value: object) -> str:
    if not isinstance(value, str):
        return f"expects a string such as 30s, got {_what(value)}"
    fits = duration_seconds(value) is not None
    return "" if fits else "is not a length of time such as 30s or 1h30m"


def _wrong_log_interval(value: object) -> str:
    return "" if _is_whole(value) else _wrong_duration(value)


def _wrong_quantity(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return ""
    if not isinstance(value, str):
        return f"expects an amount such as 100Mi, got {_what(value)}"
    return "" if billionths(value) is not None else "is not an amount such as 100Mi or 500m"


def _wrong_time(value: object) -> str:
    if not isinstance(value, str):
        return f"expects a string, got {_what(value)}"
    return "" if _matches(_TIME, value) else "is not a time such as 2026-01-31T12:00:00Z"


def _wrong_bytes(value: object) -> str:
    import binascii

    if not isinstance(value, str):
        return f"expects a string in base64, got {_what(value)}"
    # Not strict about blanks: Go ignores line breaks in base64, and YAML blocks have them.
    try:
        binascii.a2b_base64(value)
    except ValueError:
        return "is not base64"
    return ""


def _wrong_int_or_string(value: object) -> str:
    return (
        ""
        if isinstance(value, str) or _is_whole(value)
        else f"expects an integer or a string, got {_what(value)}"
    )


_SCALARS: Final[dict[str, Callable[[object], str]]] = {
    "string": _wrong_text,
    "bool": _wrong_bool,
    "float32": _wrong_number,
    "float64": _wrong_number,
    "duration": _wrong_duration,
    "durationornumber": _wrong_log_interval,
    "quantity": _wrong_quantity,
    "time": _wrong_time,
    "bytes": _wrong_bytes,
    "intorstring": _wrong_int_or_string,
}


def _wrong_integer(value: object, bits: int) -> str:
    if not isinstance(value, (int, float)) or not _is_whole(value):
        return f"expects an integer, got {_what(value)}"
    if bits < 0 and value < 0:
        return "must not be negative"
    return "" if -(1 << abs(bits)) <= value < 1 << abs(bits) else "is too large a number"


def _what(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a map" if isinstance(value, dict) else "a list"


def _shown(name: str) -> str:
    """Show a name up to the first character that no field name has: the rest may be a secret."""
    known = re.match(r"[A-Za-z0-9_./-]{1,63}", name)
    if known and known[0] == name:
        return name
    return (known[0] if known else "") + "…"


class Walk:
    """One walk over one document.

    Args:
        minor: The minor version of Kubernetes 1 that will read it.
    """

    def __init__(self, minor: int) -> None:
        self._minor = minor
        self.meant: set[str] = set()
        """Paths of fields that are there under a mistyped name."""

    def problems(self, value: Any, kind: str, path: str) -> Iterator[Finding]:
        """Yield what is wrong with a value, by the table.

        Args:
            value: As it was read; null fields are left out already.
            kind: Name of a scalar or type; after `[]` that of a list's items, after `{}` that of a map's values.
            path: Where it is.
        """
        if value is PRUNED or kind == "any":
            return
        # The kinds are Go's own notation, so that the table can be compared with the sources by
        # eye.
        if kind.startswith("[]"):
            yield from self._list(value, kind[2:], path)
        elif kind.startswith("{}"):
            yield from self._map(value, kind[2:], path)
        # Asked for by name at each level: types refer to each other, some in circles.
        elif kind in fields()["types"]:
            yield from self._struct(value, fields()["types"][kind], path)
        elif kind in fields()["enums"]:
            yield from self._enum(value, fields()["enums"][kind], path)
        else:
            bits = _INTEGERS.get(kind)
            wrong = _wrong_integer(value, bits) if bits is not None else _SCALARS[kind](value)
            if wrong:
                yield finding("MA1324", path, wrong)

    def _list(self, value: Any, kind: str, path: str) -> Iterator[Finding]:
        if not isinstance(value, (list, tuple)):
            yield finding("MA1324", path, f"expects a list, got {_what(value)}")
            return
        for index, item in enumerate(value):
            yield from self.problems(item, kind, f"{path}[{index}]")

    def _map(self, value: Any, kind: str, path: str) -> Iterator[Finding]:
        if not isinstance(value, dict):
            yield finding("MA1324", path, f"expects a map, got {_what(value)}")
            return
        for name, item in value.items():
            if name is not PRUNED:
                yield from self.problems(item, kind, child(path, name))

    def _struct(self, value: Any, type_: Mapping[str, Any], path: str) -> Iterator[Finding]:
        if not isinstance(value, dict):
            yield finding("MA1324", path, f"expects a map, got {_what(value)}")
            return
        for name, item in value.items():
            if name is PRUNED:
                continue
            # By version: a field of a later release is unknown to this reader, and its name is
            # right.
            kind = at(type_[name], self._minor) if name in type_ else None
            if kind is not None:
                yield from self.problems(item, kind, child(path, name))
            elif name in type_:
                yield finding(
                    "MA1310",
                    child(path, name),
                    f"needs Kubernetes {versions_of(type_[name])}, this machine asks for 1.{self._minor}",
                )
            else:
                yield from self._unknown(name, item, value, type_, path)

    def _unknown(
        self, name: str, item: Any, value: Any, type_: Mapping[str, Any], path: str
    ) -> Iterator[Finding]:
        known = [each for each, kind in type_.items() if at(kind, self._minor) is not None]
        below = child(path, _shown(name))
        # A field that is there already is a less likely meaning.
        if meant := suggest(name, known, taken=value):
            yield finding("MA1324", below, f'unknown field; did you mean "{meant}"?')
            self.meant.add(child(path, meant))
            # The value of a mistyped field is judged as well, unless the right one is there: then
            # which one counts is not known.
            if meant not in value:
                yield from self.problems(item, at(type_[meant], self._minor), below)
        else:
            yield finding("MA1324", below, "unknown field", f"there are {', '.join(known)}")

    def _enum(self, value: Any, values: Mapping[str, Any], path: str) -> Iterator[Finding]:
        if not isinstance(value, str):
            yield finding("MA1324", path, f"expects a string, got {_what(value)}")
            return
        if not value or (value in values and holds(values[value], self._minor)):
            return  # Go cannot tell an empty string from a missing one
        if value in values:
            yield finding(
                "MA1310",
                path,
                f"needs Kubernetes {wanted(values[value])}, this machine asks for 1.{self._minor}",
            )
            return
        known = [each for each, ranges in values.items() if each and holds(ranges, self._minor)]
        meant = suggest(value, known)
        yield finding(
            "MA1324",
            path,
            f"is not one of its values{f'; did you mean {chr(34)}{meant}{chr(34)}?' if meant else ''}",
            f"it is one of {', '.join(known)}",
        )
