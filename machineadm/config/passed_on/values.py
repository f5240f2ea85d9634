"""Read documents that may hold anything: a value of a wrong type was reported already, so it counts as absent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.config.paths import child
from machineadm.config.rules.model import finding
from machineadm.config.upstream.walk import billionths, duration_seconds

# One code for all: the reader's own rules are hundreds, and what to do is in each message.
REFUSED: Final = "MA1440"


def mapping(value: Any, name: str) -> dict[Any, Any]:
    """Return a field that holds a map, else an empty one; a key in it may be PRUNED."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, dict) else {}


def items(value: Any, name: str, path: str) -> Iterator[tuple[Any, str]]:
    """The items of a list with their paths, those that could not be read left out."""
    found = value.get(name) if isinstance(value, dict) else None
    if isinstance(found, (list, tuple)):
        for index, item in enumerate(found):
            if item is not PRUNED:
                yield item, f"{child(path, name)}[{index}]"


def maps(value: Any, name: str, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Those items of a list that are maps."""
    for item, at in items(value, name, path):
        if isinstance(item, dict):
            yield item, at


def strings(value: Any, name: str, path: str) -> Iterator[tuple[str, str]]:
    """Those items of a list that are strings."""
    for item, at in items(value, name, path):
        if isinstance(item, str):
            yield item, at


def text(value: Any, name: str) -> str:
    """A field that holds a string, or an empty one."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""


def number(value: Any, name: str) -> float | None:
    """A field that holds a number, or None."""
    found = value.get(name) if isinstance(value, dict) else None
    # A bool is an int in Python, and Go takes `true` for something else.
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def length_of_time(value: Any, name: str) -> float | None:
    """Seconds that a field holds, or None."""
    return duration_seconds(value.get(name)) if isinstance(value, dict) else None


def is_absent(value: Any, name: str) -> bool:
    """Whether a field is missing, or has Go's zero value, which its reader cannot tell from a missing one."""
    found = value.get(name)
    # PRUNED first: comparing it raises, since somebody has set it.
    return found is None or (found is not PRUNED and found in ("", [], {}, ()))


def refused(path: str, message: str, hint: str = "") -> Finding:
    """Return the finding for what the reader's own validation refuses."""
    return finding(REFUSED, path, message, hint)


def required(value: Any, path: str, *names: str) -> Iterator[Finding]:
    """Fields that must be there and hold something."""
    for name in names:
        if is_absent(value, name):
            yield refused(child(path, name), "is required")


def one_of(value: Any, name: str, path: str, *choices: str) -> Iterator[Finding]:
    """A text that is one of a few, where it is there."""
    from machineadm.nearest import suggest

    given = text(value, name)
    if given and given not in choices:
        # Words of enums have a case, which is the likeliest slip.
        meant = suggest(given, choices)
        yield refused(
            child(path, name),
            f"is not one of its values{f'; did you mean {chr(34)}{meant}{chr(34)}?' if meant else ''}",
            f"it is one of {', '.join(choices)}",
        )


def between(
    value: Any, name: str, path: str, low: float, high: float | None = None
) -> Iterator[Finding]:
    """A number within bounds, both of them included."""
    given = number(value, name)
    if given is not None and (given < low or (high is not None and given > high)):
        range_ = f"between {low} and {high}" if high is not None else f"at least {low}"
        yield refused(child(path, name), f"must be {range_}")


def not_negative(value: Any, path: str, *names: str) -> Iterator[Finding]:
    """Lengths of time that must not be negative."""
    for name in names:
        if (length_of_time(value, name) or 0) < 0:
            yield refused(child(path, name), "must not be negative")


# Sets of letters, not patterns: a machine's first start would have to compile those.
_LOWER: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ANY: Final = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _is_word(name: str, ends: frozenset[str], inside: frozenset[str]) -> bool:
    return bool(name) and name[0] in ends and name[-1] in ends and set(name) <= inside


def is_label(name: str) -> bool:
    """A name of RFC 1123: lower-case letters, digits and hyphens, 63 at most."""
    return len(name) <= 63 and _is_word(name, _LOWER, _LOWER | {"-"})


def is_subdomain(name: str) -> bool:
    """Such names with dots between them, 253 letters at most; Kubernetes has no limit for one of them."""
    return len(name) <= 253 and all(
        _is_word(part, _LOWER, _LOWER | {"-"}) for part in name.split(".")
    )


def is_qualified(name: str) -> bool:
    """A key of a label: a name of 63 letters at most, perhaps behind a domain and a slash."""
    # From the right: more than one slash is refused by the domain's own form.
    domain, slash, key = name.rpartition("/")
    return is_label_value(key) and key != "" and (not slash or is_subdomain(domain))


def is_label_value(value: str) -> bool:
    """A value of a label."""
    return not value or (len(value) <= 63 and _is_word(value, _ANY, _ANY | {"-", "_", "."}))


class Once:
    """Texts that must not repeat."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def again(self, value: str, path: str) -> Iterator[Finding]:
        """Yield a problem if the text was seen before."""
        # Empty ones are missing, which is another problem.
        if value and value in self._seen:
            yield refused(path, "is a duplicate", "keep one")
        self._seen.add(value)


UNIT: Final = 10**9
"""What `amount` counts one as."""


def amount(value: Any) -> int | None:
    """A quantity in billionths, as Kubernetes counts it; None if it is not one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = repr(value)  # 0.1 is a tenth to Kubernetes, and not what a float makes of it
    return billionths(value) if isinstance(value, str) else None


def labels(value: Any, name: str, path: str) -> Iterator[Finding]:
    """A map of labels."""
    at = child(path, name)
    for key, label in mapping(value, name).items():
        if not isinstance(key, str):
            continue
        if not is_qualified(key):
            yield refused(child(at, key), "is not a key of a label")
        if isinstance(label, str) and not is_label_value(label):
            yield refused(child(at, key), "is not the value of a label")


def is_address(value: str) -> bool:
    """Whether Kubernetes reads it as an IP address: without a zone, with zeros in front of decimals."""
    from ipaddress import ip_address

    # net.ParseIP knows no zones; Python does.
    if "%" in value:
        return False
    try:
        ip_address(_without_zeros(value))
    except ValueError:
        return False
    return True


def is_range(value: str) -> bool:
    """Whether Kubernetes reads it as a range of addresses: `10.0.0.0/8`, with no mask of another form."""
    host, slash, size = value.partition("/")
    # A mask such as 255.0.0.0 is a prefix length to Python's ipaddress, but not to Go.
    digits = size.isascii() and size.isdecimal() and len(size) <= 3
    most = 128 if ":" in host else 32
    return bool(slash) and digits and int(size) <= most and is_address(host)


def _without_zeros(value: str) -> str:
    """Kubernetes still reads 010.0.0.1 as 10.0.0.1; Python refuses it."""
    # Groups of IPv6 are hexadecimal and may have zeros in front in any program.
    if ":" in value and "." not in value:
        return value
    head, colon, tail = value.rpartition(":")
    return head + colon + ".".join(part.lstrip("0") or part[-1:] for part in tail.split("."))


# validOptionalPort and parseHost of net/url: percent signs only for bytes beyond ASCII, and a zone
# in brackets.
_HOST_CHARACTERS: Final = r"([^][/?# <>\"\\^`{|}%]|%[89A-Fa-f][0-9A-Fa-f])*"
_HOST: Final = (
    rf"\[[0-9A-Fa-f:.%A-Za-z0-9~_-]*\](:[0-9]*)?|(?!.*:[0-9]*[^0-9:][^:]*$){_HOST_CHARACTERS}"
)
"""What Go takes for a host and a port (net/url)."""


_PLAIN: Final = _ANY | frozenset("/._-")


def is_url(url: str) -> bool:
    """Whether Go reads it as a URL."""
    # Most have nothing but letters, digits and dots in them, and no pattern needs to be compiled.
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    name, colon, port = host.partition(":")
    if (
        scheme.isalpha()
        and set(scheme + name + path) <= _PLAIN
        and (port.isdecimal() if colon else True)
        and url.isascii()
    ):
        return True
    if re.search(r"[\x00-\x1f\x7f]", url):
        return False
    rest = url.partition("#")[0].partition("?")[0]
    scheme, slashes, rest = rest.partition("://")
    if not slashes:
        return True  # no authority, so nothing of it can be wrong
    authority, _, path = rest.partition("/")
    user, _, host = authority.rpartition("@")
    escaped = path + url.partition("#")[2]
    return (
        re.fullmatch(_HOST, host) is not None
        and re.fullmatch(r"[-A-Za-z0-9._:~!$&'()*+,;=%@]*", user) is not None
        and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) is not None
        and re.search(r"%(?![0-9A-Fa-f]{2})", escaped) is None
    )
