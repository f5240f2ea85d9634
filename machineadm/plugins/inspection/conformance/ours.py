"""What plugins of machineadm's own kinds must do."""

from __future__ import annotations

import secrets
from typing import Any, Final

from grpclib.const import Status

from machineadm.plugins.host import Plugin
from machineadm.plugins.inspection.conformance.model import (
    CALL,
    Live,
    SkippedError,
    Subject,
    asked,
    fail,
    refused,
    require,
)
from machineadm.plugins.kinds.common import CONFIGURE
from machineadm.plugins.payload import encode
from machineadm.plugins.proto import plugin_pb2
from machineadm.plugins.wire.rpc import RpcError

# grpc-go's limit for what a server or a client receives, unless its author raised it.
MOST_PIECE: Final = 4 << 20
"""Bytes of one message, that servers and clients in Go take."""

_NOBODY: Final = "conformance-knows-no-such-name"


def unfit_settings(subject: Subject, plugin: Plugin) -> None:
    """Settings that are not an object are refused or not taken at all; they end nothing.

    Raises:
        SkippedError: It takes none.
    """
    # 0xc1 is the one byte that msgpack never uses.
    request = plugin_pb2.ConfigureRequest(settings=b"\xc1 is not msgpack, nor JSON")
    try:
        reply = plugin.call(CONFIGURE, request, timeout=CALL)
    except RpcError as error:
        if error.status is Status.UNIMPLEMENTED:
            raise SkippedError("it has no settings") from None
        # Any other status is a refusal; this one is a connection that is gone.
        require(error.status is not Status.UNAVAILABLE, "invalid settings end it")
        return
    require(reply.diagnostics, "it takes settings that cannot be decoded, and says nothing")


def same_settings(subject: Subject, plugin: Plugin) -> None:
    """The same settings may come again.

    Raises:
        SkippedError: There are none.
    """
    if not subject.settings:
        raise SkippedError("needs --settings JSON")
    request = plugin_pb2.ConfigureRequest(settings=encode(plugin.version, subject.settings))
    try:
        reply = plugin.call(CONFIGURE, request, timeout=CALL)
    except RpcError as error:
        fail(f"Configure answers {error}")
    wrong = [one.summary for one in reply.diagnostics if one.severity != 2]
    require(not wrong, f"it refuses the same settings: {'; '.join(wrong)}")


# --------------------------------------------------------------------- encryption-provider
def unknown_passphrase(subject: Subject, plugin: Plugin) -> None:
    """A provider that it does not know is refused in words, never with an empty passphrase."""
    # An empty passphrase would decrypt nothing, and the error would point at the documents.
    refused(subject, plugin, "FetchPassphrase", provider=_NOBODY)


def passphrase(subject: Subject, plugin: Plugin) -> None:
    """A provider that it knows has one passphrase: not empty, at most 64 KiB, the same each time."""
    name = subject.known("provider", "a provider whose passphrase it has")
    first, second = (
        asked(subject, plugin, "FetchPassphrase", provider=name).passphrase for _ in range(2)
    )
    require(first, "the passphrase is empty")
    require(len(first) <= 65536, f"the passphrase has {len(first)} bytes")
    require(first == second, "it returns another passphrase the second time")


def stored_passphrase(subject: Subject, plugin: Plugin) -> None:
    """What is stored is what is fetched; what is deleted is gone; deleting it again is fine."""
    subject.require_writes()
    # A new name each time: a run that was killed may have left one.
    name, word = f"conformance-{secrets.token_hex(4)}", secrets.token_hex(16).encode()
    asked(subject, plugin, "StorePassphrase", provider=name, passphrase=word)
    try:
        found = asked(subject, plugin, "FetchPassphrase", provider=name).passphrase
        require(found == word, "it returns another passphrase than was stored")
    finally:
        asked(subject, plugin, "DeletePassphrase", provider=name)
    refused(subject, plugin, "FetchPassphrase", provider=name)
    asked(subject, plugin, "DeletePassphrase", provider=name)


# ------------------------------------------------------------------------ infrastructure
def unknown_location(subject: Subject, plugin: Plugin) -> None:
    """A location without data is refused with a message, never answered with no bytes."""
    # A plugin may refuse a location by its form; `missing` names one that is well formed.
    location = subject.inputs.get("missing", _NOBODY)
    refused(subject, plugin, "Fetch", location=location)


def fetched(subject: Subject, plugin: Plugin) -> None:
    """The data at a location comes in pieces that any peer accepts, the same each time."""
    location = subject.known("location", "a location that has something")
    first, second = (_fetch(subject, plugin, location) for _ in range(2))
    require(first, "nothing comes")
    require(max(map(len, first)) <= MOST_PIECE, f"a piece is larger than {MOST_PIECE} bytes")
    require(b"".join(first) == b"".join(second), "it returns something else the second time")


def cancelled(subject: Subject, plugin: Plugin) -> None:
    """A host that goes away in the midst of a fetch costs nothing."""
    location = subject.known("location", "a location that has something")
    # Several times: a connection or a thread that is lost each time shows when they run out.
    for _ in range(8):
        with plugin.stream(subject.methods["Fetch"], timeout=CALL) as call:
            call.send(subject.methods["Fetch"].request(location=location))
            call.receive()
    require(_fetch(subject, plugin, location), "it returns nothing any more")


