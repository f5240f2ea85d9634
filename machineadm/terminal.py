"""Text of others that is shown on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what a terminal obeys, or shows elsewhere or not at all, escaped; a tab stays.

    Controls move the cursor and set titles; marks of direction (U+202E and its kind) show a line in another order than a
    machine reads it (CVE-2021-42574); line separators end a line that others see go on.
    """
    # A fast path in C: nearly every line of every file passes, and a plan has thousands of them.
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter == "\t" else _escaped(letter) for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode-escape").decode()
