"""Strict decoding: which keys there are, and of what type each is. As encoding/json does it, null is not a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from crdlint.model import Findings, shown

Decoder = Callable[[Any, str, "Decoding"], Any]


class Decoding:
    """How a document is being decoded.

    Attributes:
        findings: Where problems go.
        strict: Whether unknown keys are refused. The API server does not look below `items`,
            `additionalProperties` and the like: what is unknown there is dropped in silence.
        broken: Places whose value could not be decoded, so that nothing else is said of them.
    """

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.strict = True
        self.broken: set[str] = set()

    def wrong(self, path: str, expected: str, value: Any) -> None:
        """Note a value of a wrong type."""
        # So that later checks do not report as missing what is there, but unreadable.
        self.broken.add(path)
        # Two mistakes that come from other dialects of JSON Schema have codes of their own: numbers
        # as exclusive bounds (from draft 6 on), and lists of types.
        code = "CRD005"
        if path.endswith((".exclusiveMinimum", ".exclusiveMaximum")):
            code = "CRD203"
        elif path.endswith(".type") and isinstance(value, list):
            code = "CRD205"
        self.findings.error(code, path, f"must be {expected}, not {_kind(value)}")

    def unknown(self, path: str, known: Mapping[str, Any], key: str, code: str) -> None:
        """Note a key that nothing reads."""
        # By case alone: encoding/json would have taken it, and the strict decoder of the API server
        # (sigs.k8s.io/json) does not.
        close = [k for k in known if k.lower() == key.lower() and k != key]
        hint = f"; did you mean {close[0]}?" if close else ""
        if self.strict:
            self.findings.error(code, path, f"unknown key{hint}")
        else:
            message = f"unknown key, which the API server silently drops{hint}"
            self.findings.warning("CRD006", path, message)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {shown(value)}"
    return (
        "a string"
        if isinstance(value, str)
        else "a list"
        if isinstance(value, list)
        else "a mapping"
    )


def string(value: Any, path: str, decoding: Decoding) -> str:
    """A string; empty without one."""
    if isinstance(value, str):
        return value
    decoding.wrong(path, "a string", value)
    return ""


def boolean(value: Any, path: str, decoding: Decoding) -> bool:
    """A boolean; false without one."""
    if isinstance(value, bool):
        return value
    decoding.wrong(path, "a boolean", value)
    return False


def integer(bits: int) -> Decoder:
    """A decoder of signed integers.

    Args:
        bits: Their width.
    """

    def decode(value: Any, path: str, decoding: Decoding) -> int | None:
        # bool is an int in Python.
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            return int(value)
        decoding.wrong(path, f"an integer of {bits} bits", value)
        return None

    return decode


def number(value: Any, path: str, decoding: Decoding) -> float | None:
    """A number, as a float64."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # Go's float64; an integer beyond 2^53 is rounded here as it is there.
        return float(value)
    decoding.wrong(path, "a number", value)
    return None


def anything(value: Any, path: str, decoding: Decoding) -> Any:
    """Any value, as it is."""
    del path, decoding
    return value


def list_of(item: Decoder, empty: Any = None) -> Decoder:
    """A decoder of lists.

    Args:
        item: Decodes each item that is not null.
        empty: What null is; called if it can be.
    """

    def decode(value: Any, path: str, decoding: Decoding) -> list[Any]:
        if not isinstance(value, list):
            decoding.wrong(path, "a list", value)
            return []
        blank = empty if callable(empty) else lambda: empty
        return [
            blank() if entry is None else item(entry, f"{path}[{index}]", decoding)
            for index, entry in enumerate(value)
        ]

    return decode


def map_of(item: Decoder, empty: Any = None) -> Decoder:
    """A decoder of maps by name.

    Args:
        item: Decodes each value that is not null.
        empty: What null is; called if it can be.
    """

    def decode(value: Any, path: str, decoding: Decoding) -> dict[str, Any]:
        if not isinstance(value, dict):
            decoding.wrong(path, "a mapping", value)
            return {}
        blank = empty if callable(empty) else lambda: empty
        return {
            name: blank() if entry is None else item(entry, f"{path}[{name}]", decoding)
            for name, entry in value.items()
        }

    return decode


def record(fields: Mapping[str, Decoder], code: str = "CRD004") -> Decoder:
    """A decoder of mappings with known keys; keys that are null or absent are absent from what it gives.

    Args:
        fields: The decoder of each key.
        code: The code of an unknown key.
    """

    def decode(value: Any, path: str, decoding: Decoding) -> dict[str, Any]:
        if not isinstance(value, dict):
            decoding.wrong(path, "a mapping", value)
            return {}
        found = {}
        for key, entry in value.items():
            # The path of a field begins without a dot at the root.
            where = f"{path}.{key}" if path else key
            if key not in fields:
                decoding.unknown(where, fields, key, code)
            elif entry is not None:
                found[key] = fields[key](entry, where, decoding)
        return found

    return decode


STRINGS: Final = list_of(string, "")
