"""Durations as the API spells them: `90s`, `1h30m`, `500ms`."""

from __future__ import annotations

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(duration: str) -> float:
    """Length in seconds of a valid duration.

    Args:
        duration: As Go's time.ParseDuration reads it, without a sign.
    """
    import re

    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)", duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
