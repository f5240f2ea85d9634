"""Bounds that mean something else to the API server: for an integer it makes an int64 of each, fraction cut off.

What does not fit an int64 becomes the least of all, as amd64 converts (arm64 takes the nearest). So `maximum:
9223372036854775807`, which is 2^63 as a float64, lets no integer pass but that one; `minimum: 0.5` lets 0 pass.
"""

from __future__ import annotations

import math
from typing import Final

from crdlint.model import Findings
from crdlint.schema import Schema

_LEAST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1


def check_bounds(s: Schema, path: str, found: Findings, around: str = "") -> None:
    """Warn of bounds by which other integers pass than the schema says; also below junctors.

    Args:
        s: The schema.
        path: Where it is.
        found: Where warnings go.
        around: For a schema below a junctor, the type outside it.
    """
    # Below a junctor a type is not allowed, and that of the schema around holds.
    type_ = s.type or around
    if type_ in ("", "integer", "number"):
        _bounds(s, path, found)
    for added, child in s.children():
        check_bounds(child, path + added, found)
    for added, child in s.junctors():
        check_bounds(child, path + added, found, type_)


def _bounds(s: Schema, path: str, found: Findings) -> None:
    if s.maximum is not None:
        said = math.ceil(s.maximum) - 1 if s.exclusive_maximum else math.floor(s.maximum)
        read = _read(s.maximum) - s.exclusive_maximum
        # Beyond int64 there is no integer, so a larger bound says the same as the largest.
        if min(said, _LARGEST) != read:
            found.warning("CRD502", f"{path}.maximum", _message(s.maximum, _most(read)))
    if s.minimum is not None:
        said = math.floor(s.minimum) + 1 if s.exclusive_minimum else math.ceil(s.minimum)
        read = _read(s.minimum) + s.exclusive_minimum
        if max(said, _LEAST) != read:
            found.warning("CRD502", f"{path}.minimum", _message(s.minimum, _fewest(read)))
    # Only if the conversion changes it: whole factors stay what they are.
    if s.multiple_of is not None and (read := _read(s.multiple_of)) != s.multiple_of:
        passes = f"multiples of {read} pass" if read > 0 else "none passes"
        found.warning("CRD502", f"{path}.multipleOf", _message(s.multiple_of, passes))


def _read(bound: float) -> int:
    """What a conversion to int64 makes of a float64 on amd64."""
    whole = int(bound)
    return whole if _LEAST <= whole <= _LARGEST else _LEAST


def _message(bound: float, passes: str) -> str:
    return f"the API server makes an int64 of {bound:.17g} for integers: {passes}"


def _most(read: int) -> str:
    if read < _LEAST:
        return "none passes"
    return f"none but {read} passes" if read == _LEAST else f"{read} and less pass"


def _fewest(read: int) -> str:
    return "all pass" if read <= _LEAST else f"{read} and more pass"
