"""Structured payloads of our own kinds, in the two encodings that a plugin may speak."""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec

# Numbers of the protocol: they are on the wire, and may only be added to.
JSON: Final = 1
MSGPACK: Final = 2
FORCE_JSON: Final = "MACHINEADM_PLUGIN_FORCE_JSON"


def host_versions() -> tuple[int, ...]:
    """Application versions that a host offers; with MACHINEADM_PLUGIN_FORCE_JSON=1 the old one alone."""
    # As Packer's PACKER_FORCE_GOB: an operator's way back to the older encoding.
    return (JSON,) if os.environ.get(FORCE_JSON) == "1" else (JSON, MSGPACK)


def encode(version: int, value: dict[str, Any]) -> bytes:
    """Encode an object as a protocol version says."""
    return msgspec.json.encode(value) if version == JSON else msgspec.msgpack.encode(value)


def decode(version: int, data: bytes) -> dict[str, Any]:
    """Decode an object.

    Raises:
        msgspec.DecodeError: It is none.
    """
    decoder = msgspec.json.decode if version == JSON else msgspec.msgpack.decode
    # No bytes are no settings: proto3 does not send an empty field.
    return decoder(data, type=dict[str, Any]) if data else {}
