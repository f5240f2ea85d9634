"""The meaning of a plain (unquoted) scalar of YAML.

YAML 1.1, which libyaml and most of Kubernetes read, and YAML 1.2 differ on some: `yes`, `0644`, `1:30`,
`1e3`. Such a scalar is Ambiguous, and the type of the field decides: where a boolean is meant, `yes` is
true, where a string is meant it must be quoted.
"""

from __future__ import annotations

import re
from typing import Final

from machineadm.documents.nodes import Ambiguous

Value = str | int | float | bool | Ambiguous | None

_NULLS: Final = ("", "~", "null", "Null", "NULL")
_BOOLEANS: Final = {"true": True, "false": False}
# Without y and n, which YAML 1.1 lists and PyYAML reads as text.
_SWITCHES: Final = {"yes": True, "no": False, "on": True, "off": False}
# A scalar that begins with any other character is always a string.
_FIRST: Final = frozenset("+-.0123456789~nNtTfFyYoO<")
_LONGEST: Final = 64

# Strings, not compiled patterns: each is compiled when a scalar first needs it, which keeps a cold start short.
_INTEGER: Final = r"[-+]?(?:0|[1-9][0-9]{0,18})"
_FLOAT: Final = r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]{1,3})?"
_TRAPS: Final = (
    (r"[-+]?0[0-7_]+", "an octal number"),
    (r"[-+]?0[xb][0-9a-fA-F_]+", "a hexadecimal or binary number"),
    (r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", "a number in base 60"),
    (r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+][0-9]+)?", "a number"),
    (r"[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?", "a number"),
    (r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "not a finite number"),
    (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t]+[0-9:.]+[ \t]*(?:Z|[-+][0-9:]+)?)?", "a date"),
)  # fmt: skip
# A string to libyaml, a number to readers of YAML 1.2.
_NUMBER_ELSEWHERE: Final = (
    r"[-+]?(?:0o[0-7]+|[0-9]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)


def resolve(text: str) -> Value:
    """Read a plain scalar.

    Args:
        text: As written.

    Returns:
        The text itself, or the number, boolean or null that it is to every reader, or Ambiguous.
    """
    if not text:
        return None
    # The length too: no number of a configuration is that long, and the patterns below need not run
    # over a long text.
    if text[0] not in _FIRST or len(text) > _LONGEST:
        return text
    # Before booleans, whose test needs a lower-case copy.
    if text in _NULLS:
        return None
    word = text.lower()
    if word in _BOOLEANS or word in _SWITCHES or word in ("y", "n"):
        return _boolean(text, word)
    # Its own case, because as a value it is a string to everybody; only as a key it merges
    # (yaml.org/type/merge).
    if text == "<<":
        return Ambiguous("a merge key", text)
    return text if text[0].isalpha() else _number(text)


def _boolean(text: str, word: str) -> Value:
    # YAML 1.1 knows three spellings only: `tRUE` is a string to every reader.
    if text not in (word, word.capitalize(), word.upper()):
        return text
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    # libyaml's users read y and n as text, others as booleans.
    return Ambiguous("a boolean", _SWITCHES.get(word, text))


def _number(text: str) -> Value:
    if text.count(".") > 1 and "-" not in text:
        return text  # an address; of all that follows a date alone may have two points, and that has hyphens
    if re.fullmatch(_INTEGER, text):
        return int(text)
    if re.fullmatch(_FLOAT, text):
        return float(text)
    for trap, kind in _TRAPS:
        if re.fullmatch(trap, text):
            return Ambiguous(kind)
    return Ambiguous("text", text) if re.fullmatch(_NUMBER_ELSEWHERE, text) else text
