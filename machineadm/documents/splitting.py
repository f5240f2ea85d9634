"""Cut a stream of documents at its markers, so that one bad document does not hide the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Neither can begin a line inside a document, not even in a block scalar (YAML 1.2.2, 9.1.2), so no parser is needed.
_MARKER: Final = r"\n(?:---|\.\.\.)(?=[ \t\r\n]|\Z)"
# Without comments: a JSON document behind one is rare, and libyaml reads it as a flow map.
_LEAD: Final = r"(?:---)?[ \t\r\n]*"
_PREAMBLE: Final = r"[ \t]*(?:[#%].*)?"


def parts(text: str) -> Iterator[tuple[int, int]]:
    """Cut a stream at its document markers.

    Args:
        text: The whole stream.

    Yields:
        Begin and end of each part, in code points. It holds a document, seldom more or none; directives
        stay with what follows them.
    """
    begin = 0
    for at in _markers(text):
        # `...` ends a document and begins none; only its own three dots are dropped.
        if text.startswith("...", at):
            yield begin, at
            begin = at + 3
        # Directives and a comment at the top go with the document behind their marker, or %YAML
        # would be a document of its own.
        elif at > begin and not _is_preamble(text[begin:at]):
            yield begin, at
            begin = at
    yield begin, len(text)


def json_begin(text: str, begin: int, end: int) -> int | None:
    """Find where a part's JSON begins.

    Args:
        text: The whole stream.
        begin: Where the part begins.
        end: Where it ends.

    Returns:
        Offset of its brace, or None if it must be read as YAML.
    """
    lead = re.compile(_LEAD).match(text, begin, end)
    at = lead.end() if lead else begin
    return at if at < end and text[at] == "{" else None


def _markers(text: str) -> Iterator[int]:
    # The pattern wants a line break in front, which the first line does not have.
    if text.startswith(("---", "...")) and re.match(_MARKER, "\n" + text[:4]):
        yield 0
    for found in re.finditer(_MARKER, text):
        yield found.start() + 1


def _is_preamble(text: str) -> bool:
    """Whether there is nothing but blanks, comments and directives."""
    # One character decides for nearly all documents; only then is it looked at line by line.
    if text.lstrip()[:1] not in ("", "#", "%"):
        return False
    return all(re.fullmatch(_PREAMBLE, line) for line in text.splitlines())
