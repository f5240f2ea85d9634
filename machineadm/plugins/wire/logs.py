"""A plugin's log, line by line from its standard error: hclog's JSON, `[LEVEL] text`, a Go program's panic, anything."""

from __future__ import annotations

from typing import Any, Final

import msgspec

LONGEST: Final = 64 * 1024
"""Bytes of a line; a longer one comes in pieces."""

LEVELS: Final = ("trace", "debug", "info", "warn", "error")

_PREFIXES: Final = {f"[{level.upper()}]": level for level in LEVELS}
_PANICS: Final = ("panic: ", "fatal error: ")


class Record(msgspec.Struct, frozen=True):
    """One entry of a plugin's log."""

    level: str
    """One of `LEVELS`."""

    message: str
    pairs: dict[str, Any] = {}
    """What else it says; `timestamp` is the plugin's own."""

    def __str__(self) -> str:
        pairs = [f"{key}={value}" for key, value in self.pairs.items() if key != "timestamp"]
        return " ".join([f"[{self.level.upper()}] {self.message}", *pairs])


class Log:
    """Reads lines in order, because the lines after a panic belong to it."""

    def __init__(self) -> None:
        self._panicking = False

    def record(self, line: bytes) -> Record:
        """Turn a line into an entry.

        Args:
            line: Without its newline, or a piece of one that is too long.
        """
        # A plugin may print any bytes, and an error of decoding would end the reader of its log.
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        # Most lines are text: its first character spares them a parser's error.
        if text.startswith("{") and (found := _of_json(text)):
            self._panicking = False
            return found
        prefix, _, rest = text.partition(" ")
        if level := _PREFIXES.get(prefix):
            self._panicking = False
            return Record(level, rest.lstrip())
        # A Go stack trace has no prefixes. At debug level the one thing that explains the crash
        # would be hidden.
        self._panicking = self._panicking or text.startswith(_PANICS)
        return Record("error" if self._panicking else "debug", text)


def _of_json(text: str) -> Record | None:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    # A plugin may print any JSON: a number or a list is text of its own, not an entry.
    if not isinstance(found, dict):
        return None
    level, message = found.pop("@level", None), found.pop("@message", "")
    if level not in LEVELS:
        return None
    if "@timestamp" in found:
        found["timestamp"] = found.pop("@timestamp")
    # A message that is not a string crashes go-plugin's reader; a plugin must not do that to this
    # one.
    return Record(str(level), message if isinstance(message, str) else str(message), found)
