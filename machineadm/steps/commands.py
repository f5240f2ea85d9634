"""Commands of the configuration: one step each, run once, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import CommandResult, Commands, Host
from machineadm.plan.model import Outcome, Phase, Work, digest_of
from machineadm.redaction import Secret

SHELL = ("/bin/sh", "-eu")
PHASE = "MACHINEADM_PHASE"


class RunCommand(msgspec.Struct, frozen=True, kw_only=True):
    """Run a program or a script. Only the journal knows whether it has run before."""

    command: Command
    phase: Phase
    name: str
    node: tuple[tuple[str, str], ...] = ()
    """Variables that say which node this is; what `env` gives wins over them."""
    repetition: int = 0
    """How many commands before it, of the same list, are the same."""
    live: ClassVar[bool] = True
    once: ClassVar[bool] = True

    def digest(self) -> str:
        """See `Step.digest`. Secret values count, so a changed password runs the command again.

        The place in the list does not count: a command inserted before others does not run those again. Of the variables
        about the node, only those count that the command's text names: a command that does not mention the node's name has not
        used it.
        """
        command = self.command
        return digest_of(
            self.phase.value,
            str(self.repetition),
            command.argv,
            command.script or "",
            command.interpreter,
            [part for variable in self._digested().items() for part in _shown(variable)],
            command.working_directory or "",
            command.timeout,
            str(command.retries),
            command.on_failure,
            [str(code) for code in command.success_exit_codes],
        )

    def check(self, _host: Host) -> Work:
        """See `Step.check`."""
        command = self.command
        # Not the path of the script's file: it exists only while the command runs.
        shown = command.argv if command.script is None else _interpreter(command)
        effect = RunProgram(title=self._title(), argv=shown, script=command.script or "")
        return Work(effects=(effect,), summary=f"runs {self._title()}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """Run it once. The engine tries again if the failure may pass.

        Raises:
            StepError: It failed.
        """
        if host.commands is None:
            raise StepError("MA3206", f"{self.name}: no command can run below another root")
        result = self._attempt(host, host.commands)
        # A timeout counts whatever the exit code is: a shell that was ended may exit with 0 by a
        # trap of its own.
        if result.timed_out or result.exit_code not in self.command.success_exit_codes:
            raise self._failure(result)
        return Outcome(change=work.change)

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """See `Retryable.retry_delay`."""
        del elapsed
        retries = self.command.retries
        # By attempts and not by time: whoever wrote the command knows how often it may run, and
        # not how long a registry is away.
        if attempt > retries.limit:
            return None
        from machineadm.config.rules.deadline import pause_before

        return pause_before(retries, attempt)

    def _attempt(self, host: Host, commands: Commands) -> CommandResult:
        command = self.command
        if command.script is None:
            return self._run(commands, command.argv)
        # In a file of the run directory, 0600. Not on the command line, which every user can read in /proc and which may hold
        # secrets; not on standard input, where a command of the script that reads it would swallow the rest.
        name = f"scripts/{self.name.replace('/', '-')}"
        host.state.write(name, command.script.encode(), durable=False)
        try:
            argv = (*_interpreter(command), f"{host.state.run_directory}/{name}")
            return self._run(commands, argv)
        finally:
            # Also after a failure: the script may hold secrets.
            host.state.remove(name, durable=False)

    def _run(self, commands: Commands, argv: Sequence[str]) -> CommandResult:
        return commands.run(
            argv,
            environment=self._environment(),
            # Not where the agent was started: a first-boot tool has a directory of its own, which
            # a resumed run has not.
            directory=self.command.working_directory or "/",
            timeout=seconds(self.command.timeout),
        )

    def _environment(self) -> dict[str, str | Secret]:
        # What the configuration gives comes last: a variable of ours must not take one from a
        # command that has used its name for years.
        return {**dict(self.node), PHASE: self.phase.value, **self._given()}

    def _given(self) -> dict[str, str | Secret]:
        return {variable.name: variable.value or "" for variable in self.command.env}

    def _digested(self) -> dict[str, str | Secret]:
        text = "\0".join((*self.command.argv, self.command.script or ""))
        named: dict[str, str | Secret] = {name: value for name, value in self.node if name in text}
        return {**named, **self._given()}

    def _failure(self, result: CommandResult) -> StepError:
        tolerated = self.command.on_failure == "Continue"
        if result.timed_out:
            return StepError(
                "MA3205",
                f"{self.name}: {self._title()} did not end within {self.command.timeout}",
                hint="allow more time (timeout), or check the log for what it waits for",
                log_tail=result.output,
                passing=True,
                tolerated=tolerated,
            )
        code = result.exit_code
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return StepError(
            "MA3204",
            f"{self.name}: {self._title()} failed with {how}",
            hint="its last output is in the report and in the log",
            log_tail=result.output,
            passing=True,
            tolerated=tolerated,
        )

    def _title(self) -> str:
        """The program's name. Never its arguments, which may hold secrets that nobody has declared."""
        return "a script" if self.command.script is not None else self.command.argv[0]


def plan_commands(
    commands: Sequence[Command],
    phase: Phase,
    node: Sequence[tuple[str, str]] = (),
    *,
    platform: str = "linux",
) -> tuple[RunCommand, ...]:
    """One step for each command that is meant for the platform, named by its place in the configuration.

    Args:
        commands: In their order.
        phase: When they run.
        node: Variables that say which node this is, in the environment of each.
        platform: The machine's.
    """
    # By digest: Secrets have no hash, and comparing each command with all before it would be quadratic.
    seen: dict[str, int] = {}
    steps = []
    for number, command in enumerate(commands):
        step = RunCommand(
            command=command,
            phase=phase,
            name=f"commands/{phase.value}[{number}]",
            node=tuple(node),
        )
        # Two commands that are the same are both run: the second one is told from the first by
        # how many came before it.
        repetition = seen[step.digest()] = seen.get(step.digest(), -1) + 1
        # After counting, so that names and repetitions do not depend on the platform.
        if not command.platforms or platform in command.platforms:
            steps.append(msgspec.structs.replace(step, repetition=repetition))
    return tuple(steps)


def _interpreter(command: Command) -> tuple[str, ...]:
    """What reads the script: `interpreter`, its #! line (like the kernel: one argument at most), or a shell."""
    if command.interpreter:
        return command.interpreter
    first = (command.script or "").partition("\n")[0]
    named = first[2:].split(None, 1) if first.startswith("#!") else []
    return tuple(part.strip() for part in named) or SHELL


def _shown(variable: tuple[str, str | Secret]) -> tuple[str, str]:
    name, value = variable
    return name, value.reveal() if isinstance(value, Secret) else value
