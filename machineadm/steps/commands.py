"""Commands of the configuration: one step each, run once, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command
from machineadm.errors import StepError
from machineadm.host.ports import CommandResult, Commands, Host
from machineadm.plan.model import Change, Outcome, Outlook, Phase, digest_of
from machineadm.redaction import Secret

LONGEST_PAUSE = 300.0
SHELL = ("/bin/sh", "-eu")


class RunCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Run a program or a script. Whether it was run before, the journal alone knows."""

    command: Command
    phase: Phase
    name: str
    repetition: int = 0
    """How many commands before it, of the same list, are the same."""
    live: ClassVar[bool] = True
    once: ClassVar[bool] = True

    def digest(self) -> str:
        """See `Step.digest`; secret values count, so a changed password runs the command again.

        The place in the list does not: a command that is put before others does not run those again.
        """
        command = self.command
        return digest_of(
            self.phase.value,
            str(self.repetition),
            command.argv,
            command.script or "",
            command.interpreter,
            [part for variable in self._environment().items() for part in _shown(variable)],
            command.working_directory or "",
            command.timeout,
            str(command.retries),
            command.on_failure,
            [str(code) for code in command.success_exit_codes],
        )

    def check(self, _host: Host) -> Outlook:
        """See `Step.check`."""
        return Outlook(change=Change.CHANGED, summary=f"runs {self._title()}")

    def apply(self, host: Host) -> Outcome:
        """Run it, again while it fails and attempts are left.

        Raises:
            StepError: It failed, and `onFailure` is `Fail`.
        """
        if host.commands is None:
            raise StepError("MA3206", f"{self.name}: no command can be run below another root")
        attempts = self.command.retries.limit + 1
        pause = seconds(self.command.retries.backoff)
        for attempt in range(1, attempts + 1):
            result = self._attempt(host, host.commands)
            if not result.timed_out and result.exit_code in self.command.success_exit_codes:
                return Outcome(change=Change.CHANGED, message=_after(attempt))
            if attempt < attempts:
                host.clock.sleep(min(pause, LONGEST_PAUSE))
                pause *= 2
        failure = self._failure(result, attempts)
        if self.command.on_failure == "Fail":
            raise failure
        return Outcome(change=Change.CHANGED, message=f"{failure.message}; onFailure: Continue")

    def _attempt(self, host: Host, commands: Commands) -> CommandResult:
        command = self.command
        if command.script is None:
            return self._run(commands, command.argv)
        # In a file of the run directory, 0600: a script may hold secrets, and so is on no command line, and commands in
        # it that read standard input do not eat it.
        name = f"scripts/{self.name.replace('/', '-')}"
        host.state.write(name, command.script.encode(), durable=False)
        try:
            argv = (*_interpreter(command), f"{host.state.run_directory}/{name}")
            return self._run(commands, argv)
        finally:
            host.state.remove(name, durable=False)

    def _run(self, commands: Commands, argv: Sequence[str]) -> CommandResult:
        return commands.run(
            argv,
            environment=self._environment(),
            directory=self.command.working_directory or "/",
            timeout=seconds(self.command.timeout),
        )

    def _environment(self) -> dict[str, str | Secret]:
        return {variable.name: variable.value or "" for variable in self.command.env}

    def _failure(self, result: CommandResult, attempts: int) -> StepError:
        tried = "" if attempts == 1 else f", tried {attempts} times"
        if result.timed_out:
            return StepError(
                "MA3205",
                f"{self.name}: {self._title()} did not end within {self.command.timeout}{tried}",
                hint="give it more time (timeout), or find out what it waits for in the log",
                log_tail=result.output,
            )
        code = result.exit_code
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return StepError(
            "MA3204",
            f"{self.name}: {self._title()} ended with {how}{tried}",
            hint="its last output is in the report and in the log",
            log_tail=result.output,
        )

    def _title(self) -> str:
        """The program's name; never its arguments, which may hold what nobody declared secret."""
        return "a script" if self.command.script is not None else self.command.argv[0]


def plan_commands(
    commands: Sequence[Command], phase: Phase, *, platform: str = "linux"
) -> tuple[RunCommand, ...]:
    """One step for each command that is meant for the platform, named by its place in the configuration."""
    return tuple(
        RunCommand(
            command=command,
            phase=phase,
            name=f"commands/{phase.value}[{number}]",
            repetition=list(commands[:number]).count(command),
        )
        for number, command in enumerate(commands)
        if not command.platforms or platform in command.platforms
    )


def _interpreter(command: Command) -> tuple[str, ...]:
    """What reads the script: as told, as its first line says (the kernel's way: one argument), or a shell."""
    if command.interpreter:
        return command.interpreter
    first = (command.script or "").partition("\n")[0]
    named = first[2:].split(None, 1) if first.startswith("#!") else []
    return tuple(part.strip() for part in named) or SHELL


def _after(attempt: int) -> str:
    return "" if attempt == 1 else f"succeeded at attempt {attempt}"


def _shown(variable: tuple[str, str | Secret]) -> tuple[str, str]:
    name, value = variable
    return name, value.reveal() if isinstance(value, Secret) else value
