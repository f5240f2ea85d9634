"""The formats of strings that the API server checks, as kube-openapi's strfmt does."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Callable
from typing import Final

from crdlint import patterns

# Patterns of go-openapi/strfmt as kube-openapi took them over; hyphens are optional there.
_UUID: Final = "^[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{}[0-9a-f]{{3}}-?{}[0-9a-f]{{3}}-?[0-9a-f]{{12}}$"
# govalidator's, with its ranges of issuers; newer ones are refused by the server, too.
_CARD: Final = (
    r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
)
_HOST: Final = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
)
# Both signs for micro: U+00B5 and U+03BC, as time.ParseDuration has them.
_GO_DURATION: Final = re.compile(
    r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)"
)
# strfmt.ParseDuration falls back to this form, which finds numbers with units anywhere in a text.
_SCALA: Final = re.compile(r"(([0-9]+)[\t\n\f\r ]*([A-Za-z\u00b5]+))")
_UNITS: Final[dict[str, int]] = {
    "ns": 1, "nano": 1, "us": 10**3, "\u00b5s": 10**3, "micro": 10**3, "ms": 10**6, "milli": 10**6,
    "s": 10**9, "sec": 10**9, "m": 60 * 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "hr": 3600 * 10**9,
    "hour": 3600 * 10**9, "d": 86400 * 10**9, "day": 86400 * 10**9, "w": 7 * 86400 * 10**9, "wk": 7 * 86400 * 10**9,
    "week": 7 * 86400 * 10**9,
}  # fmt: skip
# By prefix: "minutes" is a minute, as strfmt matches.
_STEMS: Final = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_GO_UNITS: Final[dict[str, int]] = {
    "ns": 1, "us": 10**3, "\u00b5s": 10**3, "\u03bcs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")


def _matches(pattern: str, fold: bool = False) -> Callable[[str], bool]:
    return lambda text: (
        patterns.compiled(("(?i)" if fold else "") + pattern).search(text) is not None
    )


def duration(text: str) -> int | None:
    """Nanoseconds of a duration, in Go's way of writing or in Scala's.

    Args:
        text: Such as `1h30m` or `22 ns`.

    Returns:
        The nanoseconds, or None if it is not a duration.
    """
    if _GO_DURATION.fullmatch(text):
        parts = re.findall(r"([0-9.]+)([a-z\u00b5\u03bc]+)", text)
        total = sum(float(n) * _GO_UNITS[unit] for n, unit in parts)
        if total < 2**63:
            return round(-total if text[0] == "-" else total)
    if any(int(n) >= 2**63 for _, n, _ in _SCALA.findall(text)):
        return None
    found = [int(n) * unit for _, n, word in _SCALA.findall(text) if (unit := _unit(word.lower()))]
    return sum(found) if found else None


def is_go_duration(text: str) -> bool:
    """Whether Go's time.ParseDuration reads a text."""
    return _GO_DURATION.fullmatch(text) is not None and duration(text) is not None


def _unit(word: str) -> int | None:
    if word in _UNITS:
        return _UNITS[word]
    return next((_UNITS[stem] for stem in _STEMS if word.startswith(stem)), None)


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        # Go has a year 0, a leap year.
        datetime.date.fromisoformat("2000" + text[4:] if text.startswith("0000") else text)
    except ValueError:
        return False
    return True


def _is_datetime(text: str) -> bool:
    parts = text.lower().split("t")
    # strfmt.IsDateTime splits at the t before it looks at anything.
    if len(text) < 4 or len(parts) < 2 or not _is_date(parts[0]):
        return False
    match = _TIME.fullmatch(parts[1])
    # As texts, which two digits allow. A leap second is refused, as by strfmt.
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(_without_zeros(text)).version == version and "%" not in text
    except ValueError:
        return False


def _is_ipv4(text: str) -> bool:
    # govalidator.IsIPv4 asks for a dot and for an IP of any kind, so ::ffff:1.2.3.4 passes.
    return "." in text and (_is_ip(text, 4) or _is_ip(text, 6))


def _is_cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    if not slash or not re.fullmatch(r"[0-9]+", bits):
        return False
    return (_is_ip(address, 4) and int(bits) <= 32) or (_is_ip(address, 6) and int(bits) <= 128)


def _without_zeros(text: str) -> str:
    # The API server takes leading zeros, as Go before 1.17 did.
    return re.sub(r"(^|[.:])0+(?=[0-9]+(\.|$))", r"\1", text) if "." in text else text


