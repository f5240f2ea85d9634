"""The last message of a failed run, where it can be seen on a machine that nobody can log in to."""

from __future__ import annotations

import contextlib
import os

CONSOLE = "/dev/console"
SYSTEM_LOG = "/dev/log"
IDENTIFIER = "machineadm"
_DAEMON_ERROR = 3 << 3 | 3
"""Facility and severity, as syslog(3) has them."""


def announce(text: str) -> None:
    """Write to the console and the system log. Never fails and never waits, as it is called while an error is handled.

    Args:
        text: One line, without any secret.
    """
    with contextlib.suppress(OSError):
        # O_NONBLOCK: do not wait for a serial line that nobody reads. O_NOCTTY: do not make it our terminal.
        console = os.open(CONSOLE, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            # With carriage returns: a console may be in raw mode, in which a line feed alone does
            # not return to the first column.
            os.write(console, f"\r\n{text}\r\n".encode(errors="replace"))
        finally:
            os.close(console)
    with contextlib.suppress(OSError, ImportError):
        # Not by syslog(3), which waits if the log takes nothing.
        from socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, socket

        said = text.replace("\0", "")
        with socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC) as log:
            message = f"<{_DAEMON_ERROR}>{IDENTIFIER}[{os.getpid()}]: {said}"
            log.sendto(message.encode(errors="replace"), SYSTEM_LOG)
