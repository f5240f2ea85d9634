"""Versions of Kubernetes: how they compare, and which one has what."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

OLDEST_MINOR: Final = 29
"""The oldest minor version of Kubernetes 1 that this release renders kubeadm's configuration for."""

V1BETA4_MINOR: Final = 31
"""The first one that is given kubeadm's API v1beta4."""

_PATTERN: Final = (
    r"v?(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
_RELEASE: Final = ((2, 0, ""),)


class Semver(msgspec.Struct, frozen=True, order=True):
    """A semantic version (semver.org 2.0.0); compares by precedence, so build metadata is left out.

    Attributes:
        prerelease: Its identifiers as values that compare rightly: numbers below words, and any of them
            below `_RELEASE`, which stands for none.
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[tuple[int, int, str], ...] = _RELEASE

    @classmethod
    def parse(cls, text: str) -> Semver:
        """A version with or without its leading `v`.

        Raises:
            ValueError: It is no semantic version.
        """
        match = re.fullmatch(_PATTERN, text)
        if match is None:
            raise ValueError(f"{text!r} is no version such as v1.34.4")
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
        """Whether it is of Kubernetes 1.`minor` or later; pre-releases of it count."""
        return (self.major, self.minor) >= (1, minor)


def _prerelease(text: str | None) -> tuple[tuple[int, int, str], ...]:
    if text is None:
        return _RELEASE
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


def kubeadm_api(version: str) -> Literal["v1beta3", "v1beta4"]:
    """The version of kubeadm's API that a version of Kubernetes is given.

    Raises:
        ValueError: It is no version, or older than this release renders for.
    """
    parsed = Semver.parse(version)
    if not parsed.has(OLDEST_MINOR):
        raise ValueError(f"{version} is older than 1.{OLDEST_MINOR}")
    return "v1beta4" if parsed.has(V1BETA4_MINOR) else "v1beta3"
