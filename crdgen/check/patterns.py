r"""Whether Go's regexp would compile a pattern, asked of RE2, its C++ twin.

They are not the same to the letter. `\C`, which Go refuses, and nesting beyond Go's limit are refused here; how the
two count the height of what nests less deep differs, so that nothing is said of it; names of Unicode classes that
only one of them has are told.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

_NESTING: Final = 1000  # Go refuses a syntax tree that is higher
_SURE: Final = 330  # a group adds at most three levels: itself, a repetition, a sequence
_TOKEN: Final = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|\[:[^\]]*:\]|[^\]\\])*\]|[()]", re.DOTALL
)
_CLASS: Final = re.compile(r"\\[pP](?:\{\^?([^}]*)\}|([A-Z]))")
# Names of one of the two (Go 1.25 and later; RE2 of 2025). `Any` and the scripts are in both.
GO_ONLY: Final = frozenset({"ASCII", "Assigned", "Cn", "LC"})


@functools.cache
def _options() -> Any:
    import re2

    options = re2.Options()
    options.max_mem = 256 << 20
    options.log_errors = False
    return options


@functools.lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """The pattern for searching.

    Args:
        pattern: In RE2's syntax.

    Returns:
        The compiled pattern, or None if it does not compile.
    """
    import re2

    try:
        return re2.compile(pattern, _options())
    except (re2.error, UnicodeEncodeError):
        return None


@functools.lru_cache(maxsize=4096)
def fault(pattern: str) -> str:
    """Why Go would refuse a pattern; empty if it would not."""
    import re2

    parts = _TOKEN.findall(pattern)
    if "\\C" in parts or any("\\C" in t for t in parts if t.startswith("[")):
        return "must be a valid regular expression: Go has no \\C"
    if _depth(parts) > _NESTING:
        return "must be a valid regular expression: it nests more than 1000 deep"
    try:
        re2.compile(pattern, _options())
    except re2.error as error:
        if any((a or b) in GO_ONLY for a, b in _CLASS.findall(pattern)):
            return ""
        return f"must be a valid regular expression: {_words(error)}"
    except UnicodeEncodeError:
        return "must be a valid regular expression: it is no Unicode text"
    return ""


def doubt(pattern: str) -> str:
    """What was not judged of a pattern that compiles; empty if all was."""
    if _depth(_TOKEN.findall(pattern)) > _SURE:
        return "nests so deep that Go may refuse it"
    names = {a or b for a, b in _CLASS.findall(pattern)} & GO_ONLY
    if names:
        return f"names a class that not every release of Go knows: {', '.join(sorted(names))}"
    return ""


def _depth(parts: list[str]) -> int:
    depth = deepest = 0
    for part in parts:
        if part == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif part == ")":
            depth -= 1
    return deepest


def _words(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
