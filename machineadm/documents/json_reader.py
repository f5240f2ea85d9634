"""JSON (RFC 8259) to nodes with their places: msgspec's decoder reports neither places nor duplicate keys.

libyaml is not a reader of JSON: surrogate pairs, long keys, tabs and `1e3` differ.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import DecodeError, json

from machineadm.documents.limits import Budget, check_depth
from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence
from machineadm.documents.source import RefusedError

# The four of RFC 8259, 2; `\s` would take a no-break space as well.
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*')
# At most 100 at a time: re keeps about a hundred bytes for each repetition of a group.
_ESCAPES: Final = re.compile(r'(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*){1,100}')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# Up to whatever may follow a value: the whole of a mistyped word is judged and skipped at once.
_WORD: Final = re.compile(r"[^\s\[\]{},:\"]+")
_WORDS: Final = {"true": True, "false": False, "null": None}
# YAML's flow maps begin with a brace, too, and are not read as YAML here: one document must not
# have two meanings.
_YAML_HINT: Final = "a document that begins with { is JSON: keys and strings need double quotes"


class JsonReader:
    """Reads one JSON document out of a text.

    Args:
        text: The whole source.
        at: Where the document begins, in code points.
        end: Where the part ends that may hold it.
        budget: Counts nodes; shared by all parts of the source.
    """

    def __init__(self, text: str, at: int, end: int, budget: Budget) -> None:
        self.at = at
        self._text = text
        self._end = end
        self._budget = budget

    def document(self) -> Node:
        """Read the document; afterwards `at` is behind it and the blanks after it.

        Returns:
            Its root.

        Raises:
            RefusedError: it cannot be read.
        """
        # What follows is the caller's: it reads one document after the other.
        root = self._value(1)
        self._skip()
        return root

    def _skip(self) -> str:
        """Skip blanks; returns the next character, or an empty string at the end."""
        blank = _BLANK.match(self._text, self.at, self._end)
        self.at = blank.end() if blank else self.at
        return self._text[self.at] if self.at < self._end else ""

    def _value(self, depth: int) -> Node:
        first = self._skip()
        # Before anything is built, so that a bomb costs no more than the limit.
        self._budget.add(self.at)
        if first == "{":
            return self._mapping(depth)
        if first == "[":
            return self._sequence(depth)
        return self._string() if first == '"' else self._bare()

    def _mapping(self, depth: int) -> Mapping:
        node = Mapping(self.at, [])
        # Before the recursion: Python's own limit would end as a RecursionError.
        check_depth(depth, self.at)
        self.at += 1
        if self._skip() == "}":
            self.at += 1
            return node
        while True:
            if self._skip() != '"':
                raise self._unexpected("a key in double quotes")
            self._budget.add(self.at)
            # Duplicate keys are kept, so that the walk can report both places.
            node.items.append(self._string())
            self._expect(":")
            node.items.append(self._value(depth + 1))
            if self._expect(",}") == "}":
                return node

    def _sequence(self, depth: int) -> Sequence:
        node = Sequence(self.at, [])
        check_depth(depth, self.at)
        self.at += 1
        if self._skip() == "]":
            self.at += 1
            return node
        while True:
            # No comma before the bracket, which RFC 8259 does not allow either.
            node.items.append(self._value(depth + 1))
            if self._expect(",]") == "]":
                return node

    def _expect(self, characters: str) -> str:
        found = self._skip()
        if not found or found not in characters:
            raise self._unexpected(" or ".join(characters))
        self.at += 1
        return found

    def _string(self) -> Scalar:
        at = self.at
        end = at + 1
        part = _PLAIN.match(self._text, end, self._end)
        while part:
            end = part.end()
            part = _ESCAPES.match(self._text, end, self._end)
        # Without quoting the text: it may be a secret that somebody forgot to close.
        if end >= self._end or self._text[end] != '"':
            raise RefusedError(
                "MA1006", at, "not JSON: a string that does not end, or a bad escape"
            )
        self.at = end + 1
        text = self._text[at + 1 : end]
        if "\\" in text:
            # Only with a backslash: most strings have none, and their text is a plain slice.
            text = self._unescaped(self._text[at : self.at])
        # Not plain: in JSON a string is always quoted, so it is never ambiguous.
        return Scalar(at, text, text, False)

    def _unescaped(self, quoted: str) -> str:
        try:
            # By msgspec, which knows how surrogate pairs go together.
            return json.decode(quoted, type=str)
        except (DecodeError, UnicodeError):
            message = "not JSON: half a surrogate pair"
            raise RefusedError("MA1006", self.at - len(quoted), message) from None

    def _bare(self) -> Scalar:
        at = self.at
        found = _WORD.match(self._text, at, self._end)
        text = found[0] if found else ""
        # NaN, Infinity and +1, which Python's own json module accepts, are not JSON.
        if text not in _WORDS and not _NUMBER.fullmatch(text):
            raise self._unexpected("a value")
        self.at += len(text)
        if text in _WORDS:
            return Scalar(at, _WORDS[text], text, True)
        try:
            # By msgspec, so that a number is the same value on both roads, this one and the fast
            # one.
            return Scalar(at, json.decode(text), text, True)
        except ValueError:
            raise RefusedError("MA1006", at, "not JSON: a number that is out of range") from None

    def _unexpected(self, wanted: str) -> RefusedError:
        where = f"not JSON: expected {wanted}"
        if self.at >= self._end:
            return RefusedError("MA1006", self.at, f"{where}, found the end")
        return RefusedError("MA1006", self.at, where, _YAML_HINT)
