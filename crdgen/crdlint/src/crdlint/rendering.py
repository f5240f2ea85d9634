"""Violations for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from crdlint.model import Violation


def as_text(violations: Iterable[Violation]) -> str:
    """One line a violation: file, line, severity, code, place and message."""
    return "".join(f"{_place(v)}: {v.severity} {v.code}: {_message(v)}\n" for v in violations)


def _place(v: Violation) -> str:
    return f"{v.file}:{v.line}" if v.line else v.file


def _message(v: Violation) -> str:
    text = f"{v.path}: {v.message}" if v.path else v.message
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def as_json(violations: Iterable[Violation]) -> str:
    """An object with all violations, each with the fields of Violation."""
    return json.dumps({"violations": [asdict(v) for v in violations]}, indent=2) + "\n"
