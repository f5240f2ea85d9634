"""Hosts, endpoints, names in certificates: whether kubeadm will take them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.meta import DNS_NAME
from machineadm.config.rules.model import finding, warning

# IPv6 only in brackets where a port may follow, as in any URL (RFC 3986, 3.2.2).
_HOST_PORT: Final = r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]+))?"


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address without a zone."""
    from ipaddress import ip_address

    try:
        return "%" not in text and ip_address(text) is not None
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Whether it is an address, or a DNS name in lower case as kubeadm wants it."""
    if len(text) <= 253 and re.fullmatch(DNS_NAME, text):  # an IPv4 address is one, too
        return True
    return is_address(text)


def is_variable_name(text: str) -> bool:
    """Whether it is the name of a variable by Kubernetes' older, strict rule (IsEnvVarName of k8s.io/apimachinery)."""
    # Nearly all are names of Python, too, and no pattern needs to be compiled.
    if text.isascii() and text.isidentifier():
        return True
    return re.fullmatch(r"([A-Za-z_-]|\.[A-Za-z0-9_-])[A-Za-z0-9._-]*", text) is not None


def is_subject_name(text: str) -> bool:
    """Whether a certificate can contain it: as `is_host`, or with a wildcard in front."""
    return is_host(text.removeprefix("*."))


def endpoint_problem(text: str, *, port_required: bool) -> str:
    """Describe what is wrong with `host`, `host:port` or `[IPv6]:port`; empty if nothing is."""
    # A bare IPv6 address has colons without brackets and does not match.
    match = re.fullmatch(_HOST_PORT, text)
    if match is None:
        return "" if is_address(text) and not port_required else "is not host:port"
    bracketed, host, port = match.groups()
    if bracketed is not None and not (is_address(bracketed) and ":" in bracketed):
        return f"{bracketed!r} is not an IPv6 address"
    if bracketed is None and not is_host(host):
        return f"{host!r} is neither an address nor a DNS name in lower case"
    if port is None:
        return "has no port" if port_required or bracketed is not None else ""
    return "" if 1 <= int(port) <= 65535 else f"port {port} is not between 1 and 65535"


def names_come_once(items: Sequence[Any], field: str) -> Iterator[Finding]:
    """Yield warnings about repeated names, of which Kubernetes silently takes the last one.

    Args:
        items: Values with a `name`.
        field: JSON name of the list.
    """
    seen: set[str] = set()
    for index, item in enumerate(items):
        # A warning: it works, and people use it to override.
        if item.name in seen:
            yield warning(
                "MA1306", f"{field}[{index}].name", f"{item.name} occurs again: the last one counts"
            )
        seen.add(item.name)


def misfit(type_: Any, text: str) -> str:
    """How a text breaks what a type of machineadm.api declares of it, in words; empty if it does not.

    Args:
        type_: An annotated string: `LabelValue`, `QualifiedName`.
        text: A value of that type that is written elsewhere.
    """
    # The same text that the decoder judges by, so an argument and its field never differ.
    (meta,) = type_.__metadata__
    extra = meta.extra or {}
    if len(text) < (meta.min_length or 0):
        return "must not be empty"
    if len(text) > (meta.max_length or len(text)):
        return f"is longer than {meta.max_length} characters"
    if re.search(extra.get("pattern", ""), text) is None:
        return f"is not {extra.get('expected', 'of the form that it must have')}"
    return ""


def names_fit(names: tuple[str, ...], field: str) -> Iterator[Finding]:
    """Check that each is an address, or a DNS name in lower case, with or without a wildcard in front."""
    for index, name in enumerate(names):
        if not is_subject_name(name):
            yield finding(
                "MA1322", f"{field}[{index}]", "is neither an address nor a DNS name in lower case"
            )
