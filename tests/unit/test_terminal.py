"""What others wrote does nothing to a terminal, and shows what a machine reads."""

from __future__ import annotations

import unicodedata

import pytest

from machineadm.terminal import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\rb"),
        ("allow \u202eyned", "allow \\u202eyned"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("one\u2028line", "one\\u2028line"),
        ("no\u200bthing", "no\\u200bthing"),
        ("\ufeff#!/bin/sh", "\\ufeff#!/bin/sh"),
        ("a\u00a0b", "a\\xa0b"),
        ("\U000e0041", "\\U000e0041"),
        ("half \udc80", "half \\udc80"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_text_of_any_script_and_tabs_stay() -> None:
    text = "\tGrüße, 機器, машина, مرحبا, e\u0301, ✓, 🙂"

    assert printable(text) == text


def test_nothing_that_is_left_is_a_control_or_a_mark_of_format() -> None:
    every = "".join(map(chr, range(0x110000)))

    left = {unicodedata.category(letter) for letter in printable(every) if letter != "\t"}

    assert left & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
