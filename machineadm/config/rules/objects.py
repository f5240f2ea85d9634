"""Fields of objects that are passed on, whatever they hold."""

from __future__ import annotations

from typing import Any, Final


def mapping(value: dict[str, Any], name: str) -> dict[str, Any]:
    """A field that holds an object, or an empty one where it is absent or something else."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def sequence(value: dict[str, Any], name: str) -> list[Any]:
    """A field that holds a list, or an empty one where it is absent or something else."""
    found = value.get(name)
    return list(found) if isinstance(found, (list, tuple)) else []


# How other templaters begin: Jinja and Helm, shell and Terraform, ERB, and Afterburn's variables
# without braces.
_SIGNS: Final = ("{{", "${", "{%", "%{", "<%", "$COREOS_", "$AFTERBURN_")


def is_filled_in_elsewhere(text: str) -> bool:
    """Whether a text has a placeholder: it is warned of by itself, and what it will become nobody can judge."""
    return any(sign in text for sign in _SIGNS)
