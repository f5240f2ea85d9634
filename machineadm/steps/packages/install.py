"""Packages: installed in the version that is asked for, and held."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from machineadm.api.v1alpha1.packages import Package
from machineadm.errors import StepError
from machineadm.host.effects import Effect, RunProgram
from machineadm.host.ports import CommandResult, Host
from machineadm.plan.model import Outcome, Phase, Work, digest_of
from machineadm.steps.packages.managers import Installed, Manager, manager_of

_QUERY: Final = 60.0
_TIMEOUT: Final = 1200.0
"""Seconds for one program: a machine may fetch hundreds of megabytes."""
_BUDGET: Final = 300.0
"""Seconds in which what may pass is tried again."""
_LONGEST_PAUSE: Final = 30.0
_FINAL: Final = (
    "NO_PUBKEY",
    "is not signed",
    "GPG check FAILED",
    "unmet dependencies",
    "nothing provides",
    "No such command",
    # A script of a package: it fails again.
    "Errors were encountered while processing",
)
"""What no waiting changes."""


class InstallPackages(msgspec.Struct, frozen=True, kw_only=True):
    """Install what is missing or of another version, by the distribution's own program."""

    packages: tuple[Package, ...]
    format: str
    keys: tuple[str, ...] = ()
    """Paths of the keys of repositories."""
    name: str = "packages/install"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False
    brings_programs: ClassVar[bool] = True

    def digest(self) -> str:
        """See `Step.digest`."""
        # Without the keys: a repository's key may change while what is asked for stays the same.
        return digest_of(self.name, self.format, msgspec.json.encode(self.packages))

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """See `Retryable.retry_delay`."""
        pause: float = min(2.0**attempt, _LONGEST_PAUSE)
        return pause if elapsed + pause <= _BUDGET else None

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: The program that installs packages is not on this machine.
        """
        manager = self._manager
        for program in (manager.program, manager.queried_by):
            if host.queries is not None and host.queries.find(program) is None:
                raise StepError(
                    "MA3631",
                    f"{self.name}: {program} is not on this machine",
                    hint="use an image that has it, or one that brings the packages",
                )
        found = self._found(host)
        commands = self._commands(found)
        if not commands:
            return Work(summary=f"{_counted(len(self.packages))} in place")
        effects: tuple[Effect, ...] = tuple(
            RunProgram(title=argv[0], argv=argv) for argv in commands
        )
        return Work(effects=effects, summary=self._summary(found))

    def apply(self, host: Host, work: Work) -> Outcome:
        """Install, hold, and see whether all are there.

        Raises:
            StepError: The program failed, or says that it has done what it has not.
        """
        if not work.effects:
            return Outcome(change=work.change)
        # Asked again: another program (an unattended upgrade at the first boot) may have
        # installed one since the check.
        before = self._found(host)
        wrong = [one for one in self.packages if not _is_right(one, before.get(one.name))]
        said = ""
        if wrong:
            try:
                for argv in self._installing(wrong, before):
                    said += self._run(argv, host, said).output
            except StepError:
                # What was released to be replaced would stay released. Why the installation failed is the error that counts.
                with contextlib.suppress(StepError):
                    self._hold(before, host)
                raise
        self._hold(before, host)
        # Its exit code alone does not tell: a virtual package is installed under another name,
        # and nobody would find it later.
        after = self._found(host)
        missing = [one.name for one in self.packages if not _is_right(one, after.get(one.name))]
        if missing:
            raise StepError(
                "MA3634",
                f"{self.name}: {self._manager.program} succeeded, and this is not as it must be: {', '.join(missing)}",
                hint="run it yourself; a virtual package has another name, and a version must be written as the repository has it",
                log_tail=said,
            )
        return Outcome(change=work.change, message=work.summary)

    def _hold(self, before: dict[str, Installed], host: Host) -> None:
        for argv in self._holding(self._found(host), before):
            self._run(argv, host)

    @property
    def _manager(self) -> Manager:
        return manager_of(self.format, self.keys)

    def _found(self, host: Host) -> dict[str, Installed]:
        """What is installed of the packages that are asked for."""
        if host.queries is None:
            return {}
        manager, names = self._manager, [one.name for one in self.packages]
        found = manager.read(host.queries.ask(manager.query(names), timeout=_QUERY).output)
        listing = manager.holds()
        # With a version as well: what is held cannot be replaced.
        if listing is not None and any(
            one.hold is not None or one.version for one in self.packages
        ):
            answer = host.queries.ask(listing, timeout=_QUERY)
            held = manager.read_holds(answer.output if answer.exit_code == 0 else "", names)
            found = {
                name: msgspec.structs.replace(one, held=name in held) for name, one in found.items()
            }
        return found

    def _commands(self, found: dict[str, Installed]) -> tuple[tuple[str, ...], ...]:
        """Everything that would be run."""
        wrong = [one for one in self.packages if not _is_right(one, found.get(one.name))]
        if not wrong:
            return self._holding(found, found)
        coming = {one.name for one in wrong}
        # As it will be by then: what is replaced is released first.
        then = {name: one for name, one in found.items() if name not in coming}
        then |= {name: Installed(versions=()) for name in coming}
        return (*self._installing(wrong, found), *self._holding(then, found))

    def _installing(
        self, wrong: Sequence[Package], found: dict[str, Installed]
    ) -> tuple[tuple[str, ...], ...]:
        manager = self._manager
        held = [one.name for one in wrong if one.name in found and found[one.name].held]
        # Only those that are replaced: between release and hold an upgrade of somebody else could
        # take any of the others along.
        release = (manager.hold(held, on=False),) if held else ()
        return (*manager.prepare(), *release, manager.install(wrong))

    def _holding(
        self, found: dict[str, Installed], before: dict[str, Installed]
    ) -> tuple[tuple[str, ...], ...]:
        """Commands that hold and release.

        Args:
            found: What is there by then.
            before: What was there: a package of which the configuration says nothing is held if it was.
        """
        manager = self._manager
        wanted = {
            one.name: before[one.name].held if one.hold is None else one.hold
            for one in self.packages
            if one.name in found and (one.hold is not None or one.name in before)
        }
        return tuple(
            manager.hold(names, on=on)
            for on in (True, False)
            if (names := [
                name for name, held in wanted.items() if held is on and found[name].held is not on
            ])
        )  # fmt: skip

    def _summary(self, found: dict[str, Installed]) -> str:
        wrong = [one for one in self.packages if not _is_right(one, found.get(one.name))]
        if not wrong:
            return "holds or releases packages"
        told = []
        for one in wrong:
            there = found.get(one.name)
            now = f" (now {there.versions[0]})" if there is not None else ""
            told.append(f"{one.name}{' ' + one.version if one.version else ''}{now}")
        return f"installs {', '.join(told)}"

    def _run(self, argv: tuple[str, ...], host: Host, said_before: str = "") -> CommandResult:
        """Run a program.

        Args:
            argv: The program and its arguments.
            host: Where it runs.
            said_before: What the programs before it have said: apt ends well where it cannot fetch a list, and does not know the packages.

        Raises:
            StepError: It failed.
        """
        if host.commands is None:
            raise StepError("MA3402", f"{self.name}: no program can run below another root")
        manager = self._manager
        # Not quiet: an installation takes minutes, and its lines are the only sign that it goes
        # on.
        result = host.commands.run(argv, environment=manager.environment, timeout=_TIMEOUT)
        if result.exit_code == 0 and not result.timed_out:
            return result
        said = _last_words(result, argv[0])
        told = f"{said_before}{result.output}"
        from machineadm.actions.clock_words import HINTS, blamed_on_the_clock, told_time

        # apt ends well where a list is not valid yet, and then does not know the packages.
        final = any(one in told for one in _FINAL)
        if not final and (code := blamed_on_the_clock(told)):
            raise StepError(
                code,
                f"{self.name}: {' '.join(argv[:2])} failed: {said}; this machine's clock says {told_time(host)}",
                hint=HINTS[code],
                log_tail=told,
                passing=code == "MA4032",
            )
        gone = any(one in result.output for one in manager.never)
        raise StepError(
            "MA3633" if gone else "MA3632",
            f"{self.name}: {' '.join(argv[:2])} failed: {said}",
            hint="look at packageRepositories, and at how the repository writes the version"
            if gone
            else "its words are in the report; look at packageRepositories, systemProxies and the network",
            log_tail=told,
            passing=not final and (not gone or "Failed to fetch" in said_before),
        )


def _is_right(package: Package, found: Installed | None) -> bool:
    return found is not None and found.whole and found.is_version(package.version)


def _last_words(result: CommandResult, program: str) -> str:
    if result.timed_out:
        return f"{program} took too long"
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "Error"))]
    return (errors or lines or ["it says nothing"])[-1]


def _counted(count: int) -> str:
    return "1 package" if count == 1 else f"{count} packages"
