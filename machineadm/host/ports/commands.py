"""Running programs that act on the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from machineadm.redaction import Secret


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended."""

    exit_code: int
    """Negative for a signal, as subprocess gives it."""
    output: str
    """The last 64 KiB of standard output and standard error together, decoded with replacement, redacted."""
    timed_out: bool = False


class Commands(Protocol):
    """Running programs. Children die with the agent and hold the lock's descriptor."""

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
        """Run and wait. Output goes to the log line by line, redacted, unless quiet.

        The environment is built, not inherited: PATH, HOME, LANG, the proxy variables, and what is given.

        Args:
            argv: The program and its arguments, never passed through a shell.
            environment: Additions.
            directory: Working directory.
            timeout: Seconds until the whole process group is killed; None: the run's deadline alone.
            input: Bytes for standard input; None: /dev/null.
            quiet: Keep the output out of the log. What only answers is asked by `Queries` instead.
            note: A line for the log before the program starts: what it is run for. No secret.
            attend: Called again and again while the program runs, at least once a second, with the lines that it has printed
                since the last call, redacted.

        Raises:
            HostError: The program does not exist or cannot be started.
            InterruptedRunError: The run was interrupted or its deadline has come while the program ran.
        """
