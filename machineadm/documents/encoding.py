"""Write values as YAML and JSON, for files that other programs read.

YAML is written in block style with every string in double quotes, escaped as in JSON, so that it does not
matter how a reader takes plain scalars (`y`, `on`, `012`, `1e3`, `null`).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

from machineadm.redaction import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

# Every YAML reader takes these for the same string, so as keys they need no quotes.
# At least four characters, since YAML 1.1's other words (y, no, on, off, yes) are shorter.
_PLAIN_KEY = r"[A-Za-z][A-Za-z0-9]{3,}"
_WORDS = frozenset({"true", "false", "null"})
# JSON allows these unescaped; YAML reads them as line breaks or a byte order mark, or refuses them.
_YAML_ESCAPES = "[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"


def encode_json(value: object, *, reveal: bool = False, indent: int = 0) -> bytes:
    """Write a value as one JSON document.

    Args:
        value: Structs, maps, lists and scalars; field names as on the wire.
        reveal: Write secrets in clear text, for their destination only; else as `***`.
        indent: Spaces per level; 0 writes one line.

    Returns:
        UTF-8 without a trailing newline.
    """
    # Masked unless asked otherwise: a forgotten argument then costs a secret in a file, and not a
    # secret in a log.
    encoded = msgspec.json.encode(value, enc_hook=_reveal if reveal else _mask)
    return msgspec.json.format(encoded, indent=indent) if indent else encoded


def encode_yaml(value: object, *, reveal: bool = False) -> bytes:
    """Write a value as one YAML document in block style, every string in double quotes.

    Args:
        value: Structs, maps, lists and scalars; field names as on the wire.
        reveal: Write secrets as they are, for their destination only; else as `***`.

    Returns:
        UTF-8 that ends in a newline.

    Raises:
        ValueError: a number is infinite or not a number.
    """
    # Keys become strings first, since `_key` decides about quotes and 8080 without them is a number
    # to a reader.
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_reveal if reveal else _mask)
    return ("\n".join(_lines(plain)) + "\n").encode()


def encode_yaml_stream(values: Iterable[object], *, reveal: bool = False) -> bytes:
    """Write values as a stream of YAML documents, separated by `---`.

    Args:
        values: The documents in order, as for `encode_yaml`.
        reveal: Write secrets as they are, for their destination only; else as `***`.

    Returns:
        UTF-8 that ends in a newline.
    """
    return b"---\n".join(encode_yaml(value, reveal=reveal) for value in values)


def quoted(text: str) -> str:
    """Put a text in double quotes, as JSON and YAML both read it."""
    encoded = msgspec.json.encode(text).decode()
    if encoded.isprintable():
        return encoded  # the common case: isprintable() is False for every character that needs an escape
    return re.sub(_YAML_ESCAPES, lambda found: f"\\u{ord(found[0]):04x}", encoded)


def _reveal(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    # What msgspec's enc_hook must raise for a type that nobody knows: a Struct of ours has none, so
    # this is a fault of ours.
    raise NotImplementedError


def _mask(value: Any) -> str:
    if isinstance(value, Secret):
        return MASK
    raise NotImplementedError


def _lines(value: object) -> list[str]:
    """Return the lines of a map or list, or the one line of anything else, without indentation."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _entry(_key(key), item)]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(item)]
    # An empty map or list, too, in JSON's form: in block style it would be nothing at all, which
    # reads as null.
    return [_scalar(value)]


def _entry(key: str, value: object) -> list[str]:
    lines = _lines(value)
    if isinstance(value, dict | list | tuple) and value:
        return [f"{key}:", *(f"  {line}" for line in lines)]
    return [f"{key}: {lines[0]}"]


def _item(value: object) -> list[str]:
    first, *rest = _lines(value)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _key(key: str) -> str:
    if re.fullmatch(_PLAIN_KEY, key) and key.lower() not in _WORDS:
        return key
    return quoted(key)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    # msgspec writes 1e20, as JSON may; every other scalar is the same in both languages.
    if isinstance(value, float):
        return _float(value)
    return msgspec.json.encode(value).decode()


def _float(number: float) -> str:
    # JSON has no word for it, and `.nan` is text to readers of YAML that have JSON's schema alone
    # (YAML 1.2.2, 10.2).
    if not math.isfinite(number):
        raise ValueError(f"{number} is not allowed in a configuration")
    mantissa, exponent, digits = repr(number).partition("e")
    # YAML 1.1 takes a number for one only if it has a dot.
    return mantissa + ("" if "." in mantissa else ".0") + exponent + digits
