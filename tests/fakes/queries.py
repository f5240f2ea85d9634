"""Queries, answered by the script of the fake commands."""

from __future__ import annotations

from collections.abc import Sequence

from machineadm.host.ports import CommandResult
from tests.fakes.commands import Call, FakeCommands


class FakeQueries:
    """Asks the programs that `FakeCommands` scripts; each call is noted there as a query."""

    def __init__(self, commands: FakeCommands) -> None:
        self._commands = commands

    def ask(self, argv: Sequence[str], *, timeout: float) -> CommandResult:
        return self._commands.answer(Call(argv=tuple(argv), timeout=timeout, query=True))

    def find(self, program: str) -> str | None:
        return None if program in self._commands.missing else f"/usr/bin/{program}"