def reported(subject: Subject, plugin: Plugin) -> None:
    """A report is taken."""
    subject.require_writes()
    location = subject.known("report", "a location that takes reports")
    asked(subject, plugin, "Report", location=location, status=b'{"kind": "BootstrapStatus"}')


def stored(subject: Subject, plugin: Plugin) -> None:
    """What is stored is located and fetched, in any size; what is deleted is gone."""
    subject.require_writes()
    # 3 MiB: several messages, as a configuration with files may have.
    name, data = f"conformance-{secrets.token_hex(4)}", secrets.token_bytes(3 << 20)
    location = _store(subject, plugin, name, data)
    try:
        found = asked(subject, plugin, "Locate", name=name)
        require(found.found and found.location == location, "Locate does not find what was stored")
        require(b"".join(_fetch(subject, plugin, location)) == data, "other bytes come back")
    finally:
        # Also after a failure: the suite leaves nothing behind in somebody's store.
        asked(subject, plugin, "Delete", location=location)
    require(not asked(subject, plugin, "Locate", name=name).found, "what is deleted is located")
    refused(subject, plugin, "Fetch", location=location)


# --------------------------------------------------------------------------- attestation
def evidence(subject: Subject, plugin: Plugin) -> None:
    """Each challenge has evidence of its own, in a named format."""
    # Twice: the same evidence for two challenges could be replayed.
    found = [asked(subject, plugin, "Attest", challenge=secrets.token_bytes(32)) for _ in range(2)]
    require(all(one.format and one.evidence for one in found), "evidence or its format is empty")
    require(len({one.format for one in found}) == 1, "the format changes between two calls")
    require(
        found[0].evidence != found[1].evidence,
        "two challenges have the same evidence: it can be replayed",
    )


def verified(subject: Subject, plugin: Plugin) -> None:
    """Its own evidence is trusted, for its own challenge alone, unchanged alone."""
    challenge = secrets.token_bytes(32)
    given = asked(subject, plugin, "Attest", challenge=challenge)
    good = _verify(subject, plugin, challenge, given.format, given.evidence)
    require(good.trusted and good.identity, f"it does not trust its own evidence: {good.reason}")
    # A single bit: a judge that compares only parts of it would let that pass.
    changed = bytes([given.evidence[0] ^ 1]) + given.evidence[1:]
    for what, bad in (
        ("of another challenge", (secrets.token_bytes(32), given.format, given.evidence)),
        ("that was changed", (challenge, given.format, changed)),
        ("that is cut", (challenge, given.format, given.evidence[: len(given.evidence) // 2])),
        ("of another format", (challenge, "application/x-nothing", given.evidence)),
        ("that is empty", (challenge, given.format, b"")),
    ):
        reply = _verify(subject, plugin, *bad)
        require(not reply.trusted, f"it trusts evidence {what}")
        require(reply.reason, f"it refuses evidence {what} without a reason")


def _verify(subject: Subject, plugin: Plugin, challenge: bytes, form: str, data: bytes) -> Any:
    return asked(subject, plugin, "Verify", challenge=challenge, format=form, evidence=data)


def _fetch(subject: Subject, plugin: Plugin, location: str) -> list[bytes]:
    method = subject.methods["Fetch"]
    try:
        with plugin.stream(method, timeout=CALL) as call:
            call.send(method.request(location=location))
            call.end()
            # Piece by piece, since their sizes are judged, too.
            return [reply.data for reply in call]
    except RpcError as error:
        fail(f"Fetch answers {error}")


def _store(subject: Subject, plugin: Plugin, name: str, data: bytes) -> str:
    """Store something.

    Raises:
        SkippedError: It does not store.
    """
    method = subject.methods["Store"]
    try:
        with plugin.stream(method, timeout=CALL) as call:
            for at in range(0, len(data), 1 << 20):
                piece = data[at : at + (1 << 20)]
                call.send(method.request(name="" if at else name, data=piece))
            call.end()
            reply = call.receive()
    except RpcError as error:
        if error.status is Status.UNIMPLEMENTED:
            raise SkippedError("it does not have Store") from None
        fail(f"Store answers {error}")
    require(reply is not None and reply.location, "Store gives no location")
    return str(reply.location)


_SETTINGS: Final[dict[str, Live]] = {
    "takes the same settings again": same_settings,
    "refuses settings that are not an object": unfit_settings,
}

CHECKS: Final[dict[str, dict[str, Live]]] = {
    "encryption-provider": {
        "refuses a provider that it does not know": unknown_passphrase,
        "returns one passphrase for a provider": passphrase,
        "stores and deletes passphrases": stored_passphrase,
        **_SETTINGS,
    },
    "infrastructure": {
        "refuses an empty location": unknown_location,
        "returns the content of a location, in pieces": fetched,
        "survives a host that goes away": cancelled,
        "accepts a report": reported,
        "stores, locates and deletes": stored,
        **_SETTINGS,
    },
    "attestation": {
        "returns different evidence for each challenge": evidence,
        "trusts its own evidence, and no other": verified,
        **_SETTINGS,
    },
}
