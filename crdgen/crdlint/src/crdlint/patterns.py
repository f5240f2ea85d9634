r"""Decide with RE2, its C++ twin, whether Go's regexp would compile a pattern.

The two differ slightly. `\C`, which Go refuses, and nesting beyond Go's limit are refused here. They count the height of
lesser nesting differently, so nothing is reported for that. Names of Unicode classes that only one of them has are
reported.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

_NESTING: Final = 1000  # Go refuses a syntax tree that is higher
_SURE: Final = 330  # a group adds at most three levels: itself, a repetition, a sequence
# Quotes, escapes and classes first, so that a parenthesis in one of them is not counted.
_PART: Final = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|\[:[^\]]*:\]|[^\]\\])*\]|[()]", re.DOTALL
)
_CLASS: Final = re.compile(r"(\\[pP])(?:\{(\^?)([^}]*)\}|([A-Z]))")
# Names that Go has from 1.25 on, where it also looks past case, spaces, hyphens and underscores, and RE2 has not.
LATER_NAMES: Final = frozenset(
    [
        "ascii",
        "assigned",
        "cn",
        "lc",
        "casedletter",
        "closepunctuation",
        "cntrl",
        "combiningmark",
        "connectorpunctuation",
        "control",
        "currencysymbol",
        "dashpunctuation",
        "decimalnumber",
        "digit",
        "enclosingmark",
        "finalpunctuation",
        "format",
        "initialpunctuation",
        "letter",
        "letternumber",
        "lineseparator",
        "lowercaseletter",
        "mark",
        "mathsymbol",
        "modifierletter",
        "modifiersymbol",
        "nonspacingmark",
        "number",
        "openpunctuation",
        "other",
        "otherletter",
        "othernumber",
        "otherpunctuation",
        "othersymbol",
        "paragraphseparator",
        "privateuse",
        "punct",
        "punctuation",
        "separator",
        "spaceseparator",
        "spacingmark",
        "surrogate",
        "symbol",
        "titlecaseletter",
        "unassigned",
        "uppercaseletter",
    ]
)


@functools.cache
def _options() -> Any:
    import re2

    options = re2.Options()
    # Go has no bound of this kind; RE2's own of 8 MiB would refuse repetitions that Go takes.
    options.max_mem = 256 << 20
    # It would write to standard error on its own.
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
    # A lone surrogate can come out of JSON's \ud800 and is no UTF-8.
    except (re2.error, UnicodeEncodeError):
        return None


@functools.lru_cache(maxsize=4096)
def fault(pattern: str) -> str:
    """Return why Go would refuse a pattern; empty if it would not."""
    import re2

    parts = _PART.findall(pattern)
    # Also in a class, where Go refuses it with other words.
    if any("\\C" in p for p in parts if p == "\\C" or p.startswith("[")):
        return "must be a valid regular expression: Go has no \\C"
    if _depth(parts) > _NESTING:
        return "must be a valid regular expression: it nests more than 1000 deep"
    try:
        re2.compile(_CLASS.sub(_in_both, pattern), _options())
    except re2.error as error:
        return f"must be a valid regular expression: {_words(error)}"
    except UnicodeEncodeError:
        return "must be a valid regular expression: it is not Unicode text"
    return ""


def doubt(pattern: str) -> str:
    """Return what could not be judged of a pattern that compiles; empty if nothing."""
    if _depth(_PART.findall(pattern)) > _SURE:
        return "nests so deep that Go may refuse it"
    # A warning: the server's release of Go is not known from here.
    names = {m[3] for m in _CLASS.finditer(pattern) if m[3] and _varies(m[3])}
    if names:
        return f"names a class that some releases of Go do not know by that name: {', '.join(sorted(names))}"
    return ""


def _in_both(match: re.Match[str]) -> str:
    """A class, by another name where this one is not for RE2."""
    # Any class that both know will do: only whether the rest compiles is asked.
    return f"{match[1]}L" if match[3] and _varies(match[3]) else match[0]


@functools.cache
def _varies(name: str) -> bool:
    """Whether releases of Go differ in whether they know a class by that name."""
    if re.sub("[-_ ]", "", name).lower() in LATER_NAMES:
        return True
    exact = compiled(rf"\p{{{name}}}") is not None
    if exact and re.search("_|[a-z][A-Z]", name):
        return True
    words = re.split("[-_ ]", name)
    return not exact and compiled(rf"\p{{{'_'.join(w.capitalize() for w in words)}}}") is not None


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
