"""The shell text that fetches the agent at boot, checks it and gives it its name; docs/fetching.md."""

from __future__ import annotations

import binascii
import pkgutil
import re
import string
from collections.abc import Sequence
from typing import Final

from machineadm.api.formats import address
from machineadm.api.v1alpha1.agent_source import AgentDownload, AgentSource
from machineadm.errors import ConfigError

# What an image brings is in /usr/bin; /usr/local is the administrator's (FHS 3.0, 4.9), and a
# download is a local act.
PREINSTALLED: Final = "/usr/bin/machineadm"
DOWNLOADED: Final = "/usr/local/bin/machineadm"

_P256: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""How the DER of an ECDSA P-256 public key begins (RFC 5480): 64 bytes, the point, follow."""


_NAMES: Final = (
    "work", "why", "file", "part", "code", "status", "directory", "tool", "left", "next", "line", "again", "DESTINATION", "found", "url", "message",
    "report", "headers", "todo", "arch", "home", "rest", "exit", "mount", "longest", "signature", "checks", "passing", "ended", "options",
    "RUN", "PYTHON", "CONSOLE", "ENVIRONMENT", "MOUNTS", "ATTEMPT", "STALL", "PAUSE", "LARGEST", "SIGNATURE",
)  # fmt: skip
"""Variables of the script, none of which stands in its arithmetic by name alone."""

# Not strict: there are fewer names than letters. More than 52 names would leave the last ones long,
# which costs bytes and breaks nothing.
SHORT: Final = dict(zip(_NAMES, string.ascii_letters, strict=False))
"""What they are called in a machine's user data."""

_USES: Final = re.compile(
    # Read: $name, ${name}, ${#name}. Set: name=, for name in, read -r names.
    r"(?:(?<=\$)|(?<=\$\{)|(?<=\$\{#))NAMES(?!\w)|(?<![-\w/.$\"=])NAMES(?==[^ =\n])|(?<=for )NAMES(?= in )|(?<=read -r )[a-z_ ]+".replace(
        "NAMES", f"(?:{'|'.join(_NAMES)})"
    ),
    re.MULTILINE,
)


def agent_path(source: AgentSource | None) -> str:
    """Return the agent's path after the fetch; without a source, its path in an image."""
    # A download comes first: with both there would be two agents, and the rules have refused that.
    if source is not None and source.download is not None:
        return source.download.destination or DOWNLOADED
    preinstalled = source.preinstalled if source is not None else None
    return (preinstalled.path if preinstalled is not None else None) or PREINSTALLED


def fetch_script(download: AgentDownload) -> str:
    """The whole text, for `sh FILE`, run by root. It holds the headers: keep it as private as them.

    Args:
        download: What to fetch; `headersFrom` has been resolved to `headers`.

    Raises:
        ConfigError: It cannot be fetched safely as it is given.
    """
    # Checked once more, although realise.py has found it: root runs this text, and nobody may get
    # one that verifies nothing.
    sums = download.sha256_by_architecture
    if download.sha256 is None and sums is None and download.public_key is None:
        raise ConfigError("MA1920", "the agent's download has neither sha256 nor publicKey")
    if download.headers_from:
        raise ConfigError("MA1921", "the agent's download has an unresolved headersFrom")
    values = {
        "VERSION": download.version,
        # Lines and no list: POSIX sh has no arrays. address() refuses a URL with a blank or a
        # newline in it.
        "URLS": "\n".join(_url(url, download.version) for url in download.urls),
        "SHA256": download.sha256 or "",
        "AMD64": (sums.amd64 if sums is not None else None) or "",
        "ARM64": (sums.arm64 if sums is not None else None) or "",
        "KEYS": "\n".join(_keys(download.public_key)) if download.public_key is not None else "",
        "HEADERS": "\n".join(
            f"{name}: {value.reveal()}" for name, value in download.headers.items()
        ),
        # Stripped, because the script writes it by a printf that puts a newline around it.
        "CA_BUNDLE": (download.ca_bundle or "").strip(),
        "DESTINATION": download.destination or DOWNLOADED,
    }
    head = "".join(
        f"{SHORT.get(name, name)}={_quoted(value)}\n" for name, value in values.items() if value
    )
    # What the script would never use is cut out: on AWS all of the user data shares 16 KiB.
    without = [name for name, value in values.items() if not value]
    # The parts of the script are cut by the names of values that are empty; SUMS stands for either
    # architecture's, and SHA256 is needed with sums too, since they become one.
    if sums is None:
        without.append("SUMS")
    elif "SHA256" in without:
        without.remove("SHA256")
    return f"#!/bin/sh\n{head}{_program(without)}"


