"""Tokens of a template, cut as Go's text/template cuts them (text/template/parse/lex.go, Go 1.24).

What Go reads and we do not (variables, fields, numbers ...) is refused here by name and place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NoReturn

from msgspec import Struct

# Go's spaceChars, and not Python's idea of blanks: str.strip() would take a no-break space as well.
BLANKS: Final = " \t\r\n"

_SPACE: Final = re.compile(r"[ \t\r\n]+")
# Longest first: ` -}}` begins with a blank that would otherwise be a token of its own.
_CLOSE: Final = re.compile(r"[ \t\r\n]-\}\}|\}\}")
_TRIM: Final = re.compile(r"-[ \t\r\n]")
# ASCII only. Go takes any letter of Unicode in a name, but no function here has one.
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What may follow a word in Go's lexer (atTerminator); `\Z` since a template may end there, which is
# refused as an action that is not closed.
_WORD_END: Final = re.compile(r"[ \t\r\n.,|:)(]|\}\}|\Z")
_PLAIN: Final = re.compile(r'[^"\\\n]*')
_RAW: Final = re.compile(r"`[^`]*`")
# The empty branch comes last: it takes a backslash that no other branch takes, so that a wrong
# escape is found and refused and not passed over.
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|)"
)
_SIMPLE: Final = dict(zip('abfnrtv\\"', b'\a\b\f\n\r\t\v\\"', strict=True))
# By the first character, because that is all that Go's lexer needs to tell these apart; each gets a
# name in the message, which helps more than "not allowed".
_FOREIGN: Final = {
    "$": "variables",
    ".": "the dot and fields",
    "'": "character constants",
    ":": "declarations",
    "=": "assignments",
    "+": "numbers",
    "-": "numbers",
    **dict.fromkeys("0123456789", "numbers"),
}
# A message is one line of a log, and a template may be one line of a megabyte.
_SHOWN: Final = 60
_LANGUAGE: Final = (
    "use functions, pipelines, string literals, true, false, parentheses, if, else and end"
)

Kind = Literal["text", "open", "close", "space", "pipe", "(", ")", "literal", "word"]


class TemplateError(Exception):
    """A template is refused, or cannot be filled in.

    Args:
        code: Stable code.
        line: Line in the template, from 1.
        column: From 1, in code points.
        message: What is wrong, in one line.
        hint: What to do about it; may be empty.
    """

    def __init__(self, code: str, line: int, column: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint


class Token(Struct, frozen=True, gc=False):
    """A piece of a template.

    Args:
        kind: What it is.
        at: Where it begins, in code points.
        text: As written; of a text, what trim markers leave of it.
        value: Of a literal, its bytes.
    """

    kind: Kind
    at: int
    text: str
    value: bytes = b""


def refuse(text: str, at: int, code: str, message: str, hint: str = "") -> NoReturn:
    """Refuse a template at a place.

    Args:
        text: The whole template.
        at: The place, in code points.
        code: Stable code.
        message: What is wrong, in one line.
        hint: What to do about it.

    Raises:
        TemplateError: Always.
    """
    # Counted when it is refused, and not while reading: most templates are never refused.
    line = text.count("\n", 0, at) + 1
    raise TemplateError(code, line, at - text.rfind("\n", 0, at), message, hint)


def tokens(text: str) -> Iterator[Token]:
    """Cut a template.

    Args:
        text: The whole template.

    Yields:
        Texts, and for each action `open`, what it holds, `close`. Comments are gone. Texts may be empty.

    Raises:
        TemplateError: It cannot be cut.
    """
    at = 0
    while (begin := text.find("{{", at)) >= 0:
        inside = begin + 2
        # A blank must follow the hyphen: `{{-3}}` is a number in Go, and no trim marker.
        trims = _TRIM.match(text, inside)
        piece = text[at:begin]
        yield Token("text", at, piece.rstrip(BLANKS) if trims else piece)
        inside += 2 if trims else 0
        if text.startswith("/*", inside):
            at = _comment(text, begin, inside)
            continue
        yield Token("open", begin, "{{")
        for token in _action(text, begin, inside):
            yield token
            at = token.at + len(token.text)
        # The last token of an action is its closing delimiter, or _action() has refused.
        at = _after(text, token.at, token.text)
    yield Token("text", at, text[at:])


def _comment(text: str, begin: int, at: int) -> int:
    end = text.find("*/", at)
    if end < 0:
        refuse(text, begin, "MA1610", "a comment is not closed", "end it with */}}")
    close = _CLOSE.match(text, end + 2)
    if close is None:
        refuse(text, end, "MA1610", "a comment ends before its action does", "write {{/* ... */}}")
    return _after(text, close.start(), close[0])


def _after(text: str, at: int, close: str) -> int:
    """Return where text continues after a closing delimiter, which may trim."""
    at += len(close)
    # Longer than }} is ` -}}`, the one that trims.
    space = _SPACE.match(text, at) if len(close) > len("}}") else None
    return space.end() if space else at


def _action(text: str, begin: int, at: int) -> Iterator[Token]:
    """Yield the tokens of an action; `close` is the last."""
    depth = 0
    while at < len(text):
        if close := _CLOSE.match(text, at):
            # Go asks in the same order: a delimiter ends the action even inside parentheses.
            if depth:
                refuse(text, at, "MA1610", "a parenthesis is not closed")
            yield Token("close", at, close[0])
            return
        token = _token(text, at)
        depth += (token.kind == "(") - (token.kind == ")")
        if depth < 0:
            refuse(text, at, "MA1610", "a closing parenthesis without an opening one")
        yield token
        at += len(token.text)
    refuse(text, begin, "MA1610", "an action is not closed", "end it with }}")


def _token(text: str, at: int) -> Token:
    letter = text[at]
    if space := _SPACE.match(text, at):
        run = space[0]
        # The blank before -}} belongs to the delimiter: Go's trim marker is " -}}".
        trimmed = len(run) > 1 and text.startswith("-}}", space.end())
        return Token("space", at, run[:-1] if trimmed else run)
    if letter == "|":
        return Token("pipe", at, letter)
    if letter in "()":
        return Token("(" if letter == "(" else ")", at, letter)
    if letter == '"':
        return _quoted(text, at)
    if letter == "`":
        return _raw(text, at)
    if word := _WORD.match(text, at):
        if not _WORD_END.match(text, word.end()):
            refuse(text, word.end(), "MA1610", f"{_shown(text[word.end()])} is not allowed here")
        return Token("word", at, word[0])
    if what := _FOREIGN.get(letter):
        refuse(text, at, "MA1611", f"templates here do not have {what}", _LANGUAGE)
    refuse(text, at, "MA1610", f"{_shown(letter)} is not allowed here")


def _quoted(text: str, at: int) -> Token:
    written = text[at : _end_of_quoted(text, at)]
    inner = written[1:-1]
    value, done = bytearray(), 0
    for escape in _ESCAPE.finditer(inner):
        # As bytes from the beginning: an escape may give a byte that no text has.
        value += inner[done : escape.start()].encode()
        value += _unescaped(text, at + 1 + escape.start(), escape)
        done = escape.end()
    return Token("literal", at, written, bytes(value) + inner[done:].encode())


def _end_of_quoted(text: str, at: int) -> int:
    """Return where a string ends; its escapes are checked later."""
    end = at + 1
    # Not one pattern: re keeps about a hundred bytes for each repetition of a group.
    while plain := _PLAIN.match(text, end):
        end = plain.end()
        if text.startswith('"', end):
            return end + 1
        if not text.startswith("\\", end) or text.startswith("\n", end + 1) or end + 2 > len(text):
            break
        # Past the backslash and what it escapes, so that \" does not end the string.
        end += 2
    refuse(text, at, "MA1610", "a string is not closed on its line")


def _unescaped(text: str, at: int, escape: re.Match[str]) -> bytes:
    simple, octal, byte, short, long = escape.groups()
    if simple:
        return bytes([_SIMPLE[simple]])
    # Go reads escapes as bytes: \377 is one byte, which need not be UTF-8.
    if octal and int(octal, 8) < 256:
        return bytes([int(octal, 8)])
    if byte:
        return bytes.fromhex(byte)
    code = int(short or long or "110000", 16)
    # Go refuses surrogates, and Python's encode() would raise on them.
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        hint = r"Go's escapes are \n, \t, \\, \", \x41, \101, \u0041 and such"
        refuse(text, at, "MA1610", "not a valid escape in a string", hint)
    return chr(code).encode()


def _raw(text: str, at: int) -> Token:
    found = _RAW.match(text, at)
    if found is None:
        refuse(text, at, "MA1610", "a raw string is not closed")
    # Go drops carriage returns from raw strings too (strconv.Unquote): a file may have Windows line ends.
    return Token("literal", at, found[0], found[0][1:-1].replace("\r", "").encode())


def _shown(letter: str) -> str:
    return repr(letter) if letter.isprintable() else f"U+{ord(letter):04X}"


def shown(piece: str) -> str:
    """Show a piece of a template in a message: on one line, and cut if it is long."""
    return repr(piece if len(piece) <= _SHOWN else f"{piece[:_SHOWN]}...")