def _is_isbn(text: str, length: int) -> bool:
    # govalidator drops blanks and hyphens before it looks.
    digits = re.sub(r"[\s-]+", "", text)
    if length == 10:
        if not re.fullmatch(r"[0-9]{9}[0-9X]", digits):
            return False
        return sum((i + 1) * (10 if c == "X" else int(c)) for i, c in enumerate(digits)) % 11 == 0
    if not re.fullmatch(r"[0-9]{13}", digits):
        return False
    return sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not re.fullmatch(_CARD[1:-1], digits):
        return False
    doubled = [int(c) * (1 + i % 2) for i, c in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _is_uri(text: str) -> bool:
    """As Go's url.ParseRequestURI reads it."""
    if not text or re.search(r"[\x00-\x1f\x7f]", text):
        return False
    if text == "*":
        return True
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", text)
    rest = (text[scheme.end() :] if scheme else text).partition("?")[0]
    # With a scheme an opaque part is enough: mailto:x is a URI to Go.
    if not rest.startswith("/"):
        return scheme is not None
    if scheme and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        return _is_authority(authority) and _is_escaped(slash + path)
    return _is_escaped(rest)


def _is_escaped(text: str) -> bool:
    return re.search(r"%(?![0-9a-fA-F]{2})", text) is None


def _is_authority(text: str) -> bool:
    # The last one: Go's parseAuthority splits there.
    user, at, host = text.rpartition("@")
    if at and not (re.fullmatch(r"[A-Za-z0-9\-._~!$&'()*+,;=%:@]*", user) and _is_escaped(user)):
        return False
    if host.startswith("["):
        address = re.fullmatch(r"\[([0-9A-Fa-f:.]+)(%25[^\]]+)?\](:[0-9]*)?", host)
        return address is not None and _is_ip(address[1], 6)
    return (
        re.fullmatch(
            r"(?:[A-Za-z0-9\-._~!$&'()*+,;=<>\"\u0080-\U0010ffff]|%[89a-fA-F][0-9a-fA-F])*(:[0-9]*)?",
            host,
        )
        is not None
    )


def _is_byte(text: str) -> bool:
    quads = r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
    return re.fullmatch(quads, text) is not None


def _is_hostname(text: str) -> bool:
    return (
        # By RE2, for \p{L} and \p{S}, which Python's re does not have.
        _matches(_HOST)(text)
        and len(text.encode()) <= 255
        and all(len(p.encode()) <= 63 for p in text.split("."))
    )


def _is_email(text: str) -> bool:
    inner = re.fullmatch(r"(?:[^<>@]*<)?([^<>\s]+)(?:>)?\s*", text.strip())
    if re.fullmatch(r'"(\\.|[^"\\\r\n])*"@[A-Za-z0-9.-]+', text):
        return True
    address = inner[1] if inner and ("<" in text) == (">" in text) else text
    return (
        re.fullmatch(
            r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
            r"@(\[[^\]]+\]|[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*)",
            address,
        )
        is not None
    )


_BYTE: Final = r"([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "bsonobjectid": lambda t: re.fullmatch(r"[0-9a-fA-F]{24}", t) is not None,
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_ipv4,
    "ipv6": lambda t: ":" in t and _is_ip(t, 6),
    "cidr": _is_cidr,
    "mac": lambda t: (
        re.fullmatch(
            r"([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}((:[0-9a-fA-F]{2}){2}((:[0-9a-fA-F]{2}){12})?)?"
            r"|[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}((-[0-9a-fA-F]{2}){2}((-[0-9a-fA-F]{2}){12})?)?"
            r"|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}(\.[0-9a-fA-F]{4}((\.[0-9a-fA-F]{4}){6})?)?)",
            t,
        )
        is not None
    ),
    "uuid": _matches(_UUID.format("[0-9a-f]", "[0-9a-f]"), fold=True),
    "uuid3": _matches(_UUID.format("3", "[0-9a-f]"), fold=True),
    "uuid4": _matches(_UUID.format("4", "[89ab]"), fold=True),
    "uuid5": _matches(_UUID.format("5", "[89ab]"), fold=True),
    "isbn": lambda t: _is_isbn(t, 10) or _is_isbn(t, 13),
    "isbn10": lambda t: _is_isbn(t, 10),
    "isbn13": lambda t: _is_isbn(t, 13),
    "creditcard": _is_card,
    "ssn": lambda t: re.fullmatch(r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}", t) is not None,
    "hexcolor": lambda t: re.fullmatch(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", t) is not None,
    "rgbcolor": lambda t: (
        re.fullmatch(rf"rgb\(\s*{_BYTE}\s*,\s*{_BYTE}\s*,\s*{_BYTE}\s*\)", t) is not None
    ),
    "byte": _is_byte,
    # Any text: OpenAPI means it for forms that hide what is typed.
    "password": lambda _: True,
    "date": _is_date,
    "duration": lambda t: duration(t) is not None,
    "datetime": _is_datetime,
    "k8sshortname": lambda t: (
        re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", t) is not None and len(t) <= 63
    ),
    "k8slongname": lambda t: (
        re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", t)
        is not None
        and len(t) <= 253
    ),
}


def keeps(name: str, text: str) -> bool:
    """Whether a text has a format; one that is not known lets everything pass.

    Args:
        name: The name of the format; dashes in it do not matter.
        text: The text.
    """
    check = _CHECKS.get(name.replace("-", ""))
    # kube-openapi knows no such format, and says nothing of it.
    return check is None or check(text)
