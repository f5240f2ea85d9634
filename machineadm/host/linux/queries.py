"""Asking programs, by the same machinery that runs commands."""

from __future__ import annotations

from collections.abc import Sequence

from machineadm.host.linux.commands import find_program, search_path
from machineadm.host.ports import CommandResult, Commands


class LinuxQueries:
    """The Queries port.

    Args:
        commands: Runs the programs.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def ask(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        """See `Queries.ask`."""
        # By the same way: a query that hangs must end with the run as a command does, and leave
        # no process behind.
        return self._commands.run(argv, timeout=timeout, quiet=True)

    def find(self, program: str) -> str | None:
        """See `Queries.find`."""
        # On the PATH that programs get, and not on ours: otherwise one would be found here and
        # not there.
        return find_program(program, search_path())