def _program(without: Sequence[str]) -> str:
    # By pkgutil and not by a path: the agent runs from a zip file.
    text = (pkgutil.get_data(__package__, "fetch.sh") or b"").decode()
    for name in without:
        text = re.sub(rf"^ *# \[{name}\n.*?# {name}\]\n", "", text, flags=re.DOTALL | re.MULTILINE)
    # Comments and indentation stay here: each byte of a machine's user data counts. Python's is in tabs.
    return shortened(re.sub(r"^ *#.*\n|^\n|^ +", "", text, flags=re.MULTILINE))


def shortened(text: str) -> str:
    """A part of the script with its variables' short names: a twentieth of its compressed size."""
    return _USES.sub(lambda use: " ".join(SHORT.get(one, one) for one in use[0].split(" ")), text)


def _quoted(value: str) -> str:
    """One word for a shell, whatever it holds (POSIX, Shell Command Language, 2.2.2).

    Raises:
        ConfigError: It holds a NUL.
    """
    if "\0" in value:
        raise ConfigError(
            "MA1922", "the agent's download contains a NUL, which no shell can handle"
        )
    # In single quotes nothing is special to a shell, not even a backslash or a newline; only the
    # quote itself must leave them.
    return "'" + value.replace("'", "'\\''") + "'"


def _url(url: str, version: str) -> str:
    scheme = url.partition("://")[0]
    # The two that curl, wget and busybox's wget all have.
    if scheme not in ("https", "http"):
        raise ConfigError("MA1923", f"the agent cannot be fetched over {scheme}: use https or http")
    url = url.replace("{version}", version)
    try:
        # With one architecture filled in: braces are not allowed in a host, and both names are
        # harmless there.
        named = address(url.replace("{arch}", "amd64"))
        url.encode("ascii")
    # Two programs that read one URL differently would send the headers to another host than was
    # meant.
    except ValueError:
        raise ConfigError(
            "MA1926",
            "curl and wget disagree about the host in a URL of the agent, or it is not ASCII",
            hint="a host has only letters, digits, dots and hyphens; send a password as a header, or write it without %2F and the like",
        ) from None
    if scheme == "http" and named.user:
        raise ConfigError("MA1924", "a URL of the agent would send a password over plain http")
    return url


def _keys(pem: str) -> tuple[str, ...]:
    """Each key's DER in base64, without the lines around it, which the script puts back.

    Raises:
        ConfigError: One is not a key of the kind.
    """
    # By a pattern and not by line: keys come pasted from anywhere, with Windows line ends or
    # indented.
    bodies = re.findall(
        r"-----BEGIN PUBLIC KEY-----\s(.*?)-----END PUBLIC KEY-----", pem, re.DOTALL
    )
    keys = tuple("".join(body.split()) for body in bodies)
    # Two, so that a key can be replaced: machines take either until all releases are signed by the
    # new one. P-256 is what openssl on every supported system verifies.
    if not 1 <= len(keys) <= 2 or not all(map(_is_p256, keys)):
        raise ConfigError(
            "MA1925",
            "the agent's publicKey is not one or two ECDSA P-256 public keys in PEM",
            hint="openssl ec -in KEY -pubout, of a key on the curve prime256v1",
        )
    return keys


def _is_p256(key: str) -> bool:
    try:
        der = binascii.a2b_base64(key)
    except ValueError:
        return False
    return der.startswith(_P256) and len(der) == len(_P256) + 64
