"""How the strings with a format are read. The pattern of a field has been checked before."""

import re
from typing import NamedTuple

_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)"
_BLANKS = b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
_LONGEST = 9223372036.0  # Go counts nanoseconds in 63 bits: 292 years


def seconds(duration: str) -> float:
    """The length of a duration as Go writes it: `1h30m` is 5400.0.

    Raises:
        ValueError: It is not such a duration, or longer than Go can count.
    """
    total, at = 0.0, 0
    part = re.compile(_PART)
    # One after the other: a search would start over at each digit of a long number.
    while found := part.match(duration, at):
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    if not at or at < len(duration):
        raise ValueError("not a duration such as 90s or 1h30m")
    if total > _LONGEST:
        raise ValueError("longer than 292 years")
    return total


def without_blanks(base64: str) -> bytes:
    """Base64 text as bytes, without its line breaks.

    Raises:
        UnicodeEncodeError: It is not ASCII.
    """
    # Not by split(): a text of single letters between blanks would cost thirty times its size.
    return base64.encode("ascii").translate(None, _BLANKS)


def pem(text: str) -> str:
    """PEM as Python's ssl takes it: bundles of authorities name them in comments, also beyond ASCII, and ssl refuses such a text whole.

    Args:
        text: As somebody wrote it.
    """
    return text.encode("ascii", "ignore").decode()


def instant(timestamp: str) -> float:
    """Seconds since 1970 of a time as RFC 3339 writes it; fractions of a second are dropped.

    Raises:
        ValueError: There is no such date: February 30.
    """
    from datetime import datetime

    # Python 3.10 reads neither the Z nor any number of decimals.
    text = re.sub(r"\.[0-9]+", "", timestamp.upper()).replace("Z", "+00:00")
    return datetime.fromisoformat(text).timestamp()


class Address(NamedTuple):
    """Where a URL leads."""

    scheme: str
    """In lower case."""

    user: str
    """User and password as written; empty without any."""

    host: str
    """In lower case, an address of IPv6 in its brackets."""

    port: int | None
    """As a number; None where none is written."""


_ADDRESS = (
    r"([a-z][a-z0-9+.-]*)://(?:([A-Za-z0-9._~!$&'()*+,=:%-]*)@)?"
    r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/[^\s\\]*|[?#][^\s\\@]*)?"
)
# Escapes that are none, and those of what ends a user or a host for one program and not for another: GNU wget takes
# `a` for the host of https://a%2f@b/, curl takes b.
_TWO_FACED = r"%(?![0-9A-Fa-f]{2})|%(?:[01].|7[Ff]|2[3Ff]|3[Ff]|5[Cc])"


def address(url: str) -> Address:
    """Where a URL leads, if all programs agree on it.

    Raises:
        ValueError: They do not, or it names no host: it has blanks, backslashes or anything else but letters, digits,
            hyphens and dots in its host, a zone, an empty port, an escaped slash in its user.
    """
    scheme, separator, rest = url.partition("://")
    found = re.fullmatch(_ADDRESS, scheme.lower() + separator + rest)
    if not found or int(found[4] or 0) > 65535 or re.search(_TWO_FACED, found[2] or ""):
        raise ValueError("not a URL with a host that all programs read the same way")
    return Address(
        scheme=found[1],
        user=found[2] or "",
        host=found[3].lower(),
        port=int(found[4]) if found[4] else None,
    )


_MULTIPLES = {
    "m": "1/1000",
    "k": "1e3",
    "M": "1e6",
    "G": "1e9",
    "T": "1e12",
    "P": "1e15",
    "E": "1e18",
}


def amount(quantity: str, units: int = 1) -> int:
    """A quantity of Kubernetes as a whole number, rounded up as the API server does: `16Ki` is 16384.

    Args:
        quantity: As written.
        units: How many of what is counted make one of the quantity's: 1000 counts `1500m` in thousandths.

    Raises:
        ValueError: It is not a quantity.
    """
    from fractions import Fraction

    found = re.fullmatch(r"([0-9.]+)(?:([KMGTPE])i|([mkMGTPE])|([eE][+-]?[0-9]{1,2}))?", quantity)
    if not found:
        raise ValueError("not a quantity such as 16Ki")
    number, binary, decimal, exponent = found.groups()
    factor = Fraction(f"1{exponent}") if exponent else Fraction(_MULTIPLES.get(decimal, "1"))
    if binary:
        factor = Fraction(1024 ** ("KMGTPE".index(binary) + 1))
    return -int(-Fraction(number) * factor * units // 1)
