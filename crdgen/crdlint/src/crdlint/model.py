"""What a check finds, and where it is collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]

MAX_SHOWN: Final = 200  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong, or that could not be judged.

    Attributes:
        code: Stable, `CRD` and three digits; docs/crd-check.md lists them.
        file: The name of the file as it was given.
        path: The place, written as the API server writes it; empty for a whole document.
        message: What is wrong there.
        severity: A warning says what would not be refused, or what was not judged.
        document: Which document of the file, from 1; 0 if there is none.
        line: From 1; 0 where it is not known.
    """

    code: str
    file: str
    path: str
    message: str
    severity: Severity = "error"
    document: int = 0
    line: int = 0


# Tuples and no Violations: file, document and line are known only to whoever checks the file.
class Findings:
    """What has been found so far in one document."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str, str, Severity]] = []

    def error(self, code: str, path: str, message: str) -> None:
        """Note what the API server refuses.

        Args:
            code: The stable code.
            path: The place.
            message: What is wrong there.
        """
        self.found.append((code, path, message, "error"))

    def warning(self, code: str, path: str, message: str) -> None:
        """Note what the API server lets pass, or what was not judged.

        Args:
            code: The stable code.
            path: The place.
            message: What the reader should know.
        """
        self.found.append((code, path, message, "warning"))

    def errors(self) -> int:
        """How many errors there are so far."""
        return sum(severity == "error" for *_, severity in self.found)


def shown(value: object) -> str:
    """A value for a message: quoted if it is text, cut if it is long."""
    # Escaped: the value may come from anybody, and a message may go to a terminal.
    text = ascii(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
