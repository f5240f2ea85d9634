"""One digest for a configuration, however it is written and whichever interpreter reads it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import msgspec

from machineadm.redaction import Secret


def digest(*roots: msgspec.Struct | None) -> str:
    """Hex SHA-256 of the canonical JSON of the roots, secrets revealed."""
    # Without what equals its default: a release that adds a field with a default must find the
    # digests of the last one again.
    canonical = [_canonical(root) for root in roots]
    # Two releases of the agent on one machine must agree, so neither Python's hash nor the order of
    # a dict may show in it.
    sum_ = sha256()
    sum_.update(msgspec.json.encode(canonical, order="deterministic"))
    return str(sum_.hexdigest())


def sha256() -> Any:
    """Like hashlib.sha256, but the interpreter's own if it has one: loading OpenSSL takes 3 ms and 4 MB.

    Only to identify a configuration or a step; what must withstand an attacker uses hashlib.
    """
    try:
        return import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256()
    # A distribution may build Python without its own digests (--with-builtin-hashlib-hashes).
    except ImportError:
        return import_module("hashlib").sha256()


def _canonical(value: Any) -> Any:
    """A value as builtins, without the fields that equal their defaults.

    msgspec's own omit_defaults compares by identity: it writes a default that is spelled out, and on CPython 3.10 also an
    empty tuple that was built at run time.
    """
    # Revealed: another password is another configuration. Only the digest leaves this function.
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, msgspec.Struct):
        return _fields(value)
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    # One form for both: decoders give tuples, tests and plugins lists.
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    return value


def _fields(struct: msgspec.Struct) -> dict[str, Any]:
    names, defaults = struct.__struct_fields__, struct.__struct_defaults__
    # Fields without a default come first, as with the parameters of a function.
    without = len(names) - len(defaults)
    tag = struct.__struct_config__.tag
    # A union's variants may have equal fields; only the tag tells them apart. No field has an empty
    # name.
    given = {} if tag is None else {"": tag}
    for name in names[:without]:
        given[name] = _canonical(getattr(struct, name))
    for name, default in zip(names[without:], defaults, strict=True):
        value = getattr(struct, name)
        if value != (default.factory() if hasattr(default, "factory") else default):
            given[name] = _canonical(value)
    return given
