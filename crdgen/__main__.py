"""`python -m crdgen`; `python -m crdgen check FILE...`, which is crdlint."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run what the first word names.

    Args:
        arguments: The command line after the program's name.

    Returns:
        The exit code; 2 is a mistake in the command line itself.
    """
    match list(arguments):
        case ["check", *rest]:
            try:
                from crdlint import command
            except ModuleNotFoundError as error:
                sys.stderr.write(f"crdgen check: {error}; pip install ./crdgen/crdlint\n")
                return 2
            return command.run(rest)
        case rest:
            from crdgen.generate import command as generate

            return generate.run(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
