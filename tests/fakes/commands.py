"""Commands that are recorded and answered by script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from machineadm.errors import HostError
from machineadm.host.ports import CommandResult
from machineadm.redaction import Secret


class Call(msgspec.Struct, kw_only=True):
    """One command that was run."""

    argv: tuple[str, ...]
    environment: dict[str, str | Secret] = {}
    directory: str = "/"
    timeout: float | None = None
    input: bytes | None = None
    quiet: bool = False
    query: bool = False
    note: str = ""
    attend: Callable[[str], None] | None = None


Effect = Callable[[Call], "CommandResult | None"]


class _Script(msgspec.Struct, kw_only=True):
    start: tuple[str, ...]
    result: CommandResult
    effect: Effect | None
    times: int | None


class FakeCommands:
    """Commands that are recorded and answered by script; a program that nobody scripted succeeds silently.

    Attributes:
        calls: Every call, in order.
        missing: Programs that are not installed.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.missing: set[str] = set()
        self._scripts: list[_Script] = []

    def on(
        self,
        *start: str,
        exit_code: int = 0,
        output: str = "",
        timed_out: bool = False,
        effect: Effect | None = None,
        times: int | None = None,
    ) -> None:
        """Answer commands whose argv begins so; the latest matching script wins.

        Args:
            start: First arguments.
            exit_code: To give.
            output: To give.
            timed_out: To give.
            effect: Called first: changes the host, raises, or gives another result.
            times: So often, then the script before it counts; None: always.
        """
        result = CommandResult(exit_code=exit_code, output=output, timed_out=timed_out)
        self._scripts.append(_Script(start=start, result=result, effect=effect, times=times))

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
        call = Call(
            argv=tuple(argv),
            environment=dict(environment or {}),
            directory=directory,
            timeout=timeout,
            input=input,
            quiet=quiet,
            note=note,
            attend=attend,
        )
        return self.answer(call)

    def answer(self, call: Call) -> CommandResult:
        """Note a call, and give what the script says."""
        self.calls.append(call)
        if call.attend is not None:
            call.attend("")
        if call.argv[0] in self.missing:
            raise HostError("MA3201", f"cannot run {call.argv[0]}: program not found")
        for script in reversed(self._scripts):
            if call.argv[: len(script.start)] == script.start and script.times != 0:
                if script.times is not None:
                    script.times -= 1
                answer = script.effect(call) if script.effect else None
                return script.result if answer is None else answer
        return CommandResult(exit_code=0, output="")

    def argvs(self, *, quiet: bool = False) -> list[tuple[str, ...]]:
        """Command lines that were run; queries, and what is kept out of the log, only when asked for."""
        return [call.argv for call in self.calls if quiet or not (call.quiet or call.query)]
