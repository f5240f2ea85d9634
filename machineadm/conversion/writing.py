"""Write a document as YAML that people go on with: texts of several lines as blocks, remarks where somebody has to decide."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from machineadm.conversion.placeholders import Bare
from machineadm.documents.encoding import quoted

Remarks = Mapping[str, tuple[str, ...]]
"""Lines to write above a field, by its path."""

# Columns of a remark; values are never wrapped.
_WIDTH: Final = 100
# A letter or slash first, so that nothing looks like a number or a date.
_PLAIN: Final = r"[A-Za-z/][A-Za-z0-9/_.-]*"
# What YAML 1.1 reads as something else than text.
_WORDS: Final = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])


def write(document: dict[str, object], remarks: Remarks) -> str:
    """One document.

    Args:
        document: Maps, lists and scalars.
        remarks: By path, as `spec.machine.files[0].path`; those of an empty path stand above the document.

    Returns:
        YAML that ends in a newline, without a `---`.
    """
    lines = [*_remark(remarks, ""), *_map(document, "", remarks)]
    return "\n".join(lines) + "\n"


def _map(value: Mapping[str, object], path: str, remarks: Remarks) -> list[str]:
    lines = []
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        # Above its field, where whoever edits the file will see it.
        lines += _remark(remarks, where)
        lines += _entry(_key(key), item, where, remarks)
    return lines


def _entry(key: str, value: object, path: str, remarks: Remarks) -> list[str]:
    if isinstance(value, dict) and value:
        return [f"{key}:", *_indented(_map(value, path, remarks))]
    if isinstance(value, list) and value:
        lines = [f"{key}:"]
        for index, item in enumerate(value):
            where = f"{path}[{index}]"
            lines += _indented(_remark(remarks, where))
            lines += _indented(_item(item, where, remarks))
        return lines
    first, *rest = _scalar(value)
    return [f"{key}: {first}", *_indented(rest)]


def _item(value: object, path: str, remarks: Remarks) -> list[str]:
    if isinstance(value, dict) and value:
        # The first key stands behind the dash, the others below it.
        first, *rest = _map(value, path, remarks)
        # A remark above the first key of an item would stand behind the dash.
        above = []
        while first.startswith("#") and rest:
            above.append(first)
            first, *rest = rest
        return [*above, f"- {first}", *_indented(rest)]
    if isinstance(value, list) and value:
        inner = [
            line
            for index, each in enumerate(value)
            for line in _item(each, f"{path}[{index}]", remarks)
        ]
        return [f"- {inner[0]}", *_indented(inner[1:])]
    first, *rest = _scalar(value)
    return [f"- {first}", *_indented(rest)]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" if line else line for line in lines]


def _remark(remarks: Remarks, path: str) -> list[str]:
    return [f"# {line}" for text in remarks.get(path, ()) for line in _wrapped(text)]


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    # A line break in a note would end the comment and begin YAML.
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return wrap(printable, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _key(key: str) -> str:
    return key if re.fullmatch(_PLAIN, key) and key.lower() not in _WORDS else quoted(key)


def _scalar(value: object) -> list[str]:
    """The first line, and further ones of a block."""
    # What a placeholder has for a default may be anything: only what YAML reads as it stands is
    # written without quotes.
    if isinstance(value, Bare) and value.isprintable() and not re.search(r":(\s|$)|\s#", value):
        return [str(value)]
    if isinstance(value, str):
        # Of this type alone: what is a placeholder is text from here on.
        return _text(str(value))
    return [msgspec.json.encode(value).decode()]


def _text(text: str) -> list[str]:
    if "\n" in text.rstrip("\n") and _is_block(text):
        # Chomping (YAML 1.2.2, 8.1.1.2): strip, clip or keep, by how many newlines the text ends
        # in.
        keep = {0: "-", 1: ""}.get(len(text) - len(text.rstrip("\n")), "+")
        return [f"|{keep}", *text[: -1 if text.endswith("\n") else None].split("\n")]
    # Quotes only where they are needed: people go on with this file by hand.
    if re.fullmatch(_PLAIN, text) and text.lower() not in _WORDS:
        return [text]
    return [quoted(text)]


def _is_block(text: str) -> bool:
    """Whether a block says the text exactly, to every reader of YAML."""
    if (
        text[0] in " \t\n"
        or "\t" in text[:1]
        or not text.replace("\n", "").replace("\t", "").isprintable()
    ):
        return False
    # A line of blanks alone would lose them when it is indented.
    return not any(line and not line.strip() for line in text.split("\n")) and not text.endswith(
        "\n\n"
    )
