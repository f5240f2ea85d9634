"""The entry point of the command line: finds the subcommand, and turns errors into exit codes."""

from __future__ import annotations

import sys

from machineadm.errors import (
    HostError,
    InternalError,
    InterruptedRunError,
    MachineadmError,
    PluginError,
    UsageError,
)

TYPE_CHECKING = False  # typing is a fifth of what `version` costs
if TYPE_CHECKING:
    from typing import NoReturn

# Words for help are here and not in the modules: showing them must not import the module of every
# command.
COMMANDS = {
    "bootstrap": "make this machine what the configuration says",
    "plan": "show what bootstrap would do; exits 10 if anything would change",
    "validate": "show every problem of a configuration",
    "render": "print the user data of a MachineBootstrap",
    "convert": "convert KubeadmConfigs and the like to our kinds, and account for every field",
    "encrypt": "encrypt documents as EncryptedData",
    "decrypt": "decrypt EncryptedData and print its documents",
    "reset": "take back what machineadm did to this machine",
    "status": "show the last report, or wait for the end of a run",
    "support-bundle": "write an archive with reports, journal, logs and versions, without secrets",
    "check": "check whether this machine can become a node, and whether it is still what its configuration says",
    "facts": "show what this machine knows about itself, and what a configuration uses of it",
    "plugin": "find, install, verify, call and check plugins",
    "explain": "say what an error code means, or what a field is",
    "completion": "print the completion of this command line for bash, zsh or fish",
    "schema": "print the JSON Schema of a kind",
    "version": "show version, build, and what this release supports",
}
# For the unit that calls it; not in help, because nobody else should.
_HIDDEN = ("boot",)
# A screen holds it together with the error and its hint.
LOG_LINES = 10
_INTERNAL_HINT = "this is a bug in machineadm, please report it; MACHINEADM_DEBUG=1 shows where"


def run() -> NoReturn:
    """Run and leave the process with the command's exit code."""
    sys.exit(main())


def main(argv: list[str] | None = None) -> int:
    """Run the subcommand that the arguments name.

    Args:
        argv: The arguments without the program's name; None: the process's own.

    Returns:
        The process's exit code.

    Raises:
        SystemExit: Help was asked for, and is printed.
    """
    code = 0
    try:
        code = _dispatch(sys.argv[1:] if argv is None else argv)
        # Inside of the try: what is lost in this flush is an error of the command, and the
        # interpreter would report it as an exception at its end.
        sys.stdout.flush()
    except MachineadmError as error:
        return _refuse(error)
    except SystemExit:
        # argparse raises it after --help.
        if not _is_written():
            return UsageError.exit_code
        raise
    except BrokenPipeError:
        # The reader has gone (`| head`). That is not a failure, and the interpreter, which flushes at its end, must not
        # find one either.
        _silence()
    # Only outside of a run, which has handlers of its own: `validate` that reads a terminal, for
    # instance.
    except KeyboardInterrupt:
        return _refuse(InterruptedRunError("MA6002", "interrupted by SIGINT"))
    # What a damaged cache of unpacked libraries raises: a missing file, a cut off source, a cut off
    # .pyc.
    except (ImportError, SyntaxError, EOFError) as error:
        return _refuse(_unloadable(error))
    except OSError as error:
        return _refuse(_unwritten(error))
    except Exception as error:
        return _refuse(_internal(error))
    return code


def describe(error: MachineadmError) -> str:
    """An error for an operator: code and message, and below what to do."""
    hint = error.hint()
    text = f"machineadm: {error.code} {error.message}" + (f"\n  hint: {hint}" if hint else "")
    if isinstance(error, PluginError) and error.log_tail:
        # A plugin's log is kept nowhere else.
        lines = error.log_tail.splitlines()[-LOG_LINES:]
        text += "\n  its log ends:" + "".join(f"\n    {line}" for line in lines)
    return text


def _dispatch(arguments: list[str]) -> int:
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Python sets a stream to None if its descriptor is closed; the overview below could not
        # even be written.
        from machineadm.cli.streams import make_safe

        make_safe()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
        # Asked for, the overview is a result; typed by accident, in a script whose variable is
        # empty, it must not look like success.
        return 0 if arguments else 2
    command, rest = _command(arguments)
    # Asked for again and again by what looks at machines: answered before options, and what they
    # import, are needed.
    if command == "version" and not rest:
        from machineadm.cli.version import is_plain, print_version

        if is_plain():
            return print_version()
    return _run_command(command, rest)


