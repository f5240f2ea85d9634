"""`${NAME}` of envsubst and Kustomize: found, kept, and filled in as clusterctl does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PLACEHOLDER: Final = r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)([^{}]*)\}"
"""`$${` is a literal `${`; behind a name may stand what to do with its value: `:=6443`, `#v`, `%.*`."""
# The longer signs first: `:=` begins with neither of the others, and `=` would match a part of it.
_DEFAULTS: Final = (":=", ":-", "=", "-")


class Bare(str):
    """A placeholder that stands for something else than text, and so is written without quotes."""

    __slots__ = ()


def holds(text: str) -> bool:
    """Whether there is a placeholder in a text."""
    return any(found[1] for found in re.finditer(_PLACEHOLDER, text))


def is_meant(text: str) -> bool:
    """Whether a text was written for envsubst: it has placeholders, or a `$${` that only envsubst understands."""
    return re.search(_PLACEHOLDER, text) is not None


def is_whole(text: str) -> bool:
    """Whether a text is one placeholder and nothing else."""
    found = re.fullmatch(_PLACEHOLDER, text.strip())
    return found is not None and bool(found[1])


def names(text: str) -> tuple[str, ...]:
    """The names of a text's placeholders, each once."""
    return tuple(dict.fromkeys(found[1] for found in re.finditer(_PLACEHOLDER, text) if found[1]))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders that there are values or defaults for; the others stay.

    Args:
        text: A whole file, before it is read as YAML.
        values: By name.
    """
    # Without values nothing is filled in, not even defaults: the placeholders are for a later tool.
    if not values:
        return text
    return re.sub(_PLACEHOLDER, lambda found: _value(found, values), text)


def default_of(text: str) -> str | None:
    """The default of a text that is one placeholder: `6443` of `${PORT:=6443}`."""
    found = re.fullmatch(_PLACEHOLDER, text.strip())
    if found is None or not found[1]:
        return None
    for sign in _DEFAULTS:
        if found[2].startswith(sign):
            return found[2][len(sign) :]
    return None


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    name, rest = found[1], found[2]
    if not name:
        return "${"
    value = values.get(name)
    for sign in _DEFAULTS:
        if rest.startswith(sign):
            fallback = rest[len(sign) :].strip("\"'")
            return (
                (value or fallback)
                if sign.startswith(":")
                else (fallback if value is None else value)
            )
    # For clusterctl this is an error; here it stays for whoever fills it in.
    if value is None:
        return found[0]
    if not rest:
        return value
    changed = _changed(value, rest)
    return found[0] if changed is None else changed


def _changed(value: str, rest: str) -> str | None:
    """What a shell's expansion makes of a value; None where it is one that is not known here."""
    from fnmatch import fnmatchcase

    for sign in ("##", "#", "%%", "%"):
        if rest.startswith(sign):
            pattern = rest[len(sign) :]
            # The shortest match first, or, reversed, the longest one: # and ## at the beginning, %
            # and %% at the end.
            cuts = range(len(value) + 1)
            if sign in ("##", "%"):
                cuts = cuts[::-1]
            for cut in cuts:
                part = value[:cut] if sign[0] == "#" else value[cut:]
                if fnmatchcase(part, pattern):
                    return value[cut:] if sign[0] == "#" else value[:cut]
            return value
    if rest.startswith("/") and rest.count("/") in (2, 3):
        every = rest.startswith("//")
        old, _, new = rest.lstrip("/").partition("/")
        return value.replace(old, new, -1 if every else 1) if old else None
    return {"^^": value.upper(), ",,": value.lower()}.get(rest)
