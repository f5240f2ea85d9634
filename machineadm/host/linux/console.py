"""The last word of a failed run, where somebody may see it on a machine that nobody can log in to."""

from __future__ import annotations

import contextlib
import os

CONSOLE = "/dev/console"
SYSTEM_LOG = "/dev/log"
IDENTIFIER = "machineadm"
_DAEMON_ERROR = 3 << 3 | 3
"""Facility and severity, as syslog(3) has them."""


def announce(text: str) -> None:
    """Tell the console and the system log. Never fails and never waits: it is told on the way out of an error.

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
        # syslog(3) waits for a log that takes nothing.
        from socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, socket

        said = text.replace("\0", "")
        with socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC) as log:
            message = f"<{_DAEMON_ERROR}>{IDENTIFIER}[{os.getpid()}]: {said}"
            log.sendto(message.encode(errors="replace"), SYSTEM_LOG)