def _command(arguments: list[str]) -> tuple[str, list[str]]:
    """The subcommand and its arguments.

    Raises:
        UsageError: There is no such subcommand.
    """
    first = arguments[0]
    if first == "--version":
        return "version", arguments[1:]
    # Only if an option comes first, so that no command can be taken for something else.
    if first.startswith("-") and "--bootstrap" in arguments:
        # As the proposal writes it: `--bootstrap` as an option among others.
        return "bootstrap", [argument for argument in arguments if argument != "--bootstrap"]
    if first in COMMANDS or first in _HIDDEN:
        return first, arguments[1:]
    raise UsageError(
        "MA7001", f"unknown command: {first!r}", hint=f"commands: {', '.join(COMMANDS)}"
    )


def _run_command(command: str, rest: list[str]) -> int:
    """Run a command, or one of those below it.

    Raises:
        UsageError: There is none of this name.
    """
    from importlib import import_module

    from machineadm.cli.options import Parser
    from machineadm.cli.streams import make_safe

    make_safe()
    # Names are checked against COMMANDS before, so nothing that was typed is ever imported.
    module = import_module(f"machineadm.cli.{command.replace('-', '_')}")
    if below := getattr(module, "COMMANDS", None):
        if not rest or rest[0] in ("-h", "--help", "help"):
            sys.stdout.write(_overview(below, f"machineadm {command}", module.__doc__ or ""))
            return 0 if rest else 2
        if rest[0] not in below:
            raise UsageError(
                "MA7001",
                f"no such command: {command} {rest[0]!r}",
                hint=f"there are {', '.join(below)}",
            )
        module = import_module(f"machineadm.cli.{command}.{rest[0].replace('-', '_')}")
        command, rest = f"{command} {rest[0]}", rest[1:]
    parser = Parser(prog=f"machineadm {command}", description=module.__doc__)
    module.add_arguments(parser)
    code: int = module.run(parser.read(rest))
    return code


def _overview(
    commands: dict[str, str] = COMMANDS,
    program: str = "machineadm",
    purpose: str = "Turns a bare machine into a Kubernetes node from one typed configuration.",
) -> str:
    width = max(map(len, commands)) + 1
    lines = [f"  {name:{width}} {summary}\n" for name, summary in commands.items()]
    return (
        f"usage: {program} COMMAND [OPTION ...]\n\n"
        f"{purpose}\n\n"
        f"{''.join(lines)}\n"
        f"`{program} COMMAND --help` lists the options of a command. Every option can also be set\n"
        "by the environment variable MACHINEADM_<OPTION>.\n"
    )


def _refuse(error: MachineadmError) -> int:
    from machineadm.cli.streams import make_safe

    # At the latest here: even if the error cannot be printed, the exit code must be the error's.
    make_safe()
    sys.stderr.write(describe(error) + "\n")
    _is_written()
    return error.exit_code


def _is_written() -> bool:
    """Whether standard output has taken everything. If not, the interpreter must not fail on it again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        _silence()
        return False
    return True


def _silence() -> None:
    from machineadm.cli.streams import silence

    try:
        silence(sys.stdout)
    except OSError:
        # Not even /dev/null can be opened (EMFILE). The interpreter flushes no stream that is not there.
        sys.stdout = None


def _unloadable(error: Exception) -> MachineadmError:
    # The start-up module of the packed agent; a checkout has no libraries of its own to lose.
    # Asked for by name, because machineadm must not import the code that unpacks it.
    front = getattr(sys.modules["__main__"], "front", None)
    if front and front.repair():
        return HostError(
            "MA7108",
            "the agent's unpacked libraries were damaged",
            hint="they were unpacked again: rerun the same command",
        )
    if isinstance(error, ModuleNotFoundError) or not isinstance(error, ImportError):
        return _internal(error)
    return HostError(
        "MA7006",
        f"the agent's own libraries cannot be loaded: {error}",
        hint="is their directory mounted noexec? MACHINEADM_CACHE names another one",
    )


def _unwritten(error: OSError) -> MachineadmError:
    """The error for lost output. Code that touches the machine turns OSErrors into errors of its own, so this one is not theirs."""
    import errno

    from machineadm.cli.streams import UnwrittenError

    # Errors of a write: full, over quota, too large, a broken disk.
    lost = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
    if not isinstance(error, UnwrittenError) and error.errno not in lost:
        return _internal(error)
    _silence()
    return UsageError(
        "MA7005",
        f"cannot write to standard output: {error.strerror}",
        hint="check where it is redirected to",
    )


def _internal(error: Exception) -> InternalError:
    """One line for an operator. The traceback only on request, because it may show values."""
    import os

    if os.environ.get("MACHINEADM_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    # The text of a foreign exception may hold values of the configuration.
    return InternalError("MA9001", f"unexpected {type(error).__name__}", hint=_INTERNAL_HINT)
