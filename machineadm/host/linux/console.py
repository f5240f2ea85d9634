"""The last word of a failed run, where somebody may see it on a machine that nobody can log in to."""

from __future__ import annotations

import contextlib
import os

CONSOLE = "/dev/console"
IDENTIFIER = "machineadm"


def announce(text: str) -> None:
    """Tell the console and the system log. Never fails: it is told on the way out of an error.

    Args:
        text: One line, without any secret.
    """
    with contextlib.suppress(OSError):
        # Neither wait for a serial line that nobody reads nor make it our terminal.
        console = os.open(CONSOLE, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(console, f"\r\n{text}\r\n".encode(errors="replace"))
        finally:
            os.close(console)
    with contextlib.suppress(OSError, ImportError):
        import syslog

        syslog.openlog(IDENTIFIER, syslog.LOG_PID, syslog.LOG_DAEMON)
        syslog.syslog(syslog.LOG_ERR, text.replace("\0", ""))
