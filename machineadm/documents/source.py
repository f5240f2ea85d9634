"""Bytes to text: size, encoding, characters; and from an offset to line and column."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MAX_BYTES: Final = 16 * 1024 * 1024
"""The largest input that is read, in bytes. 4 MiB of configuration must be fine; nothing real is larger."""

# A table of at most 1,024 entries, and at most this much text to count in for each place.
_BLOCK: Final = 16 * 1024
# What YAML 1.1 calls printable, without U+0085, U+2028 and U+2029, which it reads as line breaks and YAML 1.2 as text.
# Compiled only when needed: compiling takes as long as reading 100 KB.
_UNPRINTABLE: Final = (
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_PRINTABLE_ASCII: Final = bytes([9, 10, 13, *range(32, 127)])
# Little-endian UTF-32 begins like UTF-16, so three marks are all four.
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_PACKED: Final = (
    (b"\x1f\x8b", "gzip data", "unpack it: `gunzip < FILE | machineadm validate --path -`"),
    (b"\xfd7zXZ", "xz data", "unpack it: `unxz < FILE | machineadm validate --path -`"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it: `unzstd < FILE | machineadm validate --path -`"),
    (b"BZh", "bzip2 data", "unpack it: `bunzip2 < FILE | machineadm validate --path -`"),
    (b"PK\x03\x04", "a zip archive", "unpack it and give the file in it"),
    (b"\x7fELF", "a program", "give the configuration, not the program"),
)
"""How files begin that people give by mistake, what they are, and what to do."""


class Fault(Struct, frozen=True):
    """Something wrong and its offset; with its file and document it becomes a Problem.

    Args:
        code: Stable code.
        at: Offset in the text, in code points.
        message: What is wrong, in one line, without any secret.
        hint: What to do about it; may be empty.
        path: The field; empty if it concerns none.
    """

    code: str
    at: int
    message: str
    hint: str = ""
    path: str = ""


class RefusedError(Exception):
    """The input cannot be read any further.

    Args:
        code: Stable code.
        at: Offset in the text, in code points.
        message: What is wrong, in one line.
        hint: What to do about it.
    """

    def __init__(self, code: str, at: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(code, at, message, hint)


class Source:
    """The text of one input.

    Args:
        file: Its name for messages.
        text: Its text, without byte order mark.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self._blocks: list[tuple[int, int]] | None = None

    def position(self, at: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset in code points."""
        # Only for a text with a problem, so a good configuration never pays for it.
        if self._blocks is None:
            self._blocks = self._survey()
        line, begin = self._blocks[at // _BLOCK]
        more, last = self._breaks(at // _BLOCK * _BLOCK, at)
        return line + more, at - (last or begin) + 1

    def origin(self, _at: int) -> tuple[str, int] | None:
        """File and document that an offset is in, where a text is of several; None: the document's own."""
        return None

    def _survey(self) -> list[tuple[int, int]]:
        """Return the line at the beginning of each block, and where that line begins.

        Not a list of all lines: for a text of empty lines it would take forty times the text's memory.
        """
        # Line 1 begins at offset 0; a block without a break keeps the beginning of the line that it
        # is in.
        blocks = [(1, 0)]
        for begin in range(0, len(self.text), _BLOCK):
            more, last = self._breaks(begin, begin + _BLOCK)
            line, before = blocks[-1]
            blocks.append((line + more, last or before))
        return blocks

    def _breaks(self, begin: int, end: int) -> tuple[int, int]:
        """Count the line breaks that end after `begin` and not after `end`; and where the last one ends, 0 for none."""
        text = self.text
        # A pair at the end is a break that ends behind it; one around the beginning ends within.
        if text.startswith("\r\n", end - 1):
            end -= 1
        if begin and text.startswith("\r\n", begin - 1):
            begin -= 1
        pairs = text.count("\r\n", begin, end)
        number = text.count("\n", begin, end) + text.count("\r", begin, end) - pairs
        return number, 1 + max(text.rfind("\n", begin, end), text.rfind("\r", begin, end))


def read_text(data: bytes) -> str:
    """Decode an input.

    Args:
        data: UTF-8, with or without byte order mark.

    Returns:
        The text without the byte order mark.

    Raises:
        RefusedError: it is too large or not UTF-8. `at` counts from the beginning of the text.
    """
    # Before decoding: a text of wide characters takes four bytes for each in memory.
    if len(data) > MAX_BYTES:
        message = f"{len(data)} bytes are more than the limit of {MAX_BYTES}"
        raise RefusedError("MA1002", 0, message, "put large contents elsewhere and fetch them")
    # By name: PowerShell's `>` writes UTF-16, and "invalid start byte 0xff" explains that to
    # nobody.
    if data.startswith(_WIDE_MARKS):
        message = "not UTF-8, but UTF-16 or UTF-32"
        raise RefusedError("MA1003", 0, message, "save the file as UTF-8")
    for magic, what, hint in _PACKED:
        if data.startswith(magic):
            raise RefusedError("MA1003", 0, f"not text, but {what}", hint)
    # Not "utf-8-sig", whose codec would be imported.
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        message = f"not UTF-8: byte 0x{data[error.start]:02x} is not allowed here"
        raise RefusedError("MA1003", len(before), message, "save the file as UTF-8") from None


def check_characters(text: str, base: int) -> None:
    """Refuse characters that YAML refuses, and those that only some readers of YAML take for line breaks.

    Args:
        text: YAML.
        base: Offset of the text in its source, in code points.

    Raises:
        RefusedError: there is such a character.
    """
    # Enough for nearly every text, at a tenth of the pattern's cost.
    if text.encode().translate(None, _PRINTABLE_ASCII).decode().isprintable():
        return
    # isprintable() is stricter than YAML (a no-break space, letters of newer Unicode), so it does
    # not decide alone.
    if found := re.search(_UNPRINTABLE, text):
        code = ord(found[0])
        message = f"the character U+{code:04X} must be escaped"
        hint = f'write it in double quotes as "\\u{code:04x}"' if code else "remove it"
        raise RefusedError("MA1004", base + found.start(), message, hint)
