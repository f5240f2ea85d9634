"""What is documented about a code."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One error code; its number is never given to another error."""

    title: str
    """Some words: "journal is damaged"."""

    meaning: str
    """When it is raised and what the machine is like then."""

    remedy: str
    """What an operator does about it."""
