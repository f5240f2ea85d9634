"""Logs: one line for one thing, as text or as JSON, with the object it is about in fields of its own."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final, Literal, TextIO

from machineadm.terminal import printable

Format = Literal["text", "json"]

_FIELDS: Final = "fields"


def about(**fields: object) -> dict[str, Mapping[str, object]]:
    """Fields of a log line, for `extra`: `_LOG.info("made", extra=about(namespace="a", object="b"))`."""
    return {_FIELDS: fields}


def set_up(form: Format, *, verbose: bool = False, stream: TextIO | None = None) -> None:
    """Have everything logged to a stream.

    Args:
        form: Of a line.
        verbose: Log more.
        stream: None: stderr.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    # force: tests call this several times in one process, and each call must replace the handler of
    # the last.
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True
    )
    # It says of every probe and every scrape that it was answered.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _fields(record).items() if name not in line}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        # default=str: a field that cannot be encoded must not turn a log line into an exception.
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        parts = [_time(record), record.levelname, f"{record.name}:", record.getMessage()]
        parts += [f"{name}={value}" for name, value in _fields(record).items()]
        line = " ".join(parts)
        if record.exc_info:
            # As it is: a traceback on one line is of no use, and it comes from our code and not
            # from what others wrote.
            line += "\n" + self.formatException(record.exc_info)
            return line
        # What others wrote must not look like a line of ours, nor move the cursor of who reads it.
        return printable(line)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    given: Mapping[str, object] = getattr(record, _FIELDS, {})
    return given
