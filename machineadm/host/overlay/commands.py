"""Commands of a machine that nothing happens to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from machineadm.errors import InternalError
from machineadm.host.ports import CommandResult
from machineadm.redaction import Secret


class OverlayCommands:
    """Runs nothing: a check that wants to know something asks `Queries`."""

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret] | None = None,
        directory: str = "/",
        timeout: float | None = None,
        input: bytes | None = None,
        quiet: bool = False,
        note: str = "",
        attend: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """See `Commands.run`.

        Raises:
            InternalError: Always.
        """
        del environment, directory, timeout, input, quiet, note, attend
        refuse(f"run {argv[0]}")


def refuse(what: str) -> NoReturn:
    """End a check that tries to act.

    Raises:
        InternalError: Always.
    """
    raise InternalError("MA9002", f"a check tried to {what}")
