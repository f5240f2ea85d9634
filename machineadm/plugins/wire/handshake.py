"""The handshake: the variables that a host sets for a plugin, and the one line that the plugin answers with.

`1|VERSION|unix or tcp|ADDRESS|grpc|CERTIFICATE|MULTIPLEXED`, the last field only if the host asked for it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from machineadm.errors import PluginError

CORE: Final = 1
"""Version of go-plugin's own protocol."""

MIN_PORT: Final = "PLUGIN_MIN_PORT"
MAX_PORT: Final = "PLUGIN_MAX_PORT"
VERSIONS: Final = "PLUGIN_PROTOCOL_VERSIONS"
MULTIPLEX: Final = "PLUGIN_MULTIPLEX_GRPC"
CERTIFICATE: Final = "PLUGIN_CLIENT_CERT"
SOCKET_DIRECTORY: Final = "PLUGIN_UNIX_SOCKET_DIR"
SOCKET_GROUP: Final = "PLUGIN_UNIX_SOCKET_GROUP"

LONGEST: Final = 64 * 1024
"""Bytes of a line that are read; a certificate takes some 800."""

# What strconv.ParseBool takes for true, since go-plugin parses the field with it.
_TRUE: Final = ("1", "t", "T", "true", "TRUE", "True")
# With a bound: Python refuses to convert a number of more than 4,300 digits, with a ValueError.
_NUMBER: Final = re.compile("[+-]?[0-9]{1,18}")
# A shorter text is not a certificate: hosts written in Go ignore it, too.
_SHORTEST_CERTIFICATE: Final = 50


class Cookie(msgspec.Struct, frozen=True):
    """A variable that tells a plugin that a host starts it, not a person. It is not a secret."""

    key: str
    value: str


class Address(msgspec.Struct, frozen=True):
    """Where a side listens, as in the handshake line and in the broker's messages."""

    network: str
    address: str

    def __str__(self) -> str:
        return f"{self.network} {self.address}"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a handshake line."""

    version: int
    address: Address
    certificate: bytes = b""
    """DER; empty without AutoMTLS."""

    multiplexed: bool | None = None
    """None where the plugin did not say."""


def render(line: Line) -> str:
    """Write the line as a plugin prints it, without the newline."""
    # Go decodes with RawStdEncoding, which refuses padding.
    certificate = base64.b64encode(line.certificate).decode().rstrip("=")
    fields = [str(CORE), str(line.version), line.address.network, line.address.address, "grpc"]
    fields.append(certificate)
    # Not unasked: hosts before go-plugin 1.6 split the line into six and would read this as part of
    # the certificate.
    if line.multiplexed is not None:
        fields.append("true" if line.multiplexed else "false")
    return "|".join(fields)


def parse(text: str, *, versions: Collection[int], mtls: bool, multiplexed: bool) -> Line:
    """Read the line as a host does.

    Args:
        text: What the plugin printed.
        versions: The application versions that the host speaks.
        mtls: Whether a certificate was asked for.
        multiplexed: Whether multiplexing was asked for.

    Raises:
        PluginError: It is not a plugin, or does not fit the host.
    """
    # By field and as a whole: a line may end in "\r\n".
    fields = [field.strip() for field in text.strip().split("|")]
    # Network and address are the least that can be dialed; older plugins leave the rest away.
    if len(fields) < 4:
        raise PluginError(
            "MA7213",
            f"it printed {_quoted(text)} instead of a plugin's handshake line",
            hint="a plugin must print nothing before its handshake: run it yourself, and see what it prints",
        )
    # Before all else: of another core version the other fields may mean something else.
    _require_core(fields[0])
    version = _version(fields[1], versions)
    network, address = fields[2], fields[3]
    # A host of go-plugin 1.6.0 crashes here, with a nil dereference.
    if network not in ("unix", "tcp"):
        raise PluginError(
            "MA7215",
            f"it listens on network {_quoted(network)}, not unix or tcp",
            hint="this is a bug in the plugin: ask its author",
        )
    # A line of four fields is from before gRPC; go-plugin reads it so, too.
    protocol = fields[4] if len(fields) > 4 else "netrpc"
    if protocol != "grpc":
        raise PluginError(
            "MA7215",
            f"it speaks {_quoted(protocol)}, not grpc",
            hint="build it with go-plugin's GRPCServer, or with the SDK of machineadm",
        )
    return Line(
        version=version,
        address=Address(network, address),
        certificate=_certificate(fields[5] if len(fields) > 5 else "", mtls=mtls),
        multiplexed=_multiplexed(fields[6:], wanted=multiplexed),
    )


def choose(own: Collection[int], offered: Iterable[int]) -> int:
    """The application version that a plugin answers with: the highest common one, else its own lowest."""
    common = set(own) & set(offered)
    # Not an error here: the host compares versions itself and has the better message for it.
    return max(common) if common else min(own)


def offered(text: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The versions that a host lists, and the entries that are not numbers."""
    # An empty variable is a host that lists nothing, and no error.
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    # In any order, since Go prints a map; and bad entries are skipped, as Go does.
    good = tuple(int(entry) for entry in entries if _NUMBER.fullmatch(entry))
    return good, tuple(entry for entry in entries if not _NUMBER.fullmatch(entry))


def _require_core(field: str) -> None:
    if not _NUMBER.fullmatch(field) or int(field) != CORE:
        raise PluginError(
            "MA7214",
            f"its handshake has core protocol {_quoted(field)}; this host speaks {CORE}",
            hint="the plugin is built for another generation of go-plugin",
        )


def _version(field: str, versions: Collection[int]) -> int:
    known = ", ".join(map(str, sorted(versions)))
    if not _NUMBER.fullmatch(field):
        raise PluginError(
            "MA7214",
            f"its protocol version {_quoted(field)} is not a number",
            hint="this is a bug in the plugin: ask its author",
        )
    if int(field) not in versions:
        raise PluginError(
            "MA7214",
            f"it speaks protocol version {field}; this host speaks {known}",
            hint="use a release of the plugin that supports this machineadm",
        )
    return int(field)


def _certificate(field: str, *, mtls: bool) -> bytes:
    # A host that asked for no certificate connects without TLS, whatever the field contains.
    if not mtls:
        return b""
    if len(field) <= _SHORTEST_CERTIFICATE:
        raise PluginError(
            "MA7216",
            "it was asked to encrypt its connection, and sent no certificate",
            hint="the plugin's library does not support AutoMTLS: build it with a current one",
        )
    try:
        # validate: without it Python skips foreign characters, and a damaged line would pass as
        # another certificate.
        # RawStdEncoding of Go leaves the padding away, and Python demands it.
        return base64.b64decode(field + "=" * (-len(field) % 4), validate=True)
    except ValueError as error:  # binascii.Error is one; characters beyond ASCII are another
        raise PluginError(
            "MA7216",
            "its certificate is not base64",
            hint="this is a bug in the plugin: ask its author",
        ) from error


def _multiplexed(fields: list[str], *, wanted: bool) -> bool | None:
    # No field is not `false`: a plugin from before go-plugin 1.6 does not know the question.
    answer = fields[0] in _TRUE if fields else None
    if wanted and not answer:
        raise PluginError(
            "MA7217",
            "it does not multiplex its connection, as it was asked to",
            hint="build it with go-plugin 1.6 or later",
        )
    return answer


def _quoted(text: str) -> str:
    """Make somebody else's text fit for a message: printable and short."""
    text = text.strip()
    return repr(text if len(text) <= 200 else f"{text[:200]}...")
