"""Asking programs: what they say is read, nothing changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from machineadm.host.ports.commands import CommandResult


class Queries(Protocol):
    """Programs that only answer. They are allowed in a plan, and what they print is never logged.

    A program that changes anything is run by `Commands`, with its output kept out of the log where it holds secrets.
    """

    def ask(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        """Run a program that changes nothing, and wait.

        Args:
            argv: The program and its arguments, never passed through a shell.
            timeout: Seconds until it is killed.

        Raises:
            HostError: The program does not exist or cannot be started.
            InterruptedRunError: The run was interrupted or its deadline has come while the program ran.
        """

    def find(self, program: str) -> str | None:
        """Absolute path of a program on PATH, or None."""
