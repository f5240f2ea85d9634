"""The formats that a string may need, each judged by a function that names what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from machineadm.api import formats

# Strings, so that each is compiled only when a text needs it: a start is short of time.
# The user part is taken here and refused by the fields that must not have one, which say why. The
# host in brackets may have a zone (RFC 6874).
_URL: Final = r"[a-z][a-z0-9+.-]*://(?:[^/?#@\s]*@)?(\[[0-9A-Fa-f:.%]+\]|[^/?#@:\s\[\]]*)(?::([0-9]{1,5}))?(?:[/?#]\S*)?"
# resource.Quantity of apimachinery (ParseQuantity), whose suffixes are these; case counts: m is a
# thousandth, M a million.
_QUANTITY: Final = (
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:n|u|m|k|M|G|T|P|E|[KMGTPE]i|[eE][+-]?[0-9]+)?"
)
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LONGEST: Final = 4096
"""Characters of a text that a pattern is put to. No such field takes as many."""

_PEM_LINE: Final = r"-----(BEGIN|END) ([A-Z0-9][A-Z0-9 ]*)-----"


def _duration(text: str) -> str:
    try:
        formats.seconds(text)
    except ValueError:
        return "a duration such as 90s or 1h30m"
    return ""


def _cidr(text: str) -> str:
    from ipaddress import ip_network

    try:
        # Python takes an address alone for a /32, Go's net.ParseCIDR refuses it; both let host bits
        # be set (10.244.0.1/16).
        ip_network(text if "/" in text else "", strict=False)
    except ValueError:
        return "a range of addresses such as 10.244.0.0/16"
    return ""


def _ip(text: str) -> str:
    from ipaddress import ip_address

    try:
        # Leading zeros are refused: 010 is 8 to the C library and 10 to Kubernetes' ParseIPSloppy.
        ip_address(text)
    except ValueError:
        return "an IP address"
    return ""


def _url(text: str) -> str:
    found = re.fullmatch(_URL, text)
    # The pattern lets any five digits pass.
    if not found or int(found[2] or 0) > 65535:
        return "a URL such as https://example.com/path"
    # These are fetched from or connected to, so all programs must see the same host: they disagree
    # about `\`, `@` and `%` in one.
    if text.startswith(("http:", "https:")):
        try:
            formats.address(text)
        except ValueError:
            return "a URL with a host that all programs read the same way: https://example.com:8443/path"
    # Schemes of the machine itself, which name no host.
    needs_host = not text.startswith(("file:", "unix:", "npipe:", "data:"))
    return "a URL with a host" if needs_host and not found[1] else ""


def _matches(pattern: str, expected: str) -> Callable[[str], str]:
    return lambda text: "" if re.fullmatch(pattern, text) else expected


def _semver(text: str) -> str:
    from machineadm.semver import Semver

    try:
        Semver.parse(text)
    except ValueError:
        return "a version such as v1.34.4"
    return ""


def _base64(text: str) -> str:
    # Without a pattern: one that repeats a group takes thirty times the memory of the text.
    try:
        whole = formats.without_blanks(text)
    except ValueError:
        whole = b"?"
    body = whole.rstrip(b"=")
    # Padded, since Go's StdEncoding, which reads it in a cluster, takes nothing else.
    fits = len(whole) % 4 == 0 and len(whole) - len(body) <= 2
    return (
        "" if fits and not body.translate(None, _ALPHABET) else "base64 (standard alphabet, padded)"
    )


def _pem(text: str) -> str:
    """Blocks that begin and end, with base64 between; anything around them is ignored, as by OpenSSL."""
    inside = ""
    blocks = 0
    body: list[str] = []
    # Line by line and not by a pattern with DOTALL, which would start over at each BEGIN of a long
    # text.
    for line in text.splitlines():
        found = re.fullmatch(_PEM_LINE, line.strip())
        if not found:
            body.append(line)
        elif found[1] == "BEGIN" and not inside:
            inside, body = found[2], []
        # The labels must agree (RFC 7468, 2): a key that ends as a certificate was pasted wrongly.
        elif found[1] == "END" and inside == found[2] and not _base64(_without_headers(body)):
            inside, blocks = "", blocks + 1
        else:
            return "a PEM block that ends as it begins, with base64 between"
    return "" if blocks and not inside else "PEM: -----BEGIN ...-----, base64, -----END ...-----"


def _without_headers(body: list[str]) -> str:
    """The base64 of a block; headers as of an encrypted key end at an empty line."""
    # RFC 1421, 4.4: "Proc-Type: 4,ENCRYPTED" and the like; base64 has no colon.
    if any(":" in line for line in body) and "" in body:
        body = body[body.index("") + 1 :]
    return "".join(body)


def _short(check: Callable[[str], str]) -> Callable[[str], str]:
    """The same for a text that can be what is expected; a longer one is judged by its beginning.

    What readers of numbers and backtracking patterns need of memory grows with the text, to a thousandfold.
    """

    def judged(text: str) -> str:
        expected = check(text[:_LONGEST])
        return expected or (f"shorter than {_LONGEST} characters" if len(text) > _LONGEST else "")

    return judged


FORMATS: Final[dict[str, Callable[[str], str]]] = {
    "base64": _base64,
    "cidr": _short(_cidr),
    "duration": _short(_duration),
    "ip": _short(_ip),
    "pem": _pem,
    "quantity": _short(_matches(_QUANTITY, "an amount such as 100Mi, 500m or 2")),
    "semver": _short(_semver),
    "url": _short(_url),
}
"""By the name that types declare: gives what was expected, or an empty string if the text is that."""
