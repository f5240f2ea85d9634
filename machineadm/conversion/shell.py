"""As much of a shell's grammar as conversion needs: in which kind of quotes a place of a script is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

Place = Literal["code", "double", "single", "comment", "here", "here-quoted"]
# Quoted in any way, the delimiter keeps the shell from expanding what follows (POSIX, 2.7.4).
_HERE: Final = r"<<(-?)\s*(?:'([^'\n]+)'|\"([^\"\n]+)\"|(\\?[A-Za-z_][A-Za-z0-9_]*))"


class Script:
    """A script, scanned once.

    Args:
        text: The script. What it is not sure about is code.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._places: list[Place] = ["code"] * len(text)
        # Beside the place: `(exit 0)` and `$(cd x)` are code, and end or change another shell.
        self._depths = [0] * len(text)
        self._scan()

    def place(self, at: int) -> Place:
        """In what a character stands."""
        return self._places[at]

    @property
    def code(self) -> str:
        """The script with everything blanked that is quoted, a comment, or runs in a shell of its own."""
        # Blanked with NUL and not removed: offsets stay, and no pattern takes NUL for a blank.
        return "".join(
            letter
            if place == "code" and not depth
            else ("\n" if letter == "\n" and place == "comment" else "\0")
            for letter, place, depth in zip(self.text, self._places, self._depths, strict=True)
        )

    def exits(self) -> Iterator[tuple[int, str]]:
        """Where the script itself ends before its end, and with what: offset and argument of `exit`."""
        for found in re.finditer(
            # Where a command may begin.
            r"(?:^|[;&|\n{]|\b(?:then|do|else))[ \t]*exit(?![A-Za-z0-9_-])[ \t]*([^\s;&|}\0]*)",
            self.code,
        ):
            yield found.start(), found[1]

    def assigned(self) -> frozenset[str]:
        """Names that the script gives a value to in its own shell."""
        return frozenset(
            re.findall(
                r"(?:^|[;&|\n{]|\b(?:then|do|else|export|readonly))[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=",
                self.code,
            )
        )

    def exported(self) -> frozenset[str]:
        """Names that its programs see."""
        return frozenset(re.findall(r"\bexport[ \t]+([A-Za-z_][A-Za-z0-9_]*)", self.code))

    def options(self) -> tuple[str, ...]:
        """What `set` turns on that changes when the script ends: `set -eux`."""
        # -e and -u change what a failing command does to those after it; others only what is
        # printed.
        return tuple(
            found.strip()
            for found in re.findall(
                r"(?:^|[;&\n])[ \t]*(set[ \t]+-[a-z]*[eu][a-z]*(?:[ \t]+-?o?[ \t]*pipefail)?)(?=[\s;]|$)",
                self.code,
            )
        )

    def functions(self) -> frozenset[str]:
        """Functions that it defines."""
        return frozenset(
            re.findall(
                r"(?:^|[;\n])[ \t]*(?:function[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*\(\)", self.text
            )
        )

    def _scan(self) -> None:
        text, length, at = self.text, len(self.text), 0
        # What is open: a double quote, or a substitution in parentheses with whether it stood in double quotes.
        stack: list[str] = []
        # Here-documents begin on the next line, several of them in order.
        waiting: list[tuple[str, bool, bool]] = []
        while at < length:
            letter = text[at]
            in_double = bool(stack) and stack[-1] == '"'
            if letter == "\\":
                at = self._mark(at, min(at + 2, length), "double" if in_double else "code", stack)
            elif letter == '"':
                if in_double:
                    stack.pop()
                    at = self._mark(at, at + 1, "double", stack)
                else:
                    at = self._mark(at, at + 1, "double", stack)
                    stack.append('"')
            # Within double quotes only $( opens something; a quote or a # is a letter.
            elif in_double and not text.startswith("$(", at):
                at = self._mark(at, at + 1, "double", stack)
            elif letter == "'" and not in_double:
                end = text.find("'", at + 1)
                at = self._mark(at, length if end < 0 else end + 1, "single", stack)
            # Only at the beginning of a word: $# and a#b are none.
            elif letter == "#" and (at == 0 or text[at - 1] in " \t\n;"):
                end = text.find("\n", at)
                at = self._mark(at, length if end < 0 else end, "comment", stack)
            elif (
                text.startswith("<<", at)
                and not text.startswith("<<<", at)
                and (here := re.compile(_HERE).match(text, at))
            ):
                word = here[2] or here[3] or here[4].lstrip("\\")
                waiting.append((word, not here[4] or here[4].startswith("\\"), bool(here[1])))
                at = self._mark(at, here.end(), "code", stack)
            elif letter == "\n" and waiting:
                at = self._mark(at, at + 1, "code", stack)
                for word, quoted, tabs in waiting:
                    at = self._here(at, word, quoted=quoted, tabs=tabs, stack=stack)
                waiting = []
            elif letter == "(":
                at = self._mark(at, at + 1, "code", stack)
                stack.append("(")
            elif text.startswith("$(", at):
                at = self._mark(at, at + 2, "double" if in_double else "code", stack)
                stack.append("(")
            elif letter == ")" and "(" in stack:
                # A double quote that nobody closed inside ends with the parenthesis: the script is
                # wrong, and the scan must go on.
                while stack.pop() != "(":
                    pass
                at = self._mark(
                    at, at + 1, "double" if stack and stack[-1] == '"' else "code", stack
                )
            else:
                at = self._mark(at, at + 1, "code", stack)

    def _here(self, at: int, word: str, *, quoted: bool, tabs: bool, stack: list[str]) -> int:
        """Mark a here-document, and return where it ends."""
        length = len(self.text)
        while at < length:
            end = self.text.find("\n", at)
            end = length if end < 0 else end
            line = self.text[at:end]
            # <<- takes tabs away, and nothing else.
            if (line.lstrip("\t") if tabs else line) == word:
                return self._mark(at, end, "here-quoted", stack)
            at = self._mark(at, min(end + 1, length), "here-quoted" if quoted else "here", stack)
        return at

    def _mark(self, begin: int, end: int, place: Place, stack: list[str]) -> int:
        depth = stack.count("(")
        for at in range(begin, end):
            self._places[at] = place
            self._depths[at] = depth
        return end
