"""`crdlint`, `python -m crdlint`."""

import sys

from crdlint import command


def main() -> int:
    """Run the command line of this process; gives its exit code."""
    return command.run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
