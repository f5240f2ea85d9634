"""`python -m signing COMMAND`: the one place where the commands meet, and where errors become exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from machineadm.errors import MachineadmError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each is a module with `run(arguments) -> exit code`, imported when its command is called.
COMMANDS = {
    "keygen": ("signing.keygen", "make a key pair"),
    "sign": ("signing.sign", "sign a release directory"),
    "verify": ("signing.verify", "check a release directory, or one file"),
    "publish": ("signing.publish.command", "publish a signed release where machines find it"),
    "bundle": (
        "signing.bundle",
        "pack a signed release into one file, for sites without a network",
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first word names.

    Args:
        arguments: The command line after the program's name.

    Returns:
        The exit code: 0, or that of the error (machineadm.errors); 2 is a mistake in the command line.
    """
    if not arguments or arguments[0] not in COMMANDS:
        # Help that was asked for is output, and goes with exit code 0 to a pager; help that nobody
        # asked for is an error, and must not end up in a pipe.
        wanted = bool(arguments) and arguments[0] in ("-h", "--help")
        print(_usage(), file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    module, _ = COMMANDS[arguments[0]]
    try:
        # Imported by name and not above: boto3, google.cloud and python-pkcs11 are behind some
        # commands, and `keygen` on an offline machine must work without any of them.
        return int(import_module(module).run(arguments[1:]))
    except MachineadmError as error:
        print(f"signing: {error.code} {error.message}", file=sys.stderr)
        if error.hint():
            print(f"  {error.hint()}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        # No command needs to be undone: each writes files whole, and a second run does what is
        # left.
        print("signing: interrupted; run it again to continue", file=sys.stderr)
        # 128 + SIGINT, which shells and pipelines read as "stopped by a person".
        return 130


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(["usage: python -m signing COMMAND [OPTION ...]", "", *lines])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
