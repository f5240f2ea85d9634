"""The logging module's records as hclog's JSON, which every host of go-plugin understands."""

from __future__ import annotations

import datetime
import json
import logging
import os
from typing import Final

# hclog's levels; it has none above error.
_LEVELS: Final = ((40, "error"), (30, "warn"), (20, "info"), (10, "debug"))
# What every record has: the rest came from `extra`. taskName is there from Python 3.12 on.
_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class HostHandler(logging.Handler):
    """Writes each record as a line; what `extra` names are its pairs.

    Args:
        descriptor: Of the plugin's own standard error.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            line = json.dumps(self._entry(record), default=str)
        # As in the standard library: a mistake in a line of the log must not end the call that logs it.
        except Exception:
            line = json.dumps({"@level": "error", "@message": f"unfit log entry: {record.msg!r}"})
        try:
            self._write(line.encode() + b"\n")
        except OSError:
            pass  # the host is gone

    def _entry(self, record: logging.LogRecord) -> dict[str, object]:
        time = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)
        entry: dict[str, object] = {
            "@level": next((name for level, name in _LEVELS if record.levelno >= level), "trace"),
            "@message": record.getMessage(),
            # hclog's form. In Go an entry with any other is not an entry, but a line of text.
            "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            **{key: value for key, value in vars(record).items() if key not in _ORDINARY},
        }
        if record.name != "root":
            entry["@module"] = record.name
        if record.exc_info:
            entry["error"] = logging.Formatter().formatException(record.exc_info)
        return entry

    def _write(self, line: bytes) -> None:
        # A pipe that is nearly full takes only the beginning of a line, and the host reads lines.
        while line:
            line = line[os.write(self._descriptor, line) :]


def log_to_host() -> None:
    """Send all that is logged to the host, which decides what is shown."""
    root = logging.getLogger()
    # A copy of descriptor 2, before standard error is redirected: from then on sys.stderr goes
    # over the connection, without levels.
    root.handlers[:] = [HostHandler(os.dup(2))]
    # All of it: which levels are shown is the host's choice, and it cannot ask again.
    root.setLevel(1)
    # These tell what the connection carries, and would push out of the host's view what the plugin says.
    for name in ("asyncio", "grpclib", "h2", "hpack"):
        logging.getLogger(name).setLevel(logging.WARNING)
