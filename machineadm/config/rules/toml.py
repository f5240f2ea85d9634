"""TOML that others read: what a text says, or where it is wrong."""

from __future__ import annotations

from typing import Any


def read_toml(text: str) -> dict[str, Any]:
    """The tables of a text.

    Raises:
        ValueError: It is not TOML; the message has line and column, and nothing of the text.
    """
    import sys
    from importlib import import_module

    # Loaded here: a machine whose runtime is left as it is needs neither.
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        found: dict[str, Any] = toml.loads(text)
    except toml.TOMLDecodeError as error:
        # The exception has no attributes for it before 3.14.
        place = str(error).rpartition("(")[2].rstrip(")")
        raise ValueError(f"is not TOML ({place})") from None
    return found
