"""What a text must be, in words: the patterns of the types speak to programs only."""

from __future__ import annotations

from typing import Final

_DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


def in_words(pattern: str) -> str:
    """What to say of a text that does not match a pattern.

    Args:
        pattern: As a type of ours declares it.

    Returns:
        A predicate: "is not an octal mode such as 0644".
    """
    return f"is not {WORDS[pattern]}" if pattern in WORDS else f"does not match {pattern}"


WORDS: Final[dict[str, str]] = {
    "^0?[0-7]{3,4}$": "an octal mode",
}
