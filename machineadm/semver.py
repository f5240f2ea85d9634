"""Semantic versions (semver.org 2.0.0): the one parser for Kubernetes, kubeadm and our own releases."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_IDENTIFIER: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
# A string, so that it is compiled only when a version is read: a start is short of time.
_PATTERN: Final = (
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_LONGEST: Final = 256
_RELEASE: Final = ((2, 0, ""),)


class Semver(Struct, frozen=True, order=True):
    """A semantic version; compares by precedence, so build metadata is left out.

    Attributes:
        prerelease: Its identifiers as values that compare in the order of rule 11: numbers below words, and any of
            them below `_RELEASE`, which stands for none.
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[tuple[int, int, str], ...] = _RELEASE

    @classmethod
    def parse(cls, text: str) -> Semver:
        """A version with or without its leading `v`.

        Raises:
            ValueError: It is not a semantic version.
        """
        parts = text.removeprefix("v").split(".")
        # Nearly every version: compiling the pattern takes longer than reading a document.
        if len(parts) == 3 and len(text) <= _LONGEST and all(map(_is_number, parts)):
            return cls(int(parts[0]), int(parts[1]), int(parts[2]))
        match = re.fullmatch(_PATTERN, text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(f"{text[:64]!r} is not a version such as v1.34.4")
        major, minor, patch, prerelease, _build = match.groups()
        return cls(int(major), int(minor), int(patch), _prerelease(prerelease))

    def __str__(self) -> str:
        """With its leading `v`, and without build metadata."""
        parts = (str(number) if rank == 0 else text for rank, number, text in self.prerelease)
        suffix = "" if self.prerelease == _RELEASE else "-" + ".".join(parts)
        return f"v{self.major}.{self.minor}.{self.patch}{suffix}"

    @property
    def minor_version(self) -> str:
        """`1.34`: what features and skews go by."""
        return f"{self.major}.{self.minor}"

    def has(self, minor: int) -> bool:
        """Whether it is 1.`minor` or later; pre-releases of it count."""
        return (self.major, self.minor) >= (1, minor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and (text == "0" or text[0] != "0")


def _prerelease(text: str | None) -> tuple[tuple[int, int, str], ...]:
    if text is None:
        return _RELEASE
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in text.split(".")
    )
