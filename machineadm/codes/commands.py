"""Commands: MA32xx."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3201": Code(
        "program not found",
        "A program that must run is not on the machine, or not on the agent's PATH.",
        f"Install it, have an earlier command install it, or give its full path. {_RERUN}",
    ),
    "MA3202": Code(
        "a program cannot be started",
        "The program is there, but the kernel refuses to start it: mode, #! line, architecture.",
        f"Check the program with `ls -l`, `head -1` and `file`. argv must not contain NUL or exceed the kernel's limit. {_RERUN}",
    ),
    "MA3203": Code(
        "no such working directory",
        "The directory in which a command is to run does not exist.",
        f"Have an earlier command make it, or fix workingDirectory. {_RERUN}",
    ),
    "MA3204": Code(
        "a command failed",
        "A command of the configuration failed at its "
        "last attempt. Commands before it are done and are not run again.",
        "Its last output is in the report (logTail) and in the journal of the unit. Fix the "
        "command; with `onFailure: Continue` the run continues anyway.",
    ),
    "MA3205": Code(
        "a command timed out",
        "A command did not end within its timeout; it and everything it started were killed.",
        "Its last output shows what it waited for. Give it more time (timeout), or attempts "
        "(retries). Commands must not wait for input: there is none.",
    ),
    "MA3206": Code(
        "no command can run below another root",
        "With --root, commands are left to the machine itself.",
        "This is a bug in machineadm, which should have deferred the step. Please report it.",
    ),
}
