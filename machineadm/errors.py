"""The one family of errors. The command line alone turns an error into an exit code.

Leaves are named by what an operator can fix. Codes are stable and never reused; what each means and what to do about it
is in `machineadm.codes`, which nothing but `machineadm explain` reads.
"""

from __future__ import annotations


class MachineadmError(Exception):
    """Root of all errors that machineadm raises on purpose.

    Args:
        code: Stable code, `MA` and four digits.
        message: What happened and where, in one line, without any secret.
        hint: What to do about it; empty where there is nothing better than the message.
    """

    exit_code = 70
    final = True
    """No command that has yet to run could change it: a check that raises it ends the run before anything has changed."""
    log_tail = ""
    """What a report quotes in addition to the message, for people who cannot log in to the machine; at most 64 KiB."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self._hint = hint

    def hint(self) -> str:
        """What an operator can do, or an empty string."""
        return self._hint


class UsageError(MachineadmError):
    """The command line, or the interpreter it runs on, is unfit."""

    exit_code = 2


class ConfigError(MachineadmError):
    """The configuration is refused. If it is in a file, the problems have line and column."""

    exit_code = 3


class VerificationError(MachineadmError):
    """A digest or a signature is not what it must be."""

    exit_code = 4


class HostError(MachineadmError):
    """The machine refused: a full disk, a read-only file system, a missing program."""

    exit_code = 5
    final = False


class StepError(MachineadmError):
    """A step of the plan failed.

    Args:
        code: Stable code.
        message: What failed, without any secret.
        hint: What to do about it.
        log_tail: The last output of what failed, redacted; at most 64 KiB.
        passing: The failure is of a kind that may pass by itself, so trying again makes sense.
        tolerated: The run goes on when trying again is over (`onFailure: Continue`).
    """

    exit_code = 5
    final = False

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        log_tail: str = "",
        passing: bool = False,
        tolerated: bool = False,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.log_tail = log_tail
        self.passing = passing
        self.tolerated = tolerated


class ProgramError(StepError):
    """A program that reports name by itself was run and failed, or must not be run.

    Args:
        code: Stable code of the failure.
        message: What failed.
        hint: What to do about it.
        log_tail: The program's last output, redacted; at most 64 KiB.
        passing: Trying again makes sense.
        command: The command line that was run.
        process_exit_code: The program's own exit code, negative for a signal; None: it was not run.
        phase: The program's own phase, empty when not known.
    """

    program = ""
    """Its name."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str = "",
        log_tail: str = "",
        passing: bool = False,
        command: tuple[str, ...] = (),
        process_exit_code: int | None = None,
        phase: str = "",
    ) -> None:
        super().__init__(code, message, hint=hint, log_tail=log_tail, passing=passing)
        self.command = command
        self.process_exit_code = process_exit_code
        self.phase = phase


class KubeadmError(ProgramError):
    """kubeadm was run and failed. Its phases are `preflight`, `kubelet-start` and so on."""

    program = "kubeadm"
    exit_code = 6
    final = True


class PluginError(MachineadmError):
    """A plugin is missing, not trusted, or failed."""

    exit_code = 7


class LockedError(MachineadmError):
    """Another run holds the lock."""

    exit_code = 8


class InterruptedRunError(MachineadmError):
    """The run was interrupted or ran out of time; another run resumes it."""

    exit_code = 9


class InternalError(MachineadmError):
    """A fault of machineadm itself."""

    exit_code = 70
