"""What a text must be, in words, where its type does not say so itself by `expected`.

A pattern that is missing here, too, reads "does not match ^...$"; a test names it.
"""

from __future__ import annotations

from typing import Final


def in_words(pattern: str, expected: str = "") -> str:
    """What to say of a text that does not match a pattern.

    Args:
        pattern: As a type declares it.
        expected: What the type says of it in words, if it does.

    Returns:
        A predicate: "is not an octal mode such as 0644".
    """
    # The type's own words first: they may say more than what the pattern tells by itself.
    if expected:
        return f"is not {expected}"
    if pattern in _THING:
        return f"is not {_THING[pattern]}"
    if pattern in _CHARACTERS:
        return f"may have {_CHARACTERS[pattern]} only"
    # Ugly and still true; to say nothing of the form would leave an operator guessing.
    return f"does not match {pattern}"


def known() -> frozenset[str]:
    """The patterns that there are words for."""
    return frozenset(_THING) | frozenset(_CHARACTERS)


_LONG_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

_THING: Final[dict[str, str]] = {
    "^[0-9a-f]{64}$": "64 hexadecimal digits in lower case",
    # machine
    r"^[a-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$": "an image such as registry.k8s.io/pause:3.10",
    "^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$": "a platform such as linux/amd64",
    "^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$": "a containerd namespace such as k8s.io",
    "^[A-Za-z0-9_-]+([./][A-Za-z0-9_:*-]+)+$": "a kernel parameter such as net.ipv4.ip_forward",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "a date such as 2030-01-02",
    "^(Linux|LinuxSwap|LinuxRAID|LVM|Fat32|NTFS|LinuxExtended"
    "|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$": (
        "Linux, LinuxSwap, LinuxRAID, LVM, Fat32, NTFS, LinuxExtended or a partition type GUID"
    ),
    "^(auto|any|none|[0-9]+)$": "auto, any, none or a number",
    r"^[A-Za-z0-9:_.\\@-]+\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$": (
        "a systemd unit such as chrony.service"
    ),
    r"^[A-Za-z0-9:_.@-]+\.conf$": "the name of a drop-in such as 10-limits.conf",
    "^[A-Za-z0-9-]*[A-Za-z-][A-Za-z0-9-]*$": "a computer name: letters, digits, hyphens, not only digits",
    r"^(HKLM|HKU|HKCR|HKCC|HKEY_LOCAL_MACHINE|HKEY_USERS|HKEY_CLASSES_ROOT|HKEY_CURRENT_CONFIG)\\.+$": (
        r"a registry path such as HKLM\SOFTWARE\Example"
    ),
    r"^[^\"/\\\[\]:;|=,+*?<>@\x00-\x1f\x7f-\x9f]+$": "the name of a Windows account",
    "^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$": "a locale such as en-US",
    r"^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$": "a version such as 2.0.4",
    r"^v?[0-9]+\.[0-9]+\.[0-9]+([-.+]?[0-9A-Za-z.+-]+)?$": "a version such as 1.2.3",
    "^(_default|[A-Za-z0-9._:-]+)$": "a registry such as docker.io, host:5000 or _default",
    r"^(http|https|socks5)://[^@/\x00-\x20\x7f-\x9f]+/?$": "a proxy such as http://proxy.example.com:3128, without user and password",
    "^[A-Za-z0-9*.:/_-]+$": "a host, domain, address or range that is reached without a proxy",
    # kubernetes
    r"^[a-z0-9]{6}\.[a-z0-9]{16}$": "a bootstrap token such as abcdef.0123456789abcdef",
    "^system:bootstrappers:[a-z0-9:-]*[a-z0-9]$": "a group such as system:bootstrappers:workers",
    "^sha256:[0-9a-f]{64}$": "sha256: and 64 hexadecimal digits",
    r"^client\.authentication\.k8s\.io/[a-z0-9]+$": "a version such as client.authentication.k8s.io/v1",
    "^[A-Za-z0-9_][A-Za-z0-9._-]*$": "the tag of an image",
    "^[A-Za-z0-9][A-Za-z0-9._-]*$": "an argument's name without its dashes",
    r"^(\*\.)?[A-Za-z0-9:._-]+$": "a host name or address, perhaps with a leading *.",
    rf"^{_LONG_LABEL}$": "a name of lower-case letters, digits and hyphens",
    rf"^{_LONG_LABEL}(\.{_LONG_LABEL})*$": "a node name: lower-case letters, digits and hyphens between dots",
    r"^(\*|[a-z0-9-]+)(\.(\*|[a-z0-9.-]*))?$": "a resource such as secrets or *.apps",
    r"^unix:///[^\x00-\x20\x7f-\x9f]+$": "a socket such as unix:///run/kms.sock",
    r"^https://[^\x00-\x20\x7f-\x9f]+$": "a URL that begins with https://",
    r"^((unix|npipe)://)?[^\x00-\x20\x7f-\x9f]+$": "a socket such as unix:///run/containerd/containerd.sock",
    "^(cpu|memory|ephemeral-storage|pid)$": "cpu, memory, ephemeral-storage or pid",
    "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$": "a set of processors such as 0-3,8",
    "^TLS_[A-Z0-9_]+$": "a cipher suite such as TLS_AES_128_GCM_SHA256",
    "^[a-z0-9-]+(/[a-z0-9-]+)?$": "a phase such as addon/kube-proxy",
    "^([1-9][0-9]{4,6}|10000000)$": "a number from 10000 to 10000000",
    "^(MA[0-9]{4})?$": "an error code",
    "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$": "a reason in CamelCase",
}

# Apart, since "is not letters, digits" would not be a sentence.
_CHARACTERS: Final[dict[str, str]] = {
    "^[-._A-Za-z0-9]+$": "letters, digits, - _ .",
    "^[A-Za-z0-9._-]+$": "letters, digits, - _ .",
    "^[A-Za-z0-9_-]+$": "letters, digits, - _",
    "^[A-Za-z0-9-]+$": "letters, digits and hyphens",
    r"^[^:\x00-\x1f\x7f-\x9f]*$": "characters other than the colon",
    r"^[^:\x00-\x20\x7f-\x9f]+$": "characters other than colon and blank",
    r"^[^,=\x00-\x20\x7f-\x9f]+$": "characters other than blank, comma and equals sign",
    "^[ -<>-~]+$": "printable ASCII characters other than the equals sign",
    "^[A-Za-z0-9/._:=+@-]+$": "letters, digits, / . _ : = + @ -",
    "^[a-z0-9._-]+$": "lower-case letters, digits, - _ .",
    "^[A-Za-z0-9._/-]+$": "letters, digits, - _ . /",
    "^[A-Za-z0-9./_-]+$": "letters, digits, - _ . /",
    "^[A-Za-z0-9._/:-]+$": "letters, digits, - _ . / :",
    "^[a-z0-9_.*/-]+$": "lower-case letters, digits, - _ . * /",
    "^[A-Za-z][A-Za-z0-9]*$": "letters and digits, a letter first",
}
